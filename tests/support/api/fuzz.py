"""Hostile bodies in process, and hostile conversations with a real server; no internal error, and nothing that hangs.

::

    python -m tests.support.api.fuzz bodies 100000        the seed is printed, and taken with --seed
    python -m tests.support.api.fuzz sockets 20000

A body goes through the collector, the log and the fold, as those of senders do. A conversation is a request that was
mutated, cut into reads and left by its sender in different ways; it has to end by an answer or by a limit.
"""

import argparse
import asyncio
import base64
import json
import logging
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.demo import FORMS, SampleKind, is_sent_by, make_site
from app.hpkp.hosts import Host
from app.metrics import Metrics
from app.outcomes import Outcome
from app.service import open_service
from tests.support.application import SENDER, collect, settings_for, status_of
from tests.support.der_mutation import mutate as mutate_der
from tests.support.der_mutation import parse
from tests.support.protocol_server import chunked, post, split
from tests.support.server import RunningService, running_service

_BATCH = 1000
_CONVERSATIONS = 100
"""At once."""
HANGS_AFTER = 120.0
"""Seconds after which a conversation hangs: ten times the limits that the server has here, for a busy machine."""
_LIMITS = dict.fromkeys(("HPKP_MAX_HEAD_SECONDS", "HPKP_MAX_BODY_SECONDS", "HPKP_MAX_IDLE_SECONDS"), "1")
_STRANGER, _FORWARDED = "127.9.8.7", "203.0.113.99"
"""Addresses that no log may have."""

_ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, 2**63, 1e308, "", "\x00", "\ud800", "x" * 5000, "\u202e", "<script>", [], [[]], {},
    {"": {}}, "::1%" + "x" * 300, "a\r\nb", "*", "www.example.com.", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-02-30T00:00:00Z", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nMA==\n", 'pin-sha256="x"',
    "sha256/" + "A" * 43 + "=", "١٢٣",
)  # fmt: skip
_ODD_BYTES = (
    b"\x00", b"\xff", b"\r\n", b"\r\n\r\n", b"\n", b" ", b"\t", b":", b",", b"%", b"%00", b"?", b"#", b"[", b"{", b'"',
    b"\\ud800", b"\xed\xa0\x80", b"9" * 40, b"-1", b"0x1", b"x" * 9000, b"[" * 5000, b"HTTP/1.1", b"chunked",
    b"\xef\xbb\xbf",
)  # fmt: skip


@cache
def bodies() -> tuple[bytes, ...]:
    """Return bodies of every sender and scenario, and of what is no report."""
    at = datetime.now(UTC)
    site = make_site(Host("www.example.com"), at=at)
    made = [
        form.sample(site.incident(scenario, at=at)).body
        for sender, form in FORMS.items()
        for scenario in SampleKind
        if is_sent_by(sender, scenario)
    ]
    other = [b'{"csp-report":{"blocked-uri":"x"}}', b'[{"type":"nel","body":{}}]', b"{}", b"[]", b"", b"null", b'"x"']
    canary = b'{"hostname":"www.example.com","known-pins":[],"hpkp-canary":{"nonce":"00","sent":1,"signature":"00"}}'
    return (*made, *other, canary)


def mutated_body(chance: random.Random) -> bytes:
    """Return a body that nobody meant."""
    body = chance.choice(bodies())
    kind = chance.random()
    if kind < 0.6:
        with suppress(ValueError):
            value = json.loads(body)
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                value = _mutate_value(value, chance)
            body = json.dumps(value, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    return body if kind < 0.5 else mutated_bytes(body, chance)


def _mutate_value(value: Any, chance: random.Random) -> Any:
    """Change one thing somewhere in a JSON value."""
    inner = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if inner and chance.random() < 0.85:
        key = chance.choice(inner)
        act = chance.random()
        if act < 0.1:
            del value[key]
        elif act < 0.15 and isinstance(value, list):
            value.extend([value[key]] * chance.choice((1, 3, 60)))
        elif act < 0.2 and isinstance(value, dict):
            value[chance.choice(("known-pins", "hostname", "noted-hostname", "hpkp-canary", "body", "x"))] = value[key]
        else:
            value[key] = _mutate_value(value[key], chance)
        return value
    if isinstance(value, str) and "CERTIFICATE" in value and chance.random() < 0.7:
        return _mutate_pem(value, chance)
    if isinstance(value, str) and chance.random() < 0.4:
        return mutated_bytes(value.encode("utf-8", "surrogatepass"), chance).decode("latin-1")
    return json.loads(json.dumps(chance.choice(_ODD_VALUES)))


def _mutate_pem(text: str, chance: random.Random) -> str:
    """Change the certificate in a PEM text."""
    inner = "".join(text.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0].split())
    try:
        der = base64.b64decode(inner)
    except ValueError:
        return text
    if parse(der) is None:  # mutated before, so that it is no tree any more
        return text
    made = base64.b64encode(mutate_der(der, [der], chance)).decode()
    return f"-----BEGIN CERTIFICATE-----\n{made}\n-----END CERTIFICATE-----"


def mutated_bytes(data: bytes, chance: random.Random) -> bytes:
    """Cut, repeat, replace and insert."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 4, 100, 5000)))
        piece = chance.choice(
            (b"", chance.choice(_ODD_BYTES), chance.randbytes(chance.randrange(8)), data[start:end] * 2)
        )
        data = data[:start] + piece + data[end:]
    return data


class _Errors(logging.Handler):
    """Keeps what was logged as an error: faults that nobody saw in an answer."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.found.append(self.format(record))


def fuzz_bodies(count: int, seed: int, directory: Path) -> Counter[Outcome]:
    """Collect and count so many bodies; return their outcomes. Raises AssertionError for an internal error."""
    errors, outcomes = _Errors(), Counter[Outcome]()
    root = logging.getLogger()
    root.addHandler(errors)
    service = open_service(settings_for(directory, max_unknown_hosts=10_000), Metrics())
    try:
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            made = [mutated_body(random.Random(f"{seed}/{number}")) for number in numbers]
            envelope = SENDER._replace(address=f"203.0.{first // _BATCH % 250}.7")
            found = collect(service, *made, envelope=envelope)
            outcomes.update(found)
            faults = [number for number, outcome in zip(numbers, found, strict=True) if outcome is Outcome.FAULT]
            status = status_of(service)
            assert not faults, f"seed {seed}, bodies {faults}: {errors.found[:1]}"
            assert status.error is None, f"seed {seed}, bodies from {first}: {status.error}"
            assert not errors.found, f"seed {seed}, bodies from {first}: {errors.found[:1]}"
    finally:
        root.removeHandler(errors)
        service.engine.dispose()
    assert outcomes.total() == count
    return outcomes


_PATHS = (
    "/report", "/report/web", "/report?mode=enforce", "/", "/hosts/www.example.com", "/login", "/openapi.json",
    "/metrics",
    "/api/v1/hosts", "/api/v1/hosts/www.example.com/policy", "/api/v1/hosts/www.example.com/readiness",
    "/api/v1/hosts/www.example.com/what-if", "/api/v1/hosts/www.example.com/check", "/api/v1/violations?limit=1",
    "/api/v1/violations/1", "/api/v1/events", "/api/v1/export", "/api/v1/overflow?host=x", "/readyz", "http://x/report",
    "/api/v1/hosts/%5B::1%25x%5D/summary", "*", "//", "/report/%2e%2e", "/static/style.css",
)  # fmt: skip
_HEADERS = (
    "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded", "Expect: 100-continue",
    "Connection: close", "Connection: keep-alive", "Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c",
    "Content-Encoding: gzip", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Content-Length: 3",
    "Origin: http://[", "Origin: null", "Cookie: a=b; c", "Accept: text/html", "Range: bytes=0-", "Host: [",
    "X-A: " + "y" * 9000,
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Authorization: Basic %", "If-None-Match: *",
    "X-Forwarded-Proto: https",
    "X-Forwarded-For: ", "X-Forwarded-For: ,[::1%x],,", "User-Agent: \xff\xfe",
)  # fmt: skip
_METHODS = (
    "POST",
    "POST",
    "POST",
    "GET",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "HEAD",
    "TRACE",
    "CONNECT",
    "PRI",
    "get",
)


def hostile_request(chance: random.Random, token: str) -> Sequence[bytes]:
    """Return a request as the reads in which it is sent."""
    body = chance.choice((b"", chance.choice(bodies()), mutated_body(chance)))
    fields = chance.sample(_HEADERS, chance.randrange(4))
    fields.append(f"X-Forwarded-For: {_FORWARDED}")
    if chance.random() < 0.5:
        fields.append(f"Authorization: Bearer {token}")
    method, path = ("POST", "/report") if chance.random() < 0.3 else (chance.choice(_METHODS), chance.choice(_PATHS))
    version = "1.1" if chance.random() < 0.9 else chance.choice(("1.0", "2.0", "0.9", "x"))
    if chance.random() < 0.2:
        request = post(b"", path, *fields, "Transfer-Encoding: chunked", method=method, version=version, length=False)
        request += chunked(*(body[start : start + 4000] for start in range(0, len(body), 4000)))
    else:
        request = post(body, path, *fields, method=method, version=version)
    if chance.random() < 0.5:
        request = mutated_bytes(request, chance)
    if chance.random() < 0.1:
        request += hostile_request(chance, token)[0]
    places = [chance.randrange(1, len(request)) for _ in range(chance.choice((0, 0, 1, 3)))] if len(request) > 1 else []
    return split(request, *sorted(set(places)))


@dataclass
class Talks:
    """What came of conversations."""

    statuses: Counter[int] = field(default_factory=Counter)
    silent: int = 0
    """Ended without an answer: by their sender, or by a limit."""


async def _talk(address: tuple[str, int], number: int, seed: int, token: str, talks: Talks) -> None:
    """Hold one conversation. Raises AssertionError for an internal error, and for one that does not end."""
    chance = random.Random(f"{seed}/{number}")
    parts = hostile_request(chance, token)
    source = chance.choice((_STRANGER, "127.0.0.1"))
    told = b""
    try:
        async with asyncio.timeout(HANGS_AFTER):
            reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
            with suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await asyncio.sleep(0)
                leaves = chance.random()
                if leaves < 0.1:
                    writer.transport.abort()
                elif leaves < 0.3:
                    with suppress(OSError):  # the other end has closed it already
                        writer.write_eof()
                # Others stay until they have an answer, or until a limit ends them.
                while leaves >= 0.1 and (more := await reader.read(65536)):
                    told += more
                    if leaves >= 0.4:
                        break
            writer.transport.abort()
    except TimeoutError:
        raise AssertionError(f"seed {seed}, conversation {number} hangs: {b''.join(parts)!r:.2000}") from None
    status = int(told[9:12]) if told.startswith(b"HTTP/1.1 ") else None
    if status is None:
        talks.silent += 1
        return
    talks.statuses[status] += 1
    assert status < 500 or status == 503, (
        f"seed {seed}, conversation {number}: {told[:500]!r} to {b''.join(parts)!r:.2000}"
    )


async def _talk_all(address: tuple[str, int], count: int, seed: int, token: str) -> Talks:
    talks, numbers = Talks(), iter(range(count))

    async def work() -> None:
        for number in numbers:
            await _talk(address, number, seed, token, talks)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(count, _CONVERSATIONS)):
            group.create_task(work())
    return talks


def _new_token(directory: Path) -> str:
    """Make a token for the store of a service that runs."""
    url = f"sqlite:///{directory}/hpkp.sqlite3"
    command = [sys.executable, "-m", "app.cli", "token", "new", "fuzz", "--scope", "admin"]
    environment = {"HPKP_DATABASE_URL": url, "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def fuzz_sockets(count: int, seed: int, directory: Path, *options: str) -> Talks:
    """Hold so many conversations with a server of its own. Raises AssertionError for an internal error or a hang."""
    # Nothing may lead a probe or a canary of the fuzzed service anywhere: private addresses are refused by default.
    with running_service(directory, *options, HPKP_MAX_CONNECTIONS="500", **_LIMITS) as service:
        token = _new_token(directory)
        before = len(service.log.read_text())
        where = urlsplit(service.url)
        assert where.hostname
        assert where.port
        talks = asyncio.run(_talk_all((where.hostname, where.port), count, seed, token))
        _check_afterwards(service, token, before, seed)
    return talks


def _check_afterwards(service: RunningService, token: str, before: int, seed: int) -> None:
    """Check that the service is as well as before, and logged nothing of anybody."""
    client = httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    with client:
        assert client.get("/readyz").status_code == 200, f"seed {seed}"
        metrics = client.get("/metrics").text
        assert 'hpkp_submissions_total{outcome="fault"} 0.0' in metrics, f"seed {seed}"
        assert client.post("/report", content=bodies()[0]).status_code == 204, f"seed {seed}"
    logged = service.log.read_text()[before:]
    for word in (_STRANGER, _FORWARDED, "Traceback", "Exception"):
        assert word not in logged, f"seed {seed}: {logged[-3000:]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["bodies", "sockets"])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    chosen = parser.parse_args(arguments)
    sys.stdout.write(f"seed {chosen.seed}\n")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        if chosen.what == "bodies":
            sys.stdout.write(f"{dict(fuzz_bodies(chosen.count, chosen.seed, Path(directory)))}\n")
        else:
            sys.stdout.write(f"{fuzz_sockets(chosen.count, chosen.seed, Path(directory))}\n")


if __name__ == "__main__":
    main()
