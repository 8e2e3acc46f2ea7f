"""A load generator in plain asyncio, for machines without wrk. It is slower than wrk, and often the limit itself.

Run as ``python -m bench.client URL CONNECTIONS SECONDS MIX PATH DAY FIRST PAUSE``; sends the same requests as
``load.lua``, whose arguments these are, and prints the same line of JSON.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

from bench.marks import DATE, LEAF

_CLIENTS = 10_007
_TO_SEND = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json; charset=utf-8\r\n"
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/70.0.3538.110\r\nX-Forwarded-For: "
)


def requests(mix: Path, *, host: str, path: str, day: str, first: int) -> Iterator[bytes]:
    """Yield requests without end, each with a date of its own."""
    templates = [_cut(line) for line in _lines(mix / "templates")]
    leaves = [(templates[int(number)], leaf) for number, _, leaf in (s.partition(" ") for s in _lines(mix / "leaves"))]
    order = [leaves[int(line)] for line in _lines(mix / "order")]
    clients = [f"198.18.{client // 256}.{client % 256}" for client in range(_CLIENTS)]
    head = _TO_SEND.format(path=path, host=host)
    for number in count(first):
        (before, between, behind, middle, end), leaf = order[number % len(order)]
        second, millisecond = divmod(number, 1000)
        date = f"{day}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{millisecond:03}Z"
        body = f"{before}{date}{between}{date}{behind}{leaf}{middle}{leaf}{end}"
        yield f"{head}{clients[number % _CLIENTS]}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode("ascii")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _cut(template: str) -> list[str]:
    return template.replace(DATE, LEAF).split(LEAF)


@dataclass(slots=True)
class ResponseCounter:
    """What came back; times of answers in seconds."""

    refused: int = 0
    broken: int = 0
    over: bool = False
    """Whether the load is over: what comes from now on is not counted, and nothing more is sent."""
    times: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One connection: sends a request, waits for the answer, pauses, sends the next."""

    def __init__(self, source: Iterator[bytes], counter: ResponseCounter, *, pause: float) -> None:
        self._source = source
        self._counter = counter
        self._pause = pause
        self._sent_at = 0.0
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._later()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Count an answer."""
        if self._counter.over:
            return
        self._counter.times.append(time.perf_counter() - self._sent_at)
        self._counter.refused += self._parser.get_status_code() >= 400
        self._parser = httptools.HttpResponseParser(self)
        self._later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that ended before the load did."""
        self._counter.broken += not self._counter.over

    def _later(self) -> None:
        if self._pause > 0:
            asyncio.get_running_loop().call_later(random.expovariate(1 / self._pause), self._send)
        else:
            self._send()

    def _send(self) -> None:
        if not (self._counter.over or self._transport.is_closing()):
            self._sent_at = time.perf_counter()
            self._transport.write(next(self._source))


async def load(url: str, source: Iterator[bytes], *, connections: int, seconds: float, pause: float) -> dict[str, int]:
    """Keep a server busy for some seconds; times are in microseconds."""
    address, counter = urlsplit(url), ResponseCounter()
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(
            lambda: Connection(source, counter, pause=pause), address.hostname or "", address.port or 80
        )
    await asyncio.sleep(seconds)
    counter.over = True
    times, duration = sorted(counter.times), time.perf_counter() - started
    return {
        "requests": len(times),
        "refused": counter.refused,
        "broken": counter.broken,
        "duration": round(duration * 1e6),
        "p50": round(1e6 * times[len(times) // 2]) if times else 0,
        "p99": round(1e6 * times[len(times) * 99 // 100]) if times else 0,
    }


def main() -> None:
    """Read the arguments, load, print."""
    url, connections, seconds, mix, path, day, first, pause = sys.argv[1:]
    source = requests(Path(mix), host=urlsplit(url).netloc, path=path, day=day, first=int(first))
    found = uvloop.run(
        load(url, source, connections=int(connections), seconds=float(seconds), pause=float(pause) / 1000)
    )
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
