"""Exposure: how many could have reported a violation. A day of which nothing is known is unknown, not zero.

::

    ExposedDay … ──add_up(since, until)──> Exposure(days known, sessions, clients)
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class ExposedDay:
    """What was counted for a day (UTC): of the site itself (empty ``app``), or of a version of an app.

    ``sessions`` were served the pins; ``clients`` are the distinct ones among them, or the installs of the app.
    """

    host: str
    day: date
    sessions: int | None = None
    clients: int | None = None
    app: str = ""
    app_version: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is known of a window.

    ``clients`` is a lower bound, the busiest day's: clients of two days may be the same. ``sessions`` adds up the days
    that are known, so it too is a lower bound where days are missing.
    """

    days: int
    days_known: int
    sessions: int | None = None
    clients: int | None = None
    apps_only: bool = False
    """Whether all that is known is of apps: their pins come with them, and no header is meant."""

    @property
    def basis(self) -> int | None:
        """The number that a share is of: clients, or sessions where clients were not counted."""
        return self.sessions if self.clients is None else self.clients

    @property
    def unit(self) -> str:
        """What `basis` counts."""
        return "sessions" if self.clients is None and self.sessions is not None else "clients"


def add_up(days: Iterable[ExposedDay], *, since: datetime, until: datetime) -> Exposure:
    """Add up what is known from ``since`` to ``until``, both by whole days of UTC, the last included.

    Sessions of the site add up; installs of an app do not, because the same are counted day after day.
    """
    first, last = since.date(), until.date()
    wanted = [day for day in days if first <= day.day <= last]
    site = [day for day in wanted if not day.app]
    sessions = [_either(day.sessions, day.clients) for day in site]
    installs = _busiest((day, _either(day.clients, day.sessions)) for day in wanted if day.app)
    known = [count for count in (*sessions, installs) if count is not None]
    return Exposure(
        days=(last - first).days + 1,
        days_known=len({day.day for day in wanted}),
        sessions=sum(known) if known else None,
        clients=_busiest((day, day.clients) for day in wanted),
        apps_only=bool(wanted) and not site,
    )


def _either(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def _busiest(counts: Iterable[tuple[ExposedDay, int | None]]) -> int | None:
    """Return the count of the day with the most, all its rows together; None where nothing was counted."""
    by_day: defaultdict[date, int] = defaultdict(int)
    for day, count in counts:
        if count is not None:
            by_day[day.day] += count
    return max(by_day.values(), default=None)
