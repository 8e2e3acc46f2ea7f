"""When old keys can go: the releases in use that have no other key of those that stay, and until when they matter.

::

    AppRelease …, InstallCount …, keys to drop, keys that stay ──find_last_use──> KeyUse …: share now and before, until
                                                                       └──> OldKeys: the day on which none needs them
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.hpkp.app_pins.forms import PinMode
from app.hpkp.app_pins.lockout import checking_entries, key_lists
from app.hpkp.app_pins.model import PinEntry, PinLayer, expiry_instants
from app.hpkp.app_pins.release import AppRelease, InstallCount, ReleaseInstalls, counts_for, find_installs
from app.hpkp.pins import Pin

_WEEK, _MONTH = timedelta(days=7), timedelta(days=30)
_LONGEST = timedelta(days=3 * 365)
"""No estimate for a later day."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A release in use that needs a key: without those that go, a list of an enforcing layer has none that stays.

    ``shares`` are those of all installs of the app on the platform: now, a week and a month before; None if unknown.
    ``until`` is the first day on which it does not matter any more: its pins have expired everywhere, or its share is
    within the limit by a straight line; None if neither can be said.
    """

    release: AppRelease
    installs: ReleaseInstalls | None
    shares: tuple[float | None, float | None, float | None]
    until: date | None
    expires: bool
    """Whether ``until`` is the end of its pins, and no estimate."""


@dataclass(frozen=True, slots=True)
class OldKeys:
    """What keeps keys in use; ``can_go`` is the first day on which nothing does, None if that cannot be said.

    ``limit`` is the share of an app's installs up to which a release no longer matters.
    """

    keys: frozenset[Pin]
    staying: frozenset[Pin]
    uses: tuple[KeyUse, ...]
    can_go: date | None
    limit: float


def find_last_use(
    keys: Iterable[Pin],
    staying: Iterable[Pin],
    releases: Iterable[AppRelease],
    counts: Sequence[InstallCount],
    *,
    host: str,
    limit: float,
    at: datetime,
) -> OldKeys:
    """Find what keeps keys in use that go together.

    ``limit`` is the share of an app's installs that may be locked out. A key both dropped and staying is dropped.
    """
    dropped = frozenset(keys)
    kept = frozenset(staying) - dropped
    uses = []
    for release in releases:
        installs = find_installs(release, counts)
        # Only a counted zero is none; without a count the release is in use.
        unused = installs is not None and installs.count == 0 and not installs.is_lower_bound
        if release.is_retired(at) or unused or not _needs(release, dropped, kept, host, at):
            continue
        shares = _shares(release, counts)
        # Within what may be locked out already, so it does not keep the key.
        if shares[0] is not None and shares[0] <= limit:
            continue
        expiry = _expiry(release, dropped, kept, host, at)
        estimated = _estimate(shares, limit, None if installs is None else installs.day)
        # Either is enough: expired pins lock out no install, whatever the share.
        ends = [day for day in (expiry, estimated) if day is not None]
        until = min(ends, default=None)
        uses.append(KeyUse(release, installs, shares, until, until is not None and until == expiry))
    days = [use.until for use in uses]
    # One release without an end keeps the key without an end.
    can_go = None if None in days else max([at.date(), *(day for day in days if day is not None)])
    return OldKeys(dropped, kept, tuple(sorted(uses, key=_sort_key)), can_go, limit)


def _sort_key(use: KeyUse) -> tuple[bool, date, str]:
    """Order: those without an end first, then the last one to go."""
    return (
        use.until is not None,
        date.max if use.until is None else date.fromordinal(date.max.toordinal() - use.until.toordinal()),
        str(use.release),
    )


def _needs(release: AppRelease, dropped: frozenset[Pin], staying: frozenset[Pin], host: str, at: datetime) -> bool:
    """Whether any layer of the release needs a key that goes."""
    return any(_needing_entries(layer, dropped, staying, host, at) for layer in release.layers)


def _needing_entries(
    layer: PinLayer, dropped: frozenset[Pin], staying: frozenset[Pin], host: str, at: datetime
) -> list[PinEntry]:
    """Return the enforcing entries that still check, if one of their lists has a key that goes and none that stays.

    Each list by itself: NSPinnedDomains with lists of leaf and of CA pins wants a match of both, so a key that stays
    in one of them replaces none of the other.
    """
    entries = [entry for entry in checking_entries(layer, host, at) if entry.mode is PinMode.ENFORCE]
    return entries if any(pins & dropped and not pins & staying for pins in key_lists(entries)) else []


def _expiry(
    release: AppRelease, dropped: frozenset[Pin], staying: frozenset[Pin], host: str, at: datetime
) -> date | None:
    """Return the first day on which the pins of every layer that needs a key have expired on all devices."""
    ends: list[date] = []
    for layer in release.layers:
        rule = layer.traits.expiry_rule
        for entry in _needing_entries(layer, dropped, staying, host, at):
            # One entry that never expires needs the key for good.
            if entry.expires_on is None or rule is None:
                return None
            last = expiry_instants(entry.expires_on, rule)[1]
            # The last device ends in the middle of a UTC day, so the day after is the first one without it.
            ends.append(last.date() if last.time() == datetime.min.time() else last.date() + timedelta(days=1))
    return max(ends, default=None)


def _shares(release: AppRelease, counts: Sequence[InstallCount]) -> tuple[float | None, float | None, float | None]:
    """Return the share on the newest counted day, and on the last ones at least a week and a month before."""
    by_day = _shares_by_day(release, counts)
    if not by_day:
        return None, None, None
    newest = max(by_day)

    def before(age: timedelta) -> float | None:
        days = [day for day in by_day if day <= newest - age]
        return by_day[max(days)] if days else None

    return by_day[newest], before(_WEEK), before(_MONTH)


def _shares_by_day(release: AppRelease, counts: Iterable[InstallCount]) -> dict[date, float]:
    """Return the share of a release among all installs of its app and platform, by day."""
    own: defaultdict[tuple[date, bool], int] = defaultdict(int)
    every: defaultdict[tuple[date, bool], int] = defaultdict(int)
    for count in counts:
        if (count.app, count.platform) == (release.app, release.platform):
            kind = count.day, bool(count.build)
            every[kind] += count.count
            own[kind] += count.count if counts_for(count, release) else 0
    days = {day for (day, _), total in own.items() if total}
    # A file by build and one by version may both count a day: the larger is used, because they count the same.
    return {
        day: max(own[day, False], own[day, True]) / of
        for day in days
        if (of := max(every[day, False], every[day, True]))
    }


def _estimate(
    shares: tuple[float | None, float | None, float | None], limit: float, newest: date | None
) -> date | None:
    """Return the day on which a straight line through the older share and the newest one is within the limit."""
    now, week, month = shares
    # The longer span if it is known, because it depends less on chance.
    then, age = (month, _MONTH) if month is not None else (week, _WEEK)
    # A share that does not fall reaches no limit; a day would be a guess (decision record 39).
    if newest is None or now is None or then is None or now >= then:
        return None
    days = math.ceil((now - limit) / ((then - now) / age.days))
    return newest + timedelta(days=days) if days <= _LONGEST.days else None
