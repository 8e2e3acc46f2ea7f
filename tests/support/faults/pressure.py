"""Costly requests, a policy change over many violations and many what-ifs at once, while honest clients report.

``python -m tests.support.faults.pressure --violations 10000`` runs it in full and prints what was found; the
suite runs a smaller one.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from app.ingest.envelope import Envelope
from app.metrics import Metrics
from app.service import open_service
from app.store.engine import to_ms
from app.wiring import DirectIntake
from bench.worst_bodies import BODIES
from tests.support.admin import ADMIN
from tests.support.application import settings_for
from tests.support.authority import make_root
from tests.support.reports import HOST, report_body, site
from tests.support.server import RunningService, running_service

_COSTLY = ("all at once", "one name, brainpoolP512r1", "clique of 6 CAs", "lattice of 2 by 9 CAs", "40,000 escapes")
_WHAT_IFS = 40
_CONNECTIONS = 16
_EVERY = 0.02
"""Seconds between two honest reports."""
_PATIENCE = 600
"""Seconds for evaluating everything again."""
_OTHER = make_root("Other").pin, make_root("Backup").pin


@dataclass(frozen=True)
class Found:
    """Latencies of honest reports in milliseconds, quiet and under pressure, and what became of everything else."""

    violations: int
    quiet_p50: float
    quiet_p99: float
    busy_p50: float
    busy_p99: float
    busy_most: float
    honest: dict[int, int]
    """Honest reports under pressure, by status."""
    costly: dict[int, int]
    what_ifs: dict[int, int]
    retry_after: bool
    """Whether each what-if that was turned away was told when to try again."""
    seconds: float
    """Until all of it was done."""
    rejudged: int
    missing: int
    """Reports that were accepted and are not counted; negative if some are counted twice."""


def press(directory: Path, *, violations: int, quiet_seconds: float = 3) -> Found:
    """Fill a store, measure honest reports while nothing else happens, and then with everything at once."""
    _fill(directory, violations)
    with running_service(directory) as service:
        return asyncio.run(_press(service, violations, quiet_seconds))


def _fill(directory: Path, count: int) -> None:
    """Let a host have a policy and violations with chains of three certificates each."""
    settings = settings_for(
        directory,
        max_new_violations_per_day=count + 1,
        max_new_violations_per_network=count + 1,
        max_new_violations_per_network_and_host=count + 1,
        max_unknown_violations_per_day=count + 1,
        reserved_for_checked_percent=0,
        max_raw_bodies=0,
    )
    service = open_service(settings, Metrics())
    try:
        intake = DirectIntake(service)
        at = datetime.now(UTC) - timedelta(hours=1)
        for start in range(0, count, 500):
            intake.take(
                (report_body(at=at, port=1 + number), Envelope("192.0.2.1"), to_ms(at))
                for number in range(start, min(count, start + 500))
            )
    finally:
        service.engine.dispose()


async def _press(service: RunningService, violations: int, quiet_seconds: float) -> Found:
    url = f"{service.url}/api/v1/hosts/{HOST}"
    bodies = _honest()
    async with httpx.AsyncClient(headers=ADMIN, timeout=600, limits=httpx.Limits(max_connections=200)) as client:
        (await client.put(f"{url}/policy", json=_policy(site().root.pin, _OTHER[1]))).raise_for_status()
        # Two changes that both wait would be done as one.
        await _wait_for_rejudging(client, service, times=1)
        quiet = asyncio.Event()
        asyncio.get_running_loop().call_later(quiet_seconds, quiet.set)
        before, statuses = await _report(service, bodies, until=quiet)
        sent = statuses.total()

        done = asyncio.Event()
        began = time.monotonic()
        reporting = asyncio.create_task(_report(service, bodies, until=done))
        answers = await asyncio.gather(
            *(client.post(f"{service.url}/report", content=BODIES[title]()) for title in _COSTLY),
            client.put(f"{url}/policy", json=_policy(*_OTHER)),
            *(client.post(f"{url}/what-if", json={"pins": [site().leaf.pin]}) for _ in range(_WHAT_IFS)),
        )
        rejudged = await _wait_for_rejudging(client, service, times=2)
        seconds = time.monotonic() - began
        done.set()
        latencies, honest = await reporting
        what_ifs = answers[-_WHAT_IFS:]
        totals = (await client.get(f"{url}/summary")).json()["totals"]
    return Found(
        violations=violations,
        quiet_p50=_share(before, 0.5),
        quiet_p99=_share(before, 0.99),
        busy_p50=_share(latencies, 0.5),
        busy_p99=_share(latencies, 0.99),
        busy_most=max(latencies),
        honest=dict(honest),
        costly=dict(Counter(answer.status_code for answer in answers[: len(_COSTLY)])),
        what_ifs=dict(Counter(answer.status_code for answer in what_ifs)),
        retry_after=all("retry-after" in answer.headers for answer in what_ifs if answer.status_code == 503),
        seconds=seconds,
        rejudged=rejudged,
        missing=violations + sent + honest.total() - totals["reports"],
    )


def _policy(*pins: str) -> dict[str, object]:
    return {"pins": [{"sha256": pin} for pin in pins]}


def _honest() -> Iterator[bytes]:
    """Make reports of a violation that is known, each another one by its date."""
    at = datetime.now(UTC) - timedelta(minutes=30)
    while True:
        yield report_body(at=at, port=1)
        at += timedelta(milliseconds=1)


async def _report(
    service: RunningService, bodies: Iterator[bytes], *, until: asyncio.Event
) -> tuple[list[float], Counter[int]]:
    """Post reports at a steady rate, whether or not those before are answered; return latencies and statuses.

    Over bare connections: a client library costs more on this machine than what is measured.
    """
    latencies, statuses = list[float](), Counter[int]()
    due = asyncio.Queue[float | None]()
    where = urlsplit(service.url)

    async def post() -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        while (began := await due.get()) is not None:
            body = next(bodies)
            writer.write(b"POST /report HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            latencies.append((time.monotonic() - began) * 1000)
            statuses[int(answer.split(b" ", 2)[1])] += 1
        writer.close()

    posting = [asyncio.create_task(post()) for _ in range(_CONNECTIONS)]
    while not until.is_set():
        due.put_nowait(time.monotonic())
        await asyncio.sleep(_EVERY)
    for _ in posting:
        due.put_nowait(None)
    await asyncio.gather(*posting)
    return latencies, statuses


async def _wait_for_rejudging(client: httpx.AsyncClient, service: RunningService, *, times: int) -> int:
    """Wait until so many policy changes are done; return how many violations were evaluated again for the last one."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        query: dict[str, str] = {"kind": "rejudged", "host": HOST}
        events = (await client.get(f"{service.url}/api/v1/events", params=query)).json()["items"]
        counts = [int(event["text"].split(" ")[0].replace(",", "")) for event in events]
        if len(counts) >= times:
            return counts[0]
        await asyncio.sleep(0.2)
    raise AssertionError(f"{len(counts)} of {times} policy changes are done")


def _share(latencies: list[float], share: float) -> float:
    return sorted(latencies)[int(share * (len(latencies) - 1))]


def main() -> None:
    """Run it, and print what was found as JSON. Exits with 1 if a report or an evaluation is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--violations", type=int, default=10_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = press(Path(directory), violations=chosen.violations)
    sys.stdout.write(f"{json.dumps(asdict(found), indent=2)}\n")
    sys.exit(found.missing != 0 or found.rejudged < chosen.violations)


if __name__ == "__main__":
    main()
