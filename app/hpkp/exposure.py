"""Exposure: how many could have reported a violation. A day of which nothing is known is unknown, not zero.

::

    ExposedDay … ──add_up(since, until)──> Exposure ──┬─ Population: of the site
                                                      └─ Population: of apps
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum


class Unit(StrEnum):
    """What a population is counted in."""

    CLIENTS = "clients"
    SESSIONS = "sessions"
    INSTALLS = "installs"


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

    @property
    def fault(self) -> str | None:
        """Why this cannot be, in words; None where it can."""
        if self.sessions is not None and self.clients is not None and self.sessions < self.clients:
            return f"{self.clients} clients cannot have had {self.sessions} sessions: each has one at least"
        return None


@dataclass(frozen=True, slots=True)
class Population:
    """Those of whom a share is told."""

    count: int
    unit: Unit

    def __str__(self) -> str:
        """Tell how many of what."""
        return f"{self.count} {self.unit}"


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is known of a window.

    Clients of the site and installs of apps are those of their busiest day, a lower bound: clients of two days may be
    the same. Sessions of the site add up over the days that are known, so they too are a lower bound.
    """

    days: int
    days_known: int
    site_sessions: int | None = None
    site_clients: int | None = None
    installs: int | None = None

    @property
    def sessions(self) -> int | None:
        """All sessions; installs, the same day after day, count once. None where nothing is known."""
        known = [count for count in (self.site_sessions, self.installs) if count is not None]
        return sum(known) if known else None

    @property
    def apps_only(self) -> bool:
        """Whether all that is known is of apps: their pins come with them, and no header is meant."""
        return self.installs is not None and self.site_sessions is None

    @property
    def site(self) -> Population | None:
        """Those who visit the site: clients, or sessions where clients were not counted."""
        if self.site_clients is not None:
            return Population(self.site_clients, Unit.CLIENTS)
        return None if self.site_sessions is None else Population(self.site_sessions, Unit.SESSIONS)

    @property
    def apps(self) -> Population | None:
        """Those who use apps."""
        return None if self.installs is None else Population(self.installs, Unit.INSTALLS)

    @property
    def smaller(self) -> Population | None:
        """The smaller of the two: what is bounded of its share is bounded of the other's.

        Of many visitors of the site nothing follows for a few installs of an app. Nobody at all is no population, where
        there is another.
        """
        known = [population for population in (self.site, self.apps) if population is not None]
        return min(known, key=lambda population: population.count or math.inf, default=None)


def first_whole_day(since: datetime) -> date:
    """Return the first day (UTC) that lies wholly after a moment: that of the moment was partly before."""
    return since.date() if since.time() == time() else since.date() + timedelta(days=1)


def add_up(days: Iterable[ExposedDay], *, since: datetime, until: datetime) -> Exposure:
    """Add up what is known of the whole days of UTC from ``since`` on, to the day of ``until``.

    Sessions of the site add up; installs of an app do not, because the same are counted day after day.
    """
    first, last = first_whole_day(since), until.date()
    wanted = [day for day in days if first <= day.day <= last]
    site = [day for day in wanted if not day.app]
    sessions = [count for day in site if (count := _either(day.sessions, day.clients)) is not None]
    return Exposure(
        days=max((last - first).days + 1, 0),
        days_known=len({day.day for day in wanted}),
        site_sessions=sum(sessions) if sessions else None,
        site_clients=_busiest((day, day.clients) for day in site),
        installs=_busiest((day, _either(day.clients, day.sessions)) for day in wanted if day.app),
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
