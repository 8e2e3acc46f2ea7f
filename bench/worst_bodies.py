"""``python -m bench.worst_bodies``: what the dearest reports cost that a stranger can write, in CPU time.

The whole way of a body, with nothing cached::

    bytes ──BodyReader──> entry ──EntryReader──> submissions ──BodyBudgets──> judgements, or overflow
            door                  fold                         judging

Each body is within what the intake takes: 256 kB, two chains of 20 certificates, 100 entries of a batch with 160
different certificates in 640 places and 640 pins.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric import ec

from app.catalog import load_known_certificates
from app.hpkp.catalog import Catalog
from app.hpkp.hosts import Host
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509 import names, signatures
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.budget import Budget
from app.ingest.body_budgets import BodyBudgets
from app.ingest.body_reader import BodyReader
from app.ingest.entry import ReportEntry
from app.ingest.entry_reader import EntryReader
from app.ingest.envelope import Envelope
from app.ingest.keyed_hashes import KeyedHashes
from app.senders.pem import PemForm
from app.senders.reporting_api import MAX_CERTIFICATES, MAX_ENTRIES, MAX_PLACES
from app.senders.reporting_api import MAX_PINS as MAX_BATCH_PINS
from app.senders.wire import MAX_CHAIN, MAX_PINS
from app.settings import Settings
from app.store.engine import from_ms, to_ms
from app.store.submissions import Submission
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


def _batch(make: Callable[[int], dict[str, Any]], most: int = MAX_ENTRIES) -> bytes:
    """Make a batch of as many reports as there is room for."""
    entries = list[bytes]()
    size = 2
    while len(entries) < most:
        entry = _write({"type": "hpkp", "body": {"hostname": HOST, "port": len(entries) + 1} | make(len(entries))})
        size += len(entry) + 1
        if size > MOST_BYTES:
            break
        entries.append(entry)
    return b"[" + b",".join(entries) + b"]"


def _chains(ders: Sequence[bytes]) -> dict[str, Any]:
    texts = [base64.b64encode(der).decode("ascii") for der in ders]
    return {"served-certificate-chain": texts[:MAX_CHAIN], "validated-certificate-chain": texts[MAX_CHAIN:]}


def _namesakes(curve: type[ec.EllipticCurve], cas: int) -> dict[str, Any]:
    return _chains(namesakes(ec.generate_private_key(curve()).public_key() for _ in range(cas)))


def _batch_of(title: str, *, most: int = MAX_ENTRIES, **more: Any) -> bytes:
    """Make a batch of chains that are each made anew, as many certificates as are taken."""
    most = min(most, MAX_CERTIFICATES // len(CHAINS[title]()[: 2 * MAX_CHAIN]))
    return _batch(lambda _: _chains(CHAINS[title]()[: 2 * MAX_CHAIN]) | more, most)


def _batch_of_one_site() -> bytes:
    chains = _chains(CHAINS["lattice of 2 by 9 CAs"]()[:3])
    return _batch(lambda _: chains)


def _batch_of_all() -> bytes:
    """Make few reports that are costly to judge, many that are to read, and fill what is left with escapes."""
    costly = [_chains(CHAINS["clique of 6 CAs"]()), _namesakes(ec.BrainpoolP512R1, 39), _namesakes(ec.SECP256R1, 39)]
    pins = {"known-pins": [f"no pin {number}" for number in range(MAX_BATCH_PINS // MAX_ENTRIES)]}
    most = MAX_ENTRIES - 1
    batch = _batch(lambda number: pins | (costly[number] if number < len(costly) else _no_certificates()), most)
    return batch[:-1] + b',{"type":"other","body":"' + b"\\u0041" * ((MOST_BYTES - len(batch) - 30) // 6) + b'"}]'


def _no_certificates() -> dict[str, Any]:
    """Make a chain of texts that are DER and no certificates."""
    return _chains([bytes((0x30, 4, 0x30, 2, 5, number)) for number in range(MAX_PLACES // MAX_ENTRIES - 1)])


def _keys_in_quotes(count: int, make: Callable[[], Sequence[bytes]]) -> bytes:
    """Make texts that each begin as the DER of a key might, beside a chain."""
    return _write(members(make()) | {"padding": ["M" + "A" * 80] * count})


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
    "batch, 4 dear keys a report": lambda: _batch(lambda _: _namesakes(ec.BrainpoolP512R1, 3), MAX_CERTIFICATES // 4),
    "batch, 5 cheap keys a report": lambda: _batch(lambda _: _namesakes(ec.SECP256R1, 4), MAX_CERTIFICATES // 5),
    "batch, 100 leaves": lambda: _batch(lambda _: _namesakes(ec.SECP256R1, 0)),
    "batch, 100 reports of one site": _batch_of_one_site,
    "batch, 600 texts for certificates": lambda: _batch(lambda _: _no_certificates()),
    "batch, no pins": lambda: _batch(lambda _: {"known-pins": ["no pin"] * (MAX_BATCH_PINS // MAX_ENTRIES)}),
    "batch, cliques of 6 CAs": lambda: _batch_of("clique of 6 CAs"),
    "batch, lattices of 2 by 9 CAs": lambda: _batch_of("lattice of 2 by 9 CAs"),
    "batch, names of 24 attributes": lambda: _batch_of("names of 24 attributes"),
    "batch, 120 extensions": lambda: _batch_of("120 extensions"),
    "batch, 60 extensions and cheap keys": lambda: _batch_of("60 extensions, P-256"),
    "batch, all at once": lambda: _batch_of("all at once"),
    "batch, some of each": _batch_of_all,
    "all at once, and 1,500 texts like keys": lambda: _keys_in_quotes(1500, CHAINS["all at once"]),
    "3,000 texts like keys": lambda: _keys_in_quotes(3000, lambda: [b"0"]),
    "40,000 escapes": _escapes,
    "40,000 lists 180 deep": _nested,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time in milliseconds, and what was spent."""

    door: float
    fold: float
    judging: float
    reports: int
    judged: int
    checks: int
    paths: int
    limits: tuple[str, ...]

    @property
    def total(self) -> float:
        """Milliseconds for the whole body."""
        return self.door + self.fold + self.judging


def measure(body: bytes, known: KnownCertificates, catalog: Catalog | None = None) -> Cost:
    """Measure one body with nothing cached."""
    entry, door = _timed(lambda: read_at_the_door(body))
    submissions, fold = _timed(lambda: read_in_the_fold(entry))
    (judgements, budgets), judging = _timed(lambda: judge_all(submissions, known, catalog or Catalog()))
    judged = [judgement for judgement in judgements if judgement is not None]
    notes = (note for judgement in judged for note in judgement.notes if note.startswith("The limit of "))
    return Cost(
        door=door,
        fold=fold,
        judging=judging,
        reports=len(submissions),
        judged=len(judged),
        checks=sum(budget.spent_checks for budget in budgets),
        paths=sum(Budget().paths - budget.paths for budget in budgets),
        limits=tuple(dict.fromkeys(notes)),
    )


def read_at_the_door(body: bytes) -> ReportEntry | None:
    """Read a body as a service does that has read nothing before."""
    at = to_ms(NOW)
    return BodyReader(KeyedHashes(bytes(32))).read(body, Envelope("192.0.2.1"), received_at=at).entry


def read_in_the_fold(entry: ReportEntry | None) -> tuple[Submission, ...]:
    """Read an entry again as another process does; nothing where the body was refused."""
    return EntryReader(canary_key=b"").read([] if entry is None else [entry]).submissions


def judge_all(
    submissions: Sequence[Submission], known: KnownCertificates, catalog: Catalog
) -> tuple[list[Judgement | None], list[Budget]]:
    """Judge the reports of a body by a policy of which nothing is in the bodies; return what each had to spend, too."""
    budgets = list[Budget]()

    def judge_at(
        report: ViolationReport, history: PolicyHistory, received_at: int, at: int, budget: Budget | None = None
    ) -> Judgement:
        assert budget is not None
        budgets.append(budget)
        moments = from_ms(received_at), from_ms(at)
        return judge(report, history, known, catalog, received_at=moments[0], at=moments[1], budget=budget)

    bodies = BodyBudgets(judge_at)
    at = to_ms(NOW + timedelta(hours=1))
    return [bodies.judge(b"one", submission.report, HISTORY, at) for submission in submissions], budgets


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
    head = "body", "kB", "reports", "judged", "checks", "paths", "door, ms", "fold, ms", "judging, ms", "total, ms"
    typer.echo(f"| {' | '.join(head)} | limits |\n{'|---' * (len(head) + 1)}|")
    for title, size, cost in rows(rounds):
        limits = ", ".join(limit.removeprefix("The limit of ").partition(" was")[0] for limit in cost.limits)
        times = " | ".join(f"{part:.1f}" for part in (cost.door, cost.fold, cost.judging, cost.total))
        counts = f"{cost.reports} | {cost.judged} | {cost.checks} | {cost.paths}"
        typer.echo(f"| {title} | {size // 1000} | {counts} | {times} | {limits} |")


if __name__ == "__main__":
    typer.run(main)
