"""The fold counts what the intake that it replaces counts, over random streams of submissions: a differential test.

Retries are drawn from what the intake accepted: a refused submission was not recorded there, while the fold, which has
acknowledged it, counts it as overflow once.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Row

from app.hpkp.pins import parse_pin
from app.hpkp.readiness.sources import FEW
from app.outcomes import Outcome
from app.store import intake, tables
from app.store.body_packing import PackedBody, Packing, unpack_body
from app.store.engine import DAY_MS, HOUR_MS, open_engine, upgrade
from app.store.read.reported import load_chain
from app.store.submissions import Submission
from app.store.write.values import FoldLimits
from tests.authority import NOW
from tests.postgres import postgres_database
from tests.reports import other_site, report_body
from tests.store.desk import AT, Desk, submission
from tests.store.write.folding import AdmissionLimits, Folder

_HOSTS = ("www.example.com", "a.example.com", "shop.example.net", "b.example", "c.example", "d.example")
_MAX_SOURCES = 6


@cache
def _body(host: str, chain: int, app: int, noted: bool) -> bytes:
    """Return a body whose date is replaced for each report."""
    site = other_site(chain)
    members: dict[str, Any] = {"app_bundle_id": f"com.example.{app}", "app_version": "1.0"} if app else {}
    above = host.partition(".")[2] if noted else None
    return report_body(host=host, noted=above, served=site.served, validated=site.validated, **members)


class _Stream:
    """Submissions at random: few violations often, many seldom, over five days, of many clients and networks."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self._now = AT - 2 * DAY_MS
        self.accepted: list[Submission] = []

    def batch(self) -> list[Submission]:
        self._now += self._random.randrange(10 * HOUR_MS)
        made = [self._next() for _ in range(self._random.choice((1, 3, 20, 60)))]
        sent = self._random.sample(self.accepted, min(len(self.accepted), self._random.randrange(6)))
        return made + [s._replace(received_at=self._now) for s in sent]

    def _next(self) -> Submission:
        draw = self._random
        self._number += 1
        body = _body(
            draw.choice(_HOSTS), min(int(draw.expovariate(0.6)), 7), draw.randrange(4), noted=draw.random() < 0.2
        )
        date = NOW + timedelta(milliseconds=self._number)
        body = body.replace(b"12:00:00.000Z", f"{date:%H:%M:%S}.{date.microsecond // 1000:03}Z".encode(), 1)
        made = submission(
            body,
            at=self._now - draw.randrange(HOUR_MS),
            client=f"client {draw.randrange(400)}",
            label=draw.choice(("", "", "web", "beta")),
        )
        return made._replace(network=draw.randrange(30).to_bytes(8, "big"), user_agent=draw.choice((None, "Agent/1")))


@pytest.fixture
def engines(engine: Engine, database: str) -> Iterator[tuple[Engine, Engine]]:
    """Return two empty stores of the same kind."""
    with ExitStack() as stack:
        if database == "sqlite":
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            url = f"sqlite:///{Path(directory)}/other.sqlite3"
        else:
            url = stack.enter_context(postgres_database())
        upgrade(url)
        other = open_engine(url)
        stack.callback(other.dispose)
        yield engine, other


_LIMITS = (
    {"report_rows_per_day": 3, "raw_bodies": 2, "new_violations_per_day": 4, "unknown_hosts": 3},
    {"report_rows_per_day": 100, "raw_bodies": 5, "new_violations_per_day": 1000, "unknown_hosts": 100},
)


@pytest.mark.parametrize("seed", range(4))
def test_the_fold_counts_what_the_intake_counts(
    engines: tuple[Engine, Engine], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = _LIMITS[seed % 2]
    monkeypatch.setattr(intake, "MAX_SOURCES", _MAX_SOURCES)
    desk = Desk.at(engines[0], **limits)
    folder = Folder(
        engines[1],
        FoldLimits(limits["report_rows_per_day"], limits["raw_bodies"], sources=_MAX_SOURCES),
        AdmissionLimits(limits["unknown_hosts"], limits["new_violations_per_day"]),
    )
    stream = _Stream(seed)
    for number in range(25):
        if number in (5, 15):
            desk.set_policy(since=NOW + timedelta(hours=number))
            folder.set_policy(since=NOW + timedelta(hours=number))
        batch = stream.batch()
        outcomes = desk.take(*batch)
        result = folder.fold(*batch)
        counted = Counter(outcomes)
        assert result.accepted == counted[Outcome.ACCEPTED]
        assert sum(result.overflow.values()) == counted[Outcome.OVER_LIMIT]
        assert result.duplicates == counted[Outcome.DUPLICATE]
        stream.accepted += [s for s, outcome in zip(batch, outcomes, strict=True) if outcome is Outcome.ACCEPTED]
    assert _contents(engines[1]) == _contents(engines[0])
    if limits["unknown_hosts"] == 3:
        assert folder.rows(tables.overflow_days), "the limits have to be reached in these streams"


def _contents(engine: Engine) -> dict[str, Any]:
    """Return what is in the tables, with what names a row in place of its id."""
    folder = Folder(engine)
    violations = {row.id: row for row in folder.rows(tables.violations)}
    names = {id_: row.identity.hex() for id_, row in violations.items()}
    sources = {row.id: (row.app, row.app_version, row.platform, row.label) for row in folder.rows(tables.sources)}
    found: dict[str, Any] = {
        "violations": sorted(
            (names[id_], *_without(row._asdict(), "id", "identity", "client_sketch", "judged_at"))
            for id_, row in violations.items()
        ),
        "sources": sorted(sources.values()),
        "rollup_hours": sorted(
            (names[row.violation_id], row.hour, sources[row.source_id], row.reports)
            for row in folder.rows(tables.rollup_hours)
        ),
        "rollup_days": sorted(
            (names[row.violation_id], row.day, row.reports, row.rows_kept, row.clients)
            for row in folder.rows(tables.rollup_days)
        ),
        "networks": sorted(_networks(folder, names).items()),
        "reports": sorted(
            (
                names[row.violation_id],
                sources[row.source_id],
                row.received_at,
                row.date_time,
                str((row.date_time_text, row.effective_expiration_text, row.platform_version, row.user_agent)),
                str(_body_of(engine, row, violations[row.violation_id])),
            )
            for row in folder.rows(tables.reports)
        ),
    }
    for table in (tables.host_hours, tables.host_days, tables.chains, tables.certificates):
        found[table.name] = [tuple(row) for row in folder.rows(table)]
    found["hosts"] = [row.name for row in folder.rows(tables.hosts)]  # the fold sees the first of a whole batch
    found["chain_certificates"] = [tuple(row) for row in folder.rows(tables.chain_certificates)]
    found["host_clients"] = [(row.host, row.day, row.clients) for row in folder.rows(tables.host_clients)]
    return found


def _networks(folder: Folder, names: dict[int, str]) -> dict[str, object]:
    """Return the networks of violations that have room for more; which of a batch fill it up, each may choose."""
    found: dict[str, list[tuple[bytes, int]]] = {}
    for row in folder.rows(tables.violation_networks):
        found.setdefault(names[row.violation_id], []).append((bytes(row.network), row.first_at))
    return {name: networks if len(networks) < FEW else FEW for name, networks in found.items()}


def _without(row: dict[str, object], *names: str) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(row.items()) if name not in names]


def _body_of(engine: Engine, row: Row[Any], violation: Row[Any]) -> bytes | None:
    if row.body is None:
        return None
    packed = PackedBody(Packing(row.body_packing), bytes(row.body))
    pins = map(parse_pin, violation.known_pins)
    with engine.connect() as connection:
        digests = (violation.served_chain, violation.validated_chain)
        return unpack_body(packed, pins, [load_chain(connection, digest) for digest in digests])
