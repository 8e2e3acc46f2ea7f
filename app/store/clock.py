"""What is known of the collector's clock: one row."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from app.hpkp.clock import ClockHistory
from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.upsert import replace_rows

_ONLY = 1


def read_clock(connection: Connection) -> ClockHistory | None:
    """Return what is known of the clock; None if it was never checked on this store."""
    row = connection.execute(select(tables.clock)).first()
    if row is None:
        return None
    return ClockHistory(from_ms(row.shown_at), _instant(row.newest_received_at), _instant(row.confirmed_received_at))


def first_clock(connection: Connection, *, at: datetime) -> ClockHistory:
    """Return what can be known of the clock of a store on which it was never checked: the newest time of any record."""
    newest = max((found for found in _newest(connection) if found is not None), default=None)
    return ClockHistory(at if newest is None else from_ms(newest))


def find_newest_receipt(connection: Connection) -> datetime | None:
    """Return the newest receipt of all reports; None if there is none."""
    marks, violations = tables.log_marks.c, tables.violations.c
    found = [
        connection.scalar(select(func.max(column)))
        for column in (marks.newest_received_at, violations.last_received_at)
    ]
    return _instant(max((value for value in found if value is not None), default=None))


def write_clock(connection: Connection, known: ClockHistory) -> None:
    """Keep what is known of the clock."""
    row = {
        "id": _ONLY,
        "shown_at": to_ms(known.shown_at),
        "newest_received_at": None if known.newest_receipt is None else to_ms(known.newest_receipt),
        "confirmed_received_at": None if known.confirmed_receipt is None else to_ms(known.confirmed_receipt),
    }
    replace_rows(connection, tables.clock, [row])


def _newest(connection: Connection) -> Iterator[int | None]:
    columns: tuple[Any, ...] = (
        tables.violations.c.last_received_at,
        tables.log_marks.c.newest_received_at,
        tables.events.c.at,
        tables.verdicts.c.at,
        tables.probe_looks.c.at,
        tables.canaries.c.sent_at,
    )
    for column in columns:
        yield connection.scalar(select(func.max(column)))


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
