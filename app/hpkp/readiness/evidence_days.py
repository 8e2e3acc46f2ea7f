"""Evidence is a set of covered days per audience: days on which a violation would have been reported, and counted.

::

    Observations(exposure, looks, canary days, releases) ──cover──> CoveredDays(audience, days with what is missing)

A whole day (UTC) counts for an audience only if all of this held on it:

1. Exposure of that audience is known, in clients. Sessions never replace clients, and those that received control
   pins are taken off.
2. The pins were there. For the site: the last look before the day, every look on it and the first one after it saw the
   policy's own header, and no two of these are further apart than a look is good for. For a release of an app: the
   operator has recorded that it carries pins of the policy and no others.
3. A canary of the policy's report-uri arrived: the collector was there, and reports got through.

A date in the past that an operator enters (`effective_from`, exposure afterwards) therefore makes no evidence.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import groupby, pairwise

from app.hpkp.audience import SITE, Audience
from app.hpkp.exposure import ExposedDay, first_whole_day
from app.hpkp.pins import Pin

DAY = timedelta(days=1)
_LOOKED_BACK = 2
"""Covered days count within this multiple of the needed days: older ones say little about today."""


class Missing(StrEnum):
    """Why a day is no evidence for an audience."""

    EXPOSURE_UNKNOWN = "exposure_unknown"
    CLIENTS_NOT_COUNTED = "clients_not_counted"
    NOBODY_EXPOSED = "nobody_exposed"
    NOT_PROBED = "not_probed"
    PINS_NOT_SERVED = "pins_not_served"
    RELEASE_PINS_UNKNOWN = "release_pins_unknown"
    NO_CANARY = "no_canary"


MISSING_TEXTS = {
    Missing.EXPOSURE_UNKNOWN: "exposure is unknown",
    Missing.CLIENTS_NOT_COUNTED: "only sessions were counted, not clients",
    Missing.NOBODY_EXPOSED: "no client received the pins",
    Missing.NOT_PROBED: "no probe shortly before or after",
    Missing.PINS_NOT_SERVED: "a probe found no header",
    Missing.RELEASE_PINS_UNKNOWN: "pins of the release not recorded",
    Missing.NO_CANARY: "no canary arrived",
}


@dataclass(frozen=True, slots=True)
class HeaderLook:
    """A probe that got answers of every address, or a wrong one: whether all served the policy's own header."""

    at: datetime
    served: bool


@dataclass(frozen=True, slots=True)
class Observations:
    """What was observed of a host, by moment and day; nothing in it is weighed yet.

    ``canary_days`` are those on which a canary arrived through the report-uri of the policy. ``releases`` holds the
    pins of each release of which they are recorded; none at all for one without pinning.
    """

    exposure: tuple[ExposedDay, ...] = ()
    looks: tuple[HeaderLook, ...] = ()
    """In order of time."""
    canary_days: frozenset[date] = frozenset()
    releases: Mapping[Audience, frozenset[Pin]] = field(default_factory=dict)
    control: Mapping[date, int] = field(default_factory=dict)
    """Clients of the site that received control pins in place of the policy's, by day."""


@dataclass(frozen=True, slots=True)
class EvidenceDay:
    """A whole day of an audience: its clients as far as known, and why it does not count; covered if nothing is."""

    day: date
    clients: int | None
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class CoveredDays:
    """The whole days of the window for one audience, oldest first."""

    audience: Audience
    days: tuple[EvidenceDay, ...] = ()

    @property
    def covered(self) -> tuple[EvidenceDay, ...]:
        """The days that are evidence."""
        return tuple(day for day in self.days if not day.missing)

    @property
    def clients(self) -> int | None:
        """Distinct clients on covered days: those of the busiest, for clients of two days may be the same."""
        return max((day.clients or 0 for day in self.covered), default=None)

    @property
    def last(self) -> date | None:
        """The newest covered day."""
        return max((day.day for day in self.covered), default=None)

    def missing(self) -> Iterator[str]:
        """Tell what is missing, days in a row with the same reasons together: ``2026-03-05 to 2026-03-07: …``."""
        for reasons, days in groupby(self.days, key=lambda day: day.missing):
            first, *rest = [day.day for day in days]
            if reasons:
                told = f"{first} to {rest[-1]}" if rest else f"{first}"
                yield f"{told}: {', '.join(MISSING_TEXTS[reason] for reason in reasons)}"


def evidence_window(since: datetime, at: datetime, *, needed: int) -> tuple[date, date]:
    """Return the first and the last whole day that may be evidence; the last before the first if there is none."""
    today = at.date()
    # Today is not over: a client that reports later today would be missed. The day of the change was partly before it.
    return max(first_whole_day(since), today - _LOOKED_BACK * needed * DAY), today - DAY


def cover(
    seen: Observations,
    expected: frozenset[Pin],
    *,
    window: tuple[date, date],
    look_age: timedelta,
    reported: Iterable[Audience] = (),
) -> tuple[CoveredDays, ...]:
    """Return the days of each audience in use, the site first.

    ``reported`` are the audiences with open violations; ``look_age`` is for how long a look says what is served.
    """
    first, last = window
    days = [first + number * DAY for number in range((last - first).days + 1)]
    exposed = {(row.audience, row.day): row for row in seen.exposure}
    canaries = {day: (() if day in seen.canary_days else (Missing.NO_CANARY,)) for day in days}
    served = dict(zip(days, _served(days, seen.looks, look_age), strict=True))

    def assess(audience: Audience, day: date) -> EvidenceDay:
        """Put together what is missing on a day, in the order of the module's docstring."""
        # 1
        row = exposed.get((audience, day))
        if audience.is_site and row is not None:
            row = _without_control(row, seen.control.get(day, 0))
        # 2: a probe shows a header and not the pins of an app.
        there = served[day] if audience.is_site else _carried(carries(seen, audience, expected))
        # 3: one canary is enough for all audiences, which report to the same collector.
        return EvidenceDay(day, None if row is None else row.clients, (*_exposed(row), *there, *canaries[day]))

    return tuple(
        CoveredDays(audience, tuple(assess(audience, day) for day in days))
        for audience in _in_use(seen, expected, first, frozenset(reported))
    )


def _in_use(seen: Observations, expected: frozenset[Pin], first: date, reported: frozenset[Audience]) -> list[Audience]:
    """Find the audiences in use.

    A release that carries no pins, or others than the policy's, is none of this policy's; but one that reports although
    it is said to carry none does carry some. The site is in use if anybody
    visited it, or the header was served, or a client of its reported; and if nothing is known at all.
    """
    # Within the window only: an audience without clients since then would withhold for good.
    exposed = {row.audience for row in seen.exposure if row.day >= first and not _nobody(row)}
    releases = {
        audience for audience in exposed if not audience.is_site and carries(seen, audience, expected) is not False
    }
    # An app that reports has installs, counted or not. Left out, its silence would not withhold.
    releases |= {audience for audience in reported if audience.unknown or seen.releases.get(audience) == frozenset()}
    site = SITE in exposed | reported or any(look.served for look in seen.looks if look.at >= start_of_day(first))
    # Never empty: without any audience nothing would be missing, and the verdict could be `ready`.
    return ([SITE] if site or not releases else []) + sorted(releases)


def carries(seen: Observations, release: Audience, expected: frozenset[Pin]) -> bool | None:
    """Whether a release carries pins of the policy and no others; None if its pins are not recorded.

    Some of them suffice: a client with fewer pins reports whatever one with all of them would.
    """
    pins = seen.releases.get(release)
    # A release with a further pin accepts chains that the policy does not, so its silence is no evidence.
    return None if pins is None else bool(pins) and pins <= expected


def _carried(carried: bool | None) -> tuple[Missing, ...]:
    """Return what is missing of a release's pins: they count only if they are recorded as the policy's."""
    return () if carried else (Missing.RELEASE_PINS_UNKNOWN,)


def _exposed(row: ExposedDay | None) -> tuple[Missing, ...]:
    """Return what is missing of a day's exposure."""
    if row is None:
        return (Missing.EXPOSURE_UNKNOWN,)
    # Before the kind of count: a day without any client needs no better counting.
    if _nobody(row):
        return (Missing.NOBODY_EXPOSED,)
    # 28,000 sessions can be those of 20 clients.
    return (Missing.CLIENTS_NOT_COUNTED,) if row.clients is None else ()


def _without_control(row: ExposedDay, control: int) -> ExposedDay:
    """Take off the clients that received control pins: they cannot report a violation of the policy's."""
    # At least 0: the two numbers are recorded separately, and may not agree.
    return row if row.clients is None else replace(row, clients=max(row.clients - control, 0))


def _nobody(row: ExposedDay) -> bool:
    """Whether it is known that no client received the pins."""
    return row.clients == 0 or (row.clients is None and row.sessions == 0)


def _served(days: Iterable[date], looks: tuple[HeaderLook, ...], look_age: timedelta) -> Iterator[tuple[Missing, ...]]:
    """Find for each day what the looks around it leave open: one before it, all on it, and one after it have to agree.

    A single look says nothing of the hours around it; two that agree, close enough to each other, do.
    """
    moments = [look.at for look in looks]
    for day in days:
        before = bisect_right(moments, start_of_day(day)) - 1
        after = bisect_left(moments, start_of_day(day + DAY))
        # From the last probe before the day to the first one after it. A header that is served since a second ago must
        # not cover the days before.
        around = looks[max(before, 0) : after + 1]
        # Seen without the header outranks not seen: probing more often would not end it.
        if any(not look.served for look in around):
            yield (Missing.PINS_NOT_SERVED,)
        elif before < 0 or after == len(looks) or any(b.at - a.at > look_age for a, b in pairwise(around)):
            yield (Missing.NOT_PROBED,)
        else:
            yield ()


def start_of_day(day: date) -> datetime:
    """Return the first moment of a day (UTC)."""
    return datetime.combine(day, time(), UTC)
