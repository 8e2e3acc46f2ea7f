"""A flood of distinct junk from a few networks at a served process, and then honest clients with an unpinned key.

``python -m tests.support.faults.flood --junk 100000`` runs it in full and prints what was found; the suite runs a
smaller one.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.authority import Issued, Site, make_root
from tests.support.reports import HOST, report_body
from tests.support.server import RunningService, running_service

_CONNECTIONS = 32
_VARIANTS = 5
"""Kinds of honest clients: so many violations of one leaf."""
_FLOODING = tuple(f"203.0.{number}.7" for number in range(5))
_START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)

Request = tuple[str, bytes]
"""Address of the client, and body."""


@dataclass(frozen=True)
class Found:
    """What was found after a flood."""

    junk: int
    junk_seconds: float
    junk_answers: dict[int, int]
    honest_answers: dict[int, int]
    honest_reports: int
    """Reports of violations with the honest clients' leaf, as the API shows them."""
    honest_causes: list[str]
    violations: int
    """All of the host."""
    overflow: dict[str, int]
    store_bytes_before: int
    """Of the file with its write-ahead log, before it was shrunk."""
    store_bytes: int
    limit: int
    honest_reports_after_shrinking: int
    reports_after_shrinking: int
    """Of all violations and all overflow; what was refused as a retry is in neither."""


def flood(directory: Path, *, junk: int, honest: int = 500, limit: int) -> Found:
    """Flood a service with a store in a directory, let the honest clients report, shrink the store, and look."""
    root = make_root("Public Root")
    intermediate = root.issue("Issuing CA", ca=True)
    real, unpinned = Site(_issue_leaf(intermediate), intermediate, root), _issue_leaf(intermediate)
    anchors = directory / "roots.pem"
    anchors.write_text(root.pem)
    settings = {"HPKP_TRUST_ANCHORS": str(anchors), "HPKP_MAX_STORE_BYTES": str(1 << 40)}
    with running_service(directory, **settings) as service:
        client = service.client
        pins = {"pins": [{"sha256": real.leaf.pin}, {"sha256": make_root("Backup").pin}]}
        client.put(f"/api/v1/hosts/{HOST}/policy", json=pins).raise_for_status()
        began = time.monotonic()
        junk_answers = asyncio.run(_post_all(service, _junk(real, junk)))
        seconds = time.monotonic() - began
        _wait_for_fold(client, junk)
        honest_answers = asyncio.run(_post_all(service, _honest(real, unpinned, honest)))
        _wait_for_fold(client, junk + honest)
        reports, causes = _of_leaf(client, unpinned)
        violations = client.get(f"/api/v1/hosts/{HOST}/summary").json()["totals"]["violations"]
        overflow = _overflow(client)
        before = _file_bytes(directory)
        _shrink(directory, settings | {"HPKP_MAX_STORE_BYTES": str(limit)})
        after = _file_bytes(directory)
        kept, _ = _of_leaf(client, unpinned)
        return Found(
            junk=junk,
            junk_seconds=seconds,
            junk_answers=dict(junk_answers),
            honest_answers=dict(honest_answers),
            honest_reports=reports,
            honest_causes=causes,
            violations=violations,
            overflow=dict(overflow),
            store_bytes_before=before,
            store_bytes=after,
            limit=limit,
            honest_reports_after_shrinking=kept,
            reports_after_shrinking=_all_reports(client) + _overflow(client).total(),
        )


def _issue_leaf(by: Issued) -> Issued:
    """Issue a leaf that is valid now: the service goes by the clock."""
    return by.issue(HOST, not_before=_START - timedelta(days=1), not_after=_START + timedelta(days=60))


def _junk(real: Site, count: int) -> Iterator[Request]:
    """Make distinct junk of four kinds, in turn from each network."""
    by = make_root("Issuing CA")
    made_up = Site(_issue_leaf(by), by, by)
    der = bytearray(b64decode("".join(made_up.served[0].splitlines()[1:-1])))
    for number, address in zip(range(count), itertools.cycle(_FLOODING), strict=False):
        at = _START + timedelta(milliseconds=number)
        match number // len(_FLOODING) % 4:
            case 0:  # a leaf of its own, for the host and valid, signed by nobody
                der[-4:-1] = number.to_bytes(3, "big")
                leaf = f"-----BEGIN CERTIFICATE-----\n{b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
                yield address, report_body(at=at, served=[leaf], validated=[leaf, by.pem])
            case 1:  # the host's real chain, copied, with a port of its own and pins of its own
                pins = [b64encode(number.to_bytes(32, "big")).decode()]
                served, validated = real.served, real.validated
                yield (
                    address,
                    report_body(at=at, served=served, validated=validated, port=1 + number % 65535, known_pins=pins),
                )
            case 2:  # a host of its own
                yield address, report_body(at=at, host=f"h{number}.example", served=[], validated=[])
            case _:  # no evidence, and pins of its own
                pins = [b64encode(number.to_bytes(32, "little")).decode()]
                yield address, report_body(at=at, served=[], validated=[], known_pins=pins)


def _honest(real: Site, unpinned: Issued, count: int) -> Iterator[Request]:
    """Make the reports of honest clients; the first tenth of them are in the networks of the flood."""
    served = [unpinned.pem, real.intermediate.pem]
    for number in range(count):
        address = f"198.{number // 250}.{number % 250}.9"
        if number < count // 10:
            address = _FLOODING[number % len(_FLOODING)].replace(".7", f".{100 + number}")
        yield (
            address,
            report_body(
                at=_START + timedelta(seconds=1, milliseconds=number),
                served=served,
                validated=[*served, real.root.pem],
                port=443 + number % _VARIANTS,
                known_pins=[real.leaf.pin],
            ),
        )


async def _post_all(service: RunningService, requests: Iterable[Request]) -> Counter[int]:
    """Post over some connections that are kept; count the statuses."""
    answers = Counter[int]()
    waiting = iter(requests)

    async def post() -> None:
        where = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for address, body in waiting:
            head = (
                f"POST /report HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            answers[int(answer.split(b" ", 2)[1])] += 1
            if length := re.search(rb"(?i)content-length: (\d+)", answer):
                await reader.readexactly(int(length[1]))
        writer.close()

    await asyncio.gather(*(post() for _ in range(_CONNECTIONS)))
    return answers


def _of_leaf(client: httpx.Client, leaf: Issued) -> tuple[int, list[str]]:
    """Return how many reports the API shows of violations with a leaf, and the causes of these."""
    fingerprint = leaf.certificate.fingerprint(_sha256()).hex()
    found = []
    for violation in _violations(client, HOST):
        if violation["reports"] > 1:
            shown = client.get(f"/api/v1/violations/{violation['id']}").json()
            if shown["validated_chain"] and shown["validated_chain"][0]["sha256"] == fingerprint:
                found.append(violation)
    return sum(violation["reports"] for violation in found), sorted({violation["cause"] for violation in found})


def _sha256() -> Any:
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()


def _violations(client: httpx.Client, host: str | None = None) -> Iterator[Any]:
    query: dict[str, str | int] = {"limit": 500} | ({} if host is None else {"host": host})
    while True:
        page = client.get("/api/v1/violations", params=query).json()
        yield from page["items"]
        if page["next"] is None:
            return
        query["cursor"] = page["next"]


def _all_reports(client: httpx.Client) -> int:
    return sum(violation["reports"] for violation in _violations(client))


def _overflow(client: httpx.Client) -> Counter[str]:
    counted = Counter[str]()
    for day in client.get("/api/v1/overflow").json()["items"]:
        counted[day["reason"]] += day["reports"]
    return counted


def _wait_for_fold(client: httpx.Client, total: int) -> None:
    """Wait until everything is counted: of a large flood the fold is behind."""
    deadline = time.monotonic() + 600
    while _all_reports(client) + _overflow(client).total() < total:
        assert time.monotonic() < deadline, "the fold does not catch up"
        time.sleep(1)


def _file_bytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("hpkp.sqlite3*") if file.is_file())


def _shrink(directory: Path, settings: dict[str, str]) -> None:
    """Do by command what the service does by itself every minute."""
    environment = os.environ | settings | {"HPKP_DATABASE_URL": f"sqlite:///{directory}/hpkp.sqlite3"}
    command = [sys.executable, "-m", "app.cli", "prune"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    """Run it, and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--junk", type=int, default=100_000)
    parser.add_argument("--honest", type=int, default=500)
    parser.add_argument("--limit", type=int, default=6_000_000, help="HPKP_MAX_STORE_BYTES at the end")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = flood(Path(directory), junk=chosen.junk, honest=chosen.honest, limit=chosen.limit)
    sys.stdout.write(f"{json.dumps(asdict(found), indent=2)}\n")


if __name__ == "__main__":
    main()
