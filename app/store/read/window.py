"""Windows of receipt, as conditions on the tables that count: by the hour, and by whole days where they fit."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, false, or_

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, to_ms
from app.store.read.filters import Filter


@dataclass(frozen=True, slots=True)
class Window:
    """The hours of receipt that are counted, from ``since`` to before ``until``, in milliseconds; None leaves it open.

    ``since`` is the start of an hour. The whole days within go from ``first_day`` to before ``end_day``.
    """

    since: int | None
    until: int | None

    @classmethod
    def of(cls, wanted: Filter) -> "Window":
        """Return the window that a filter names."""
        since = None if wanted.since is None else to_ms(wanted.since) // HOUR_MS * HOUR_MS
        return cls(since, None if wanted.until is None else to_ms(wanted.until))

    @property
    def first_day(self) -> int | None:
        """Return the start of the first whole day."""
        return None if self.since is None else -(-self.since // DAY_MS) * DAY_MS

    @property
    def end_day(self) -> int | None:
        """Return the end of the last whole day."""
        return None if self.until is None else self.until // DAY_MS * DAY_MS

    def hours(self, hour: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick every hour."""
        return _between(hour, self.since, self.until)

    def whole_days(self, day: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick the days that lie within altogether."""
        return _between(day, self.first_day, self.end_day)

    def hours_at_the_ends(self, hour: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick the hours that lie in no whole day."""
        if self.first_day is not None and self.end_day is not None and self.first_day >= self.end_day:
            return self.hours(hour)  # no day lies within
        before = false() if self.since is None else _between(hour, self.since, self.first_day)
        after = false() if self.until is None else _between(hour, self.end_day, self.until)
        return or_(before, after)

    def days_touched(self, day: ColumnElement[int]) -> ColumnElement[bool]:
        """Pick the days of which a part lies within: clients are counted by whole days."""
        return _between(day, None if self.since is None else self.since // DAY_MS * DAY_MS, self.until)

    @property
    def holds_whole(self) -> ColumnElement[bool]:
        """Whether every report of a violation lies within."""
        violations = tables.violations.c
        return and_(
            _between(violations.first_received_at, self.since, None),
            _between(violations.last_received_at, None, self.until),
        )

    @property
    def may_hold(self) -> ColumnElement[bool]:
        """Whether some report of a violation may lie within."""
        violations = tables.violations.c
        return and_(
            _between(violations.last_received_at, self.since, None),
            _between(violations.first_received_at, None, self.until),
        )


def _between(column: ColumnElement[int], since: int | None, until: int | None) -> ColumnElement[bool]:
    ends = [column >= since] if since is not None else []
    return and_(True, *ends, *([column < until] if until is not None else []))
