"""Fills a store with months of reports in a minute: as the service would have kept them, without sending each.

The violations are real: bodies are read, judged and written by the service's own parts. What is counted and kept of
further reports is then written into the same tables in bulk, day by day, under the service's own limits: counts by hour
and source, a bounded number of single reports, and the clients of each day.
"""

import hashlib
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from operator import itemgetter
from pathlib import Path

from rich.progress import Progress
from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlmodel import SQLModel

from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, Probe
from app.hpkp.report import ViolationReport
from app.hpkp.x509.certificate import Chain
from app.ingest.envelope import Envelope
from app.metrics import Metrics
from app.senders import CertificateReader, read_report
from app.service import Service, open_service
from app.settings import Settings
from app.store import host_rollups, tables
from app.store.canaries import add_canary, receive_canary
from app.store.engine import DAY_MS, HOUR_MS, from_ms, open_engine, to_ms, writing
from app.store.exposures import record_exposure
from app.store.sketches import NO_CLIENTS, count_in, sketch_all
from app.store.write.values import FoldLimits
from app.wiring import DirectIntake
from bench.bodies import HOSTS, Material

DAYS = 90

_LIMITS = FoldLimits()
_EXPONENT = 1.1
_HOURS = tuple(1 + abs(hour - 4) % 12 for hour in range(24))
"""How busy each hour of a day is: nights are quiet."""
_CLIENTS_PER_REPORT = 0.6
"""Different clients of a violation and day, for each of its reports."""
_REGULARS = 3
"""How many times as many clients a violation has in all as report it in a day."""
_APPS = (
    ("com.example.shop", "4.1", "IOS", ""),
    ("com.example.shop", "4.2", "IOS", ""),
    ("com.example.shop", "4.1", "ANDROID", ""),
    ("com.example.shop", "4.2", "ANDROID", ""),
    ("com.example.bank", "11.0", "IOS", ""),
    ("com.example.bank", "11.0", "ANDROID", ""),
)
_SOURCE_COLUMNS = ("app", "app_version", "platform", "label")
_REPORT_COLUMNS = (
    "violation_id", "source_id", "received_at", "date_time", "date_time_text", "effective_expiration_text",
    "platform_version", "user_agent", "body",
)  # fmt: skip
_DAY_COLUMNS = ("violation_id", "day", "reports", "rows_kept", "clients", "client_sketch")
_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835
_MANY = 30
_BATCH = 200
_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.110"

_FILLED = {
    tables.hosts, tables.policy_revisions, tables.certificates, tables.chains, tables.violations, tables.sources,
    tables.rollup_hours, tables.rollup_days, tables.host_hours, tables.host_days, tables.host_clients, tables.reports,
    tables.violation_networks, tables.secrets, tables.events, tables.probes, tables.probe_looks, tables.live_keys,
    tables.exposures, tables.canaries, tables.verdicts, tables.decision_days, tables.chain_certificates,
}  # fmt: skip
_EMPTY = {
    tables.seen_submissions, tables.rejections, tables.tokens, tables.alerts, tables.rejudgings, tables.status_changes,
    tables.former_exposures, tables.app_releases, tables.log_marks, tables.overflow_days, tables.refusal_decisions,
    tables.control_pins, tables.control_exposures, tables.clock, tables.installs, tables.login_links, tables.sessions,
    tables.registered_releases, tables.pin_layers, tables.pin_entries, tables.service_facts,
}  # fmt: skip
"""Not asked by any question that is measured, or small in every store."""


@dataclass(frozen=True, slots=True)
class _Repeated:
    """A violation to be repeated: its share of all reports, where they come from, since which day."""

    violation: int
    share: float
    sources: tuple[int, ...]
    born: int

    def on(self, day: int, *, reports: int, dice: random.Random) -> int:
        """Draw how many reports arrive on a day, so that all days together bring the violation's share."""
        return 0 if day < self.born else _poisson(reports * self.share / (DAYS - self.born), dice)


def fill_store(
    database: Path, material: Material, *, reports: int, violations: int, progress: Progress, at: datetime
) -> int:
    """Fill a SQLite file that is not there yet with about so many reports; return how many it counts."""
    if unknown := set(SQLModel.metadata.tables.values()) - _FILLED - _EMPTY:
        raise NotImplementedError(f"bench/fill.py does not know what is kept in {sorted(map(str, unknown))}")
    start = _midnight(at) - timedelta(days=DAYS)
    task = progress.add_task(f"Filling a store with {reports:,} reports", total=DAYS)
    url = f"sqlite:///{database}"
    _add_violations(url, material, count=violations, at=start - timedelta(days=1))
    engine = open_engine(url)
    dice = random.Random(reports)
    with writing(engine) as connection:
        plan = _plan(connection, dice)
    for day in range(DAYS):
        with writing(engine) as connection:
            _add_day(connection, plan, day=day, start=to_ms(start), reports=reports, dice=dice)
        progress.advance(task)
    with writing(engine) as connection:
        total = _total_up(connection)
    engine.dispose()
    progress.remove_task(task)
    return total


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _poisson(mean: float, dice: random.Random) -> int:
    if mean > _MANY:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    found, left = -1, mean
    while left >= 0:
        left -= dice.expovariate(1)
        found += 1
    return found


def _add_violations(url: str, material: Material, *, count: int, at: datetime) -> None:
    """Let the service read, judge and write one report of each violation, under policies for all hosts."""
    limits = dict.fromkeys(("max_new_violations_per_network", "max_new_violations_per_network_and_host"), count)
    settings = Settings(
        _env_file=None,
        database_url=url,
        trust_anchors=material.roots,
        max_new_violations_per_day=2 * count,
        **limits,  # type: ignore[arg-type]
    )
    service = open_service(settings, Metrics())
    service.rejudging.run_if_knowledge_changed(at=at)
    for host in HOSTS:
        pins = tuple(ExpectedPin(parse_pin(pin)) for pin in material.pins)
        policy = PinningPolicy(host=Host(host), pins=pins, max_age=5_184_000, effective_from=at)
        service.policies.set(policy, at=datetime.now(UTC))
    intake = DirectIntake(service)
    bodies = islice(material.distinct.bodies(at=at), count)
    served: dict[str, Chain] = {}
    while batch := list(islice(bodies, _BATCH)):
        intake.take((body, Envelope("203.0.113.1"), to_ms(at)) for body in batch)
        for body in batch:
            report = read_report(body, certificates=CertificateReader())
            assert isinstance(report, ViolationReport)
            served[report.hostname] = report.served_chain or ()
    for host in HOSTS:
        _add_evidence(service, Host(host), served.get(host, ()), since=at)
    service.engine.dispose()


def _add_evidence(service: Service, host: Host, chain: Chain, *, since: datetime) -> None:
    """Add what a verdict rests on besides reports: a look at the host, a canary a day, and exposure of every day."""
    now = datetime.now(UTC)
    service.probing.record(Probe(host, 443, now, (Endpoint("192.0.2.1", (chain,), (Answer("/", 200),)),)))
    days = [since + timedelta(days=number) for number in range((now - since).days + 1)]
    with writing(service.engine) as connection:
        exposed = [ExposedDay(host, day.date(), sessions=40_000, clients=20_000) for day in days]
        record_exposure(connection, exposed, origin="api", at=now)
        for number, day in enumerate(days):
            nonce = hashlib.md5(f"{host} {number}".encode(), usedforsecurity=False).digest()
            add_canary(connection, host, nonce, report_uri="https://reports.example.net/report", at=day)
            receive_canary(connection, host, nonce, at=day)


def _plan(connection: Connection, dice: random.Random) -> list[_Repeated]:
    """Give every host, and every violation of a host, its share; half of the violations begin later."""
    connection.execute(insert(tables.sources), [dict(zip(_SOURCE_COLUMNS, app, strict=True)) for app in _APPS])
    sources = list(connection.scalars(select(tables.sources.c.id)))
    rows = connection.execute(select(tables.violations.c.id, tables.violations.c.host).order_by(tables.violations.c.id))
    met: Counter[str] = Counter()
    weights: list[tuple[int, float]] = []
    for row in rows:
        met[row.host] += 1
        weights.append((row.id, (1 + HOSTS.index(row.host)) ** -_EXPONENT * met[row.host] ** -_EXPONENT))
    whole = sum(weight for _, weight in weights)
    return [
        _Repeated(
            violation=violation,
            share=weight / whole,
            sources=tuple(dice.sample(sources, dice.randint(1, 4))),
            born=0 if dice.random() < 0.5 else dice.randrange(DAYS - 30),
        )
        for violation, weight in weights
    ]


def _add_day(
    connection: Connection, plan: Sequence[_Repeated], *, day: int, start: int, reports: int, dice: random.Random
) -> None:
    """Write a day: what was counted, and what was kept of it."""
    at = start + day * DAY_MS
    hours: list[tuple[object, ...]] = []
    days: list[tuple[object, ...]] = []
    rows: list[tuple[object, ...]] = []
    for repeated in plan:
        count = repeated.on(day, reports=reports, dice=dice)
        if not count:
            continue
        violation = repeated.violation
        spread = _spread(count, repeated.sources, dice)
        hours.extend((violation, at + hour * HOUR_MS, source, n) for (hour, source), n in spread.items())
        count = spread.total()
        counted = count_in(NO_CLIENTS, _clients(violation, math.ceil(count * _CLIENTS_PER_REPORT), dice))
        kept = min(_LIMITS.report_rows_per_day, count)
        days.append((violation, at, count, kept, *counted))
        rows.extend(_rows(violation, at, spread, kept, dice))
    rows.sort(key=itemgetter(2))  # as they came in
    _insert(connection, tables.rollup_hours, ("violation_id", "hour", "source_id", "reports"), hours)
    _insert(connection, tables.rollup_days, _DAY_COLUMNS, days)
    _insert(connection, tables.reports, _REPORT_COLUMNS, rows)


def _spread(count: int, sources: Sequence[int], dice: random.Random) -> Counter[tuple[int, int]]:
    """Spread a day's reports over its hours and the sources, the first source having most."""
    cells = [(hour, source) for hour in range(24) for source in sources]
    weights = [busy / (1 + place) for busy in _HOURS for place in range(len(sources))]
    if count < len(cells) * _MANY:
        return Counter(dice.choices(cells, cum_weights=list(accumulate(weights)), k=count))
    whole = sum(weights)
    drawn = {cell: _poisson(count * weight / whole, dice) for cell, weight in zip(cells, weights, strict=True)}
    return Counter({cell: number for cell, number in drawn.items() if number})


def _clients(violation: int, count: int, dice: random.Random) -> Iterator[bytes]:
    """Draw the clients of a day out of those that the violation has."""
    for number in dice.sample(range(count * _REGULARS), count):
        yield ((violation << 32 | number) * _ODD % (1 << 128)).to_bytes(16, "big")


def _rows(
    violation: int, at: int, spread: Counter[tuple[int, int]], kept: int, dice: random.Random
) -> Iterator[tuple[object, ...]]:
    """Make the rows of single reports, for the first that came in."""
    for hour, source in islice(spread.elements(), kept):
        received_at = at + hour * HOUR_MS + dice.randrange(HOUR_MS)
        text = f"{from_ms(received_at):%Y-%m-%dT%H:%M:%S}.000Z"
        yield violation, source, received_at, received_at, text, text, None, _AGENT, None


def _insert(connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[object, ...]]) -> None:
    """Insert many rows; SQLAlchemy's own way takes three times as long."""
    if rows:
        places = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})", rows)


def _total_up(connection: Connection) -> int:
    """Give every violation its totals and its last receipt, and every host its counts; return the total of all."""
    counted, violations = tables.rollup_hours.c, tables.violations.c
    own = counted.violation_id == violations.id
    connection.execute(
        update(tables.violations).values(
            reports=select(func.sum(counted.reports)).where(own).scalar_subquery(),
            last_received_at=select(func.max(counted.hour)).where(own).scalar_subquery(),
        )
    )
    for id_ in connection.scalars(select(violations.id)).all():
        days = tables.rollup_days.c
        kept = select(days.client_sketch).where(days.violation_id == id_)
        counted_in_all = sketch_all(connection.scalars(kept))._asdict()
        connection.execute(update(tables.violations).where(violations.id == id_).values(counted_in_all))
    for table in (tables.host_hours, tables.host_days, tables.host_clients):
        connection.execute(delete(table))
    host_rollups.add(connection, list(connection.scalars(select(violations.id))))
    host_rollups.recount_clients(connection, list(connection.scalars(select(violations.host).distinct())))
    return int(connection.execute(select(func.sum(counted.reports))).scalar_one())
