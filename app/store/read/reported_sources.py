"""From which sources of apps the reports of violations came, with the pins of each violation."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from app.hpkp.app_pins.reporting import ReportedSource
from app.hpkp.audience import CARRIES_PINS
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.report import Sender
from app.store import tables
from app.store.read.filters import Filter
from app.store.read.window import Window

_AT_ONCE = 500


def list_reported_sources(
    connection: Connection, ids: Sequence[int], *, since: datetime, until: datetime
) -> Iterator[ReportedSource]:
    """Yield what each source reported of some violations in a window; only of senders whose pins come with an app."""
    violations, hours, sources = tables.violations.c, tables.rollup_hours.c, tables.sources.c
    columns = violations.id, violations.sender, violations.app, sources.app_version, sources.label
    query = (
        select(*columns, func.sum(hours.reports).label("reports"))
        .join(tables.rollup_hours, hours.violation_id == violations.id)
        .join(tables.sources, sources.id == hours.source_id)
        .where(
            violations.sender.in_([sender.value for sender in CARRIES_PINS]),
            Window.of(Filter(since=since, until=until)).hours(hours.hour),
        )
        .group_by(*columns)
        .order_by(violations.id, sources.app_version, sources.label)
    )
    pins: dict[int, frozenset[Pin]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        known = select(violations.id, violations.known_pins).where(violations.id.in_(some))
        pins |= {id_: frozenset(map(parse_pin, texts)) for id_, texts in connection.execute(known)}
        for row in connection.execute(query.where(violations.id.in_(some))):
            yield ReportedSource(
                row.id, Sender(row.sender), pins[row.id], row.app or "", row.app_version, row.label, int(row.reports)
            )
