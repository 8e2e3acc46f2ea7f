"""``python -m bench.worst_bodies``: what the dearest reports cost that a stranger can write, in CPU time.

The whole way of a body, with nothing cached::

    bytes ──ReportReader──> report, identity ──judge──> Judgement
            reading                           judging, of which completing: finding the leaf and building its paths

Each body is within what the intake takes: 256 kB, two chains of 20 certificates, 100 entries of a batch.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric import ec

from app.catalog import load_known_certificates
from app.hpkp.catalog import Catalog
from app.hpkp.hosts import Host
from app.hpkp.judgement.context import JudgementContext
from app.hpkp.judgement.judge import judge
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509 import names, signatures
from app.hpkp.x509.anchors import KnownCertificates
from app.senders.pem import PemForm
from app.senders.reader import Identified, ReportReader
from app.senders.reporting_api import MAX_ENTRIES
from app.senders.wire import MAX_CHAIN, MAX_PINS
from app.settings import Settings
from bench.worst_chains import CHAINS, HOST, NOW, namesakes

MOST_BYTES: int = Settings.model_fields["max_body_bytes"].default
GOAL_MS = 60

T = TypeVar("T")

_PINS = tuple(Pin(bytes((number,)) * 32) for number in range(MAX_PINS))
HISTORY = PolicyHistory((PinningPolicy(Host(HOST), tuple(map(ExpectedPin, _PINS[:5])), effective_from=NOW),))


def members(ders: Sequence[bytes]) -> dict[str, Any]:
    """Return the members of a report in Chromium's form, its certificates in one chain, or in two with one leaf."""
    texts = list(map(_pem, ders[: 2 * MAX_CHAIN - 1]))
    moment = f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z"
    return {
        "date-time": moment,
        "effective-expiration-date": moment,
        "hostname": HOST,
        "include-subdomains": False,
        "known-pins": [pin.directive for pin in _PINS],
        "noted-hostname": HOST,
        "port": 443,
        "served-certificate-chain": texts[:MAX_CHAIN] if len(texts) > MAX_CHAIN else [],
        "validated-certificate-chain": [texts[0], *texts[MAX_CHAIN:]] if len(texts) > MAX_CHAIN else texts,
    }


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    pem = "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
    assert PemForm.COLUMNS_64.value.fullmatch(pem)
    return pem


def _write(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _batch(cas: int) -> bytes:
    """Make a batch of as many reports as there is room for, each with keys that are dear to verify with."""
    entries = list[bytes]()
    size = 0
    while len(entries) < MAX_ENTRIES:
        ders = namesakes(ec.generate_private_key(ec.BrainpoolP512R1()).public_key() for _ in range(cas))
        body = {"hostname": HOST, "served-certificate-chain": [base64.b64encode(der).decode("ascii") for der in ders]}
        entry = _write({"type": "hpkp", "body": body})
        size += len(entry) + 1
        if size >= MOST_BYTES:
            break
        entries.append(entry)
    return b"[" + b",".join(entries) + b"]"


def _keys_in_quotes() -> bytes:
    """Make texts that each begin as the DER of a key might."""
    return _filled({"padding": ["M" + "A" * 80] * 3000})


def _escapes() -> bytes:
    return _filled({"padding": "\u0001" * 40_000})


def _nested() -> bytes:
    """Nest as deep as the JSON reader goes, below a member sent twice: a private key's place is looked for in vain."""
    value: Any = [[0]] * 40_000
    for _ in range(180):
        value = [value]
    return b'{"padding":"PRIVATE KEY",' + _filled({"padding": value})[1:]


def _filled(more: dict[str, Any]) -> bytes:
    return _write(members([b"0"]) | more)


BODIES: dict[str, Callable[[], bytes]] = {
    **{title: lambda make=make: _write(members(make())) for title, make in CHAINS.items()},  # type: ignore[misc]
    "batch of reports, 12 CAs each": lambda: _batch(12),
    "3,000 texts like keys": _keys_in_quotes,
    "40,000 escapes": _escapes,
    "40,000 lists 180 deep": _nested,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time in milliseconds, and what was spent. Completing is a part of judging, measured by itself."""

    reading: float
    judging: float
    completing: float
    reports: int
    checks: int
    paths: int
    limits: tuple[str, ...]

    @property
    def total(self) -> float:
        """Milliseconds for the whole body."""
        return self.reading + self.judging


def measure(body: bytes, known: KnownCertificates, catalog: Catalog | None = None) -> Cost:
    """Measure one body with nothing cached."""
    catalog = catalog or Catalog()
    reports, reading = _timed(lambda: read(body))
    _, judging = _timed(lambda: [judge_one(report, known, catalog) for report in reports])
    # Judging has left its marks on the certificates, so completing is measured with those of another reading.
    contexts = [_context(report, known, catalog) for report in read(body)]
    completed, completing = _timed(lambda: [context.completed for context in contexts])
    found = [one for one in completed if one is not None]
    return Cost(
        reading=reading,
        judging=judging,
        completing=completing,
        reports=len(reports),
        checks=sum(one.checks for one in found),
        paths=sum(len(one.candidates) for one in found),
        limits=tuple(dict.fromkeys(chain.from_iterable(one.limits_reached for one in found))),
    )


def read(body: bytes) -> list[ViolationReport]:
    """Read a body as a service does that has read nothing before; what cannot be read is left out."""
    return [one.report for one in ReportReader().read(body, received_at=NOW) if isinstance(one, Identified)]


def judge_one(report: ViolationReport, known: KnownCertificates, catalog: Catalog) -> object:
    """Judge a report by a policy of which nothing is in the bodies."""
    return judge(report, HISTORY, known, catalog, received_at=NOW + timedelta(hours=1), at=NOW)


def _context(report: ViolationReport, known: KnownCertificates, catalog: Catalog) -> JudgementContext:
    return JudgementContext(report, HISTORY, known, catalog, received_at=NOW + timedelta(hours=1), at=NOW)


def _timed(act: Callable[[], T]) -> tuple[T, float]:
    signatures._KEPT.clear()
    names._normalize_short.cache_clear()
    began = time.process_time()
    done = act()
    return done, 1000 * (time.process_time() - began)


def rows(rounds: int) -> Iterator[tuple[str, int, Cost]]:
    """Measure each body some rounds, and return its size in bytes and the round in the middle."""
    known = load_known_certificates()
    known.identities_named(names.normalize_name(b""))  # builds the indexes before anything is measured
    for title, make in BODIES.items():
        body = make()
        assert len(body) <= MOST_BYTES, f"{title}: {len(body)} bytes"
        costs = sorted((measure(body, known) for _ in range(rounds)), key=lambda cost: cost.total)
        yield title, len(body), costs[len(costs) // 2]


def main(rounds: int = 5) -> None:
    """Print the median of some rounds for each body as Markdown."""
    head = "body", "kB", "reports", "checks", "paths", "reading, ms", "judging, ms", "completing, ms", "total, ms"
    typer.echo(f"| {' | '.join(head)} | limits |\n{'|---' * (len(head) + 1)}|")
    for title, size, cost in rows(rounds):
        limits = ", ".join(limit.removeprefix("The limit of ").partition(" was")[0] for limit in cost.limits)
        times = " | ".join(f"{part:.1f}" for part in (cost.reading, cost.judging, cost.completing, cost.total))
        typer.echo(f"| {title} | {size // 1000} | {cost.reports} | {cost.checks} | {cost.paths} | {times} | {limits} |")


if __name__ == "__main__":
    typer.run(main)
