"""Control pins of a host, and how many clients received them, day by day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from sqlalchemy import Connection, select

from app.hpkp.control import ControlDay
from app.hpkp.pins import Pin, parse_pin
from app.store import tables
from app.store.engine import DAY_MS, from_ms, to_ms
from app.store.events import add_event
from app.store.upsert import insert_missing, replace_rows


@dataclass(frozen=True, slots=True)
class StoredControlPin:
    """A control pin; ``domain`` is a name below the host where clients know control pins alone, or empty."""

    pin: Pin
    domain: str
    created_at: datetime


def list_control_pins(connection: Connection, host: str, *, known_by: datetime | None = None) -> list[StoredControlPin]:
    """Return the control pins of a host, the latest first; with ``known_by`` those that were there by then."""
    pins = tables.control_pins.c
    query = select(tables.control_pins).where(pins.host == host)
    if known_by is not None:
        query = query.where(pins.created_at <= to_ms(known_by))
    rows = connection.execute(query.order_by(pins.created_at.desc(), pins.pin))
    return [StoredControlPin(parse_pin(row.pin), row.domain, from_ms(row.created_at)) for row in rows]


def add_control_pins(connection: Connection, host: str, pins: Sequence[Pin], *, domain: str, at: datetime) -> None:
    """Add control pins of a host, and an event that says so; those that are there already stay as they are."""
    insert_missing(connection, tables.hosts, [{"name": host, "first_seen_at": to_ms(at)}])
    rows = [{"host": host, "pin": str(pin), "domain": domain, "created_at": to_ms(at)} for pin in pins]
    insert_missing(connection, tables.control_pins, rows)
    where = f" for {domain}" if domain else ""
    text = f"Control pins added{where}: {', '.join(map(str, pins))}"
    add_event(connection, "control_pins_added", text, host=host, at=to_ms(at))


def record_control_exposure(connection: Connection, days: Iterable[ControlDay], *, origin: str, at: datetime) -> int:
    """Record how many clients received control pins on days; return how many days.

    Rows are added, never changed: the latest of a day counts, and the ones before answer for past moments.
    """
    rows = [
        {
            "host": day.host,
            "day": to_ms(datetime.combine(day.day, time(), UTC)),
            "app": day.app,
            "app_version": day.app_version,
            "recorded_at": to_ms(at),
            "clients": day.clients,
            "origin": origin,
        }
        for day in days
    ]
    if rows:
        hosts = [{"name": name, "first_seen_at": to_ms(at)} for name in sorted({str(row["host"]) for row in rows})]
        insert_missing(connection, tables.hosts, hosts)
        replace_rows(connection, tables.control_exposures, rows)
    return len(rows)


def list_control_exposure(
    connection: Connection,
    host: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    known_by: datetime | None = None,
) -> list[ControlDay]:
    """Return how many clients received control pins, by day; ``since`` and ``until`` by whole days, both included."""
    counted = tables.control_exposures.c
    query = select(tables.control_exposures).where(counted.host == host)
    if since is not None:
        query = query.where(counted.day >= to_ms(since) - to_ms(since) % DAY_MS)
    if until is not None:
        query = query.where(counted.day <= to_ms(until))
    if known_by is not None:
        query = query.where(counted.recorded_at <= to_ms(known_by))
    rows = connection.execute(query.order_by(counted.day, counted.app, counted.app_version, counted.recorded_at))
    latest = {(row.day, row.app, row.app_version): row for row in rows}
    return [
        ControlDay(row.host, from_ms(row.day).date(), row.clients, row.app, row.app_version) for row in latest.values()
    ]
