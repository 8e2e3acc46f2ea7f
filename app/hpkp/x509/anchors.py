"""Stub until merge."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class RootDeparture:
    """When and how a root left Mozilla's store."""

    left: date
    how: str
    reason: str
    bug: int | None
    distrust_after: datetime | None = None
