"""Releases of apps with the pins that each carries, and how many installs there are of them, day by day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from app.hpkp.app_pins.forms import PinMode, Reports
from app.hpkp.app_pins.model import CarriedPin, PinLayer
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.report_uri import lead_to_one_collector

_LONGEST_NAME = 200


class Platform(StrEnum):
    """What an app runs on; the builds of one version often carry different pins."""

    ANDROID = "android"
    IOS = "ios"
    MACOS = "macos"
    OTHER = "other"


def is_name(text: str) -> bool:
    """Whether a report could give this as the name, version or build of an app."""
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable()


@dataclass(frozen=True, slots=True)
class AppRelease:
    """A release of an app on a platform. ``app`` and ``version`` are those that its reports name."""

    app: str
    version: str
    platform: Platform
    layers: tuple[PinLayer, ...] = ()
    builds: tuple[str, ...] = ()
    """Version codes, by which Google Play counts; a version can have several."""
    shipped_at: datetime | None = None
    retired_at: datetime | None = None
    """Since when no install of it matters: a forced update, or the operator's decision."""
    recorded_at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse names that no report could give."""
        # A release is found by the names in reports, so any other name would never be found.
        for text in (self.app, self.version, *self.builds):
            if not is_name(text):
                raise InvalidAppConfig(f"{text[:40]!r} is no name, version or build of an app")

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"{self.app} {self.version} ({self.platform})"

    def is_retired(self, at: datetime) -> bool:
        """Whether it counts no more."""
        return self.retired_at is not None and self.retired_at <= at

    def pins_host(self, host: str) -> bool:
        """Whether a layer has pins for the host."""
        return any(layer.entries_for(host) for layer in self.layers)

    def can_report(self, host: str) -> bool:
        """Whether every layer that checks the host can report. One that cannot may fail first, in silence.

        Without a report-uri nothing is reported here, and some forms report only while they do not enforce.
        """
        # All layers: if one fails first without a report, the other never gets to send one.
        checking = [(layer.traits.reports, entry) for layer in self.layers for entry in layer.entries_for(host)]
        return bool(checking) and all(
            reports is not Reports.NEVER
            and bool(entry.report_uris)
            and (reports is Reports.ALWAYS or entry.mode is PinMode.MONITOR)
            for reports, entry in checking
        )

    def reports_to(self, host: str, report_uri: str | None) -> bool:
        """Whether what it reports of the host goes to the collector of a report-uri; True if there is none to compare.

        The canaries of a policy travel through its report-uri: they say nothing about other collectors.
        """
        entries = [entry for layer in self.layers for entry in layer.entries_for(host)]
        return report_uri is None or all(
            any(lead_to_one_collector(uri, report_uri) for uri in entry.report_uris) for entry in entries
        )


@dataclass(frozen=True, slots=True)
class InstallCount:
    """Installs of a version or a build of an app on a day (UTC); one of the two is empty."""

    app: str
    platform: Platform
    day: date
    count: int
    version: str = ""
    build: str = ""
    source: str = ""
    is_lower_bound: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseInstalls:
    """Installs of one release on the newest day of which something of it is known, and of all versions that day."""

    day: date
    count: int
    of: int
    is_lower_bound: bool

    @property
    def share(self) -> float | None:
        """The release's share of all installs of the app on the platform."""
        return self.count / self.of if self.of else None


def counts_for(count: InstallCount, release: AppRelease) -> bool:
    """Whether a count is of a release, by its version or by one of its builds."""
    if (count.app, count.platform) != (release.app, release.platform):
        return False
    return count.version == release.version if count.version else count.build in release.builds


def find_installs(release: AppRelease, counts: Iterable[InstallCount]) -> ReleaseInstalls | None:
    """Return the newest installs of a release; None if nothing was counted, which is not zero."""
    of_app = [count for count in counts if (count.app, count.platform) == (release.app, release.platform)]
    own = [count for count in of_app if counts_for(count, release)]
    # None and not 0: a release that was never counted is in use.
    if not own:
        return None
    day = max(count.day for count in own)
    newest = [count for count in own if count.day == day]
    # A file by build and one by version may both tell of a day: the larger is used, because they count the same.
    total = max(_sum(newest, by_build=False), _sum(newest, by_build=True))
    every = [count for count in of_app if count.day == day]
    of = max(_sum(every, by_build=False), _sum(every, by_build=True))
    return ReleaseInstalls(day, total, of, any(count.is_lower_bound for count in newest))


def _sum(counts: Iterable[InstallCount], *, by_build: bool) -> int:
    """Add up the counts by build, or those by version."""
    return sum(count.count for count in counts if bool(count.build) is by_build)


@dataclass(frozen=True, slots=True)
class HostDifference:
    """A host that two releases pin differently. ``before`` and ``after`` are the modes, None where it is not pinned."""

    host: str
    removed: tuple[CarriedPin, ...]
    added: tuple[CarriedPin, ...]
    before: PinMode | None
    after: PinMode | None


def compare_releases(first: AppRelease, second: AppRelease) -> tuple[HostDifference, ...]:
    """Compare the pins of two releases for every name in either, and a name one and two labels below each."""
    hosts = {
        host
        for release in (first, second)
        for layer in release.layers
        for entry in layer.entries
        for host in entry.sample_hosts
    }
    found = []
    for host in sorted(hosts):
        before, after = _pins(first, host), _pins(second, host)
        modes = _mode(first, host), _mode(second, host)
        # The mode alone is a difference as well: the same pins enforced lock clients out.
        if before != after or modes[0] is not modes[1]:
            found.append(HostDifference(host, tuple(sorted(before - after)), tuple(sorted(after - before)), *modes))
    return tuple(found)


def _pins(release: AppRelease, host: str) -> frozenset[CarriedPin]:
    """Return all pins of a release for a host, of every layer."""
    return frozenset(pin for layer in release.layers for pin in layer.pins_for(host))


def _mode(release: AppRelease, host: str) -> PinMode | None:
    """Return the strictest mode in which a layer checks the host."""
    modes = {entry.mode for layer in release.layers for entry in layer.entries_for(host)}
    return next((mode for mode in (PinMode.ENFORCE, PinMode.MONITOR) if mode in modes), None)
