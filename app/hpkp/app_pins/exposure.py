"""Installs of registered releases as exposure of a host: of those alone that can report to this collector."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from app.hpkp.app_pins.release import AppRelease, InstallCount, counts_for
from app.hpkp.app_pins.reporting import pin_sets
from app.hpkp.audience import Audience
from app.hpkp.exposure import ExposedDay
from app.hpkp.pins import Pin


def audience_of(release: AppRelease) -> Audience:
    """Return the audience that a release is."""
    return Audience(release.app, release.version)


def pins_of_audiences(releases: Iterable[AppRelease], host: str) -> dict[Audience, frozenset[Pin]]:
    """Return all keys that the releases of each audience pin for the host."""
    found: defaultdict[Audience, frozenset[Pin]] = defaultdict(frozenset)
    for release in releases:
        found[audience_of(release)] |= frozenset(pin for pins in pin_sets(release, host) for pin in pins)
    return dict(found)


def with_installs(
    exposed: Iterable[ExposedDay],
    releases: Sequence[AppRelease],
    counts: Sequence[InstallCount],
    *,
    host: str,
    report_uri: str | None,
    days: tuple[date, date],
) -> list[ExposedDay]:
    """Return exposure with the installs of registered releases, from the first to the last of some days.

    1. Days of a release that cannot report, or reports to another collector than that of ``report_uri``, are left out:
       its silence is no evidence.
    2. The operator's own row for an app and version counts, unless a build of it cannot report: the row does not say
       how many of its installs those are.
    3. Else the installs of the builds that can report.
    """
    # Of a retired release no install matters, so none of them is exposure.
    pinning = [release for release in releases if release.pins_host(host) and not release.retired_at]
    able = [release for release in pinning if release.can_report(host) and release.reports_to(host, report_uri)]
    partly_silent = {audience_of(release) for release in pinning if release not in able}
    kept = [day for day in exposed if day.audience not in partly_silent]  # 1, 2
    known = {(day.audience, day.day) for day in kept}
    installs: defaultdict[tuple[Audience, date], int] = defaultdict(int)
    for release in able:  # 3
        for day, count in _by_day(release, counts, days).items():
            installs[audience_of(release), day] += count
    added = [
        ExposedDay(host, day, None, count, audience.app, audience.version)
        for (audience, day), count in installs.items()
        # 2: the operator's own count is not added to, because both count the same installs.
        if (audience, day) not in known
    ]
    return sorted((*kept, *added), key=lambda day: (day.day, day.app, day.app_version))


def _by_day(release: AppRelease, counts: Iterable[InstallCount], days: tuple[date, date]) -> dict[date, int]:
    """Count a release's installs by day: by version or by builds, whichever is more, because both count the same."""
    by_version: defaultdict[date, int] = defaultdict(int)
    by_build: defaultdict[date, int] = defaultdict(int)
    for count in counts:
        if days[0] <= count.day <= days[1] and counts_for(count, release):
            (by_build if count.build else by_version)[count.day] += count.count
    return {day: max(by_version[day], by_build[day]) for day in {*by_version, *by_build}}
