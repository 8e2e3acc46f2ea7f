"""What a delivery rate is measured from: who received control pins, and who reported them, on the chosen day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, func, select

from app.hpkp.control import CONTROL_WINDOW, Control, ControlCount, choose_day
from app.hpkp.judgement.causes import Cause
from app.hpkp.report import Sender
from app.hpkp.user_agents.senders import MODELS
from app.hpkp.violation_status import Status
from app.store import tables
from app.store.control import list_control_exposure
from app.store.engine import to_ms
from app.store.sketches import count_of, union

_APPS = tuple(sender.value for sender, model in MODELS.items() if model.pins_in_app)
_SITE = tuple(sender.value for sender in Sender if sender.value not in _APPS)


def gather_control(connection: Connection, host: str, *, until: datetime, known_by: datetime | None = None) -> Control:
    """Gather the window before a moment. What the operator set to ignored is forged, and counts for nothing."""
    since = until - CONTROL_WINDOW
    days = list_control_exposure(connection, host, since=since, until=until, known_by=known_by)
    chosen = {of_apps: found for of_apps in (False, True) if (found := choose_day(days, of_apps=of_apps)) is not None}
    counts = []
    for of_apps, (day, received) in chosen.items():
        # With one audience alone every report is of it, also of senders that may be either.
        senders = (_APPS if of_apps else _SITE) if len(chosen) > 1 else (*_APPS, *_SITE)
        reported = count_of(union(_sketches(connection, host, day, senders)))
        counts.append(ControlCount(day, received, reported, of_apps))
    return Control(tuple(counts), _count_reports(connection, host, since, until))


def _sketches(connection: Connection, host: str, day: date, senders: tuple[str, ...]) -> Iterator[bytes | None]:
    """Read the sketches of clients that reported control pins on a day."""
    violations, days = tables.violations.c, tables.rollup_days.c
    joined = tables.violations.join(tables.rollup_days, days.violation_id == violations.id)
    query = select(days.client_sketch).select_from(joined)
    of_day = days.day == to_ms(datetime.combine(day, time(), UTC))
    counts = violations.host == host, violations.cause == Cause.CONTROL, violations.status != Status.IGNORED
    yield from connection.scalars(query.where(of_day, *counts, violations.sender.in_(senders)))


def _count_reports(connection: Connection, host: str, since: datetime, until: datetime) -> int:
    hours = tables.host_hours.c
    of_control = hours.host == host, hours.cause == Cause.CONTROL
    query = select(func.sum(hours.reports)).where(*of_control, hours.hour >= to_ms(since), hours.hour <= to_ms(until))
    return int(connection.scalar(query) or 0)
