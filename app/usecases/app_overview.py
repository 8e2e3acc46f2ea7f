"""Registered apps at a glance: their releases, hosts and installs, what was reported, and whom the hosts lock out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.hpkp.app_pins.lockout import Outcome, ReleaseCheck
from app.hpkp.app_pins.release import AppRelease, InstallCount, ReleaseInstalls, find_installs
from app.hpkp.errors import InvalidHost
from app.hpkp.hosts import canonical_host
from app.hpkp.live_releases import check_live
from app.store.read.app_reports import ReportedVersion, list_reported_versions
from app.store.read.releases import list_installs, list_releases
from app.usecases.last_probes import LastProbes

REPORTED = timedelta(days=14)
"""For how long reports are counted."""


@dataclass(frozen=True, slots=True)
class HostOfRelease:
    """A name in the release's configuration, and what the release does with the chains last seen served there."""

    name: str
    check: ReleaseCheck
    probed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReleaseOverview:
    """A release with all that is shown of it; ``reports`` and ``refused`` are lower bounds."""

    release: AppRelease
    installs: ReleaseInstalls | None
    in_use: bool
    hosts: tuple[HostOfRelease, ...]
    reports: int
    refused: int

    @property
    def locked_out(self) -> tuple[HostOfRelease, ...]:
        """The hosts whose chains lock it out now, if it is in use."""
        return tuple(host for host in self.hosts if self.in_use and host.check.outcome is Outcome.LOCKED_OUT)


@dataclass(frozen=True, slots=True)
class AppOverview:
    """An app with its releases by platform, the newest first, and versions that report and are not registered."""

    app: str
    releases: tuple[ReleaseOverview, ...]
    unregistered: tuple[ReportedVersion, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that its releases pin, in order."""
        return tuple(sorted({host.name for release in self.releases for host in release.hosts}))

    @property
    def locked_out(self) -> tuple[ReleaseOverview, ...]:
        """The releases that some host locks out now."""
        return tuple(release for release in self.releases if release.locked_out)


@dataclass(frozen=True, slots=True)
class AppOverviews:
    """Gathers overviews of apps."""

    engine: Engine
    last_probes: LastProbes

    def list(self, *, app: str | None = None, at: datetime) -> tuple[AppOverview, ...]:
        """Return all registered apps by name, or one of them."""
        with self.engine.connect() as connection:
            releases = list_releases(connection, app=app)
            installs = list_installs(connection, (release.app for release in releases))
            reported = list_reported_versions(connection, since=at - REPORTED, until=at)
        by_app: defaultdict[str, list[ReleaseOverview]] = defaultdict(list)
        for release in reversed(releases):  # the one that was registered last comes first
            by_app[release.app].append(self._overview(release, installs, reported, at))
        return tuple(
            AppOverview(
                name,
                tuple(sorted(found, key=lambda one: one.release.platform)),
                tuple(_find_unregistered(name, found, reported)),
            )
            for name, found in sorted(by_app.items())
        )

    def _overview(
        self, release: AppRelease, installs: Sequence[InstallCount], reported: Iterable[ReportedVersion], at: datetime
    ) -> ReleaseOverview:
        hosts = list[HostOfRelease]()
        for name in sorted({entry.name for layer in release.layers for entry in layer.entries}):
            try:
                host = canonical_host(name)
            except InvalidHost:
                continue  # the linter says so of such a name; no client connects to it
            live = self.last_probes.find(host, until=at)
            probed_at = None if live is None else live.probe.at
            checks = check_live(live, [release], installs, self.last_probes.known, host=host, at=at)
            hosts.extend(HostOfRelease(host, check, probed_at) for check in checks)
        counted = find_installs(release, installs)
        own = [one for one in reported if _is_of(one, release)]
        return ReleaseOverview(
            release,
            counted,
            not release.is_retired(at) and (counted is None or counted.count > 0 or counted.is_lower_bound),
            tuple(hosts),
            sum(one.reports for one in own),
            sum(one.refused for one in own),
        )


def _is_of(reported: ReportedVersion, release: AppRelease) -> bool:
    named = (reported.app, reported.version) == (release.app, release.version)
    return named and reported.platform in ("", release.platform.value)


def _find_unregistered(
    app: str, releases: Sequence[ReleaseOverview], reported: Iterable[ReportedVersion]
) -> Iterable[ReportedVersion]:
    for one in reported:
        if one.app == app and not any(_is_of(one, found.release) for found in releases):
            yield one
