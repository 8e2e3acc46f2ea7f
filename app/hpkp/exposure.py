"""Exposure: how many could have reported a violation. A day of which nothing is known is unknown, not zero."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from app.hpkp.audience import Audience


class Unit(StrEnum):
    """What the clients of an audience are called."""

    CLIENTS = "clients"
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
    def audience(self) -> Audience:
        """Whose day it is."""
        return Audience(self.app, self.app_version)

    @property
    def fault(self) -> str | None:
        """Why this cannot be, in words; None where it can."""
        if self.sessions is not None and self.clients is not None and self.sessions < self.clients:
            return f"{self.clients} clients cannot have had {self.sessions} sessions: each has one at least"
        return None


def first_whole_day(since: datetime) -> date:
    """Return the first day (UTC) that lies wholly after a moment: that of the moment was partly before."""
    return since.date() if since.time() == time() else since.date() + timedelta(days=1)
