"""From reports to releases: which registered release a report says it is from, and whether its pins are those.

Everything that a report says is a claim. What follows from it is shown, and may hold a verdict back; nothing of it
counts as evidence for a release.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from app.hpkp.app_pins.forms import PinKind
from app.hpkp.app_pins.model import PinLayer
from app.hpkp.app_pins.release import AppRelease, Platform
from app.hpkp.pins import Pin
from app.hpkp.report import Sender

_PLATFORMS: dict[Sender, frozenset[Platform]] = {
    Sender.TRUSTKIT_APPLE: frozenset({Platform.IOS, Platform.MACOS, Platform.OTHER}),
    Sender.TRUSTKIT_ANDROID: frozenset({Platform.ANDROID, Platform.OTHER}),
    Sender.REACT_NATIVE: frozenset({Platform.ANDROID, Platform.OTHER}),
}


def platforms_of(sender: Sender) -> frozenset[Platform]:
    """Return on what a sender runs, if its form says so; any other one runs on whatever a release is registered for."""
    return _PLATFORMS.get(sender, frozenset(Platform))


def pins_of_layer(layer: PinLayer, host: str) -> frozenset[Pin]:
    """Return the keys that a layer pins for a host; hashes of certificates are none."""
    return frozenset(
        found for pin in layer.pins_for(host) if pin.kind is PinKind.SPKI and (found := pin.pin) is not None
    )


def pin_sets(release: AppRelease, host: str) -> frozenset[frozenset[Pin]]:
    """Return the sets of keys of the layers: each may be what a report of the release names."""
    return frozenset(pins for layer in release.layers if (pins := pins_of_layer(layer, host)))


class Registered(StrEnum):
    """What the registry says of the release that a report names."""

    YES = "registered"
    PINS_DIFFER = "pins_differ"
    """The registered configuration has other pins: a remote update, another build, or a wrong import."""
    NO = "not_registered"


@dataclass(frozen=True, slots=True)
class ReportedSource:
    """Reports of one violation from one source, as they say it themselves; empty if they do not say it."""

    violation: int
    sender: Sender
    pins: frozenset[Pin]
    app: str
    version: str
    label: str
    reports: int


@dataclass(frozen=True, slots=True)
class ReportingRelease:
    """What was reported under one name of a release. ``release`` is None if it is not registered."""

    app: str
    version: str
    sender: Sender
    state: Registered
    release: AppRelease | None
    reports: int
    violations: tuple[int, ...]
    reported_pins: frozenset[Pin] = field(default=frozenset())
    """Of the newest violation, if they differ from the registered ones."""

    def __str__(self) -> str:
        """Name it in a sentence."""
        if self.release is not None:
            return str(self.release)
        return f"{self.app or 'an app without a name'} {self.version}".strip()


def find_reporting(
    sources: Iterable[ReportedSource], releases: Sequence[AppRelease], *, host: str
) -> tuple[ReportingRelease, ...]:
    """Attribute reports to releases, the most reports first. Apps without any registered release are left out."""
    groups: defaultdict[tuple[str, str, Sender, Registered, str], list[tuple[ReportedSource, AppRelease | None]]]
    groups = defaultdict(list)
    ours = {release.app for release in releases}
    for source in sources:
        release = find_release(source, releases, host=host)
        # Apps of others send reports as well; only versions of registered apps can be missing from the registry.
        if release is None and source.app not in ours:
            continue
        state = Registered.NO
        if release is not None:
            state = Registered.YES if source.pins in pin_sets(release, host) else Registered.PINS_DIFFER
        key = (source.app, source.version, source.sender, state, "" if release is None else str(release))
        groups[key].append((source, release))
    found = [
        ReportingRelease(
            app,
            version,
            sender,
            state,
            members[0][1],
            sum(source.reports for source, _ in members),
            tuple(sorted({source.violation for source, _ in members})),
            max(members, key=lambda member: member[0].violation)[0].pins if state is Registered.PINS_DIFFER
            else frozenset(),
        )
        for (app, version, sender, state, _), members in groups.items()
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.reports, one.app, one.version, one.sender, one.state)))


def find_release(source: ReportedSource, releases: Sequence[AppRelease], *, host: str) -> AppRelease | None:
    """Find the registered release that a report is from; None if there is none, or it could be several.

    1. App, platform and version, as the report names them.
    2. Else the label of the report-uri, as a release's own configuration has it.
    3. Else, without app and label, the known pins, if exactly one group of releases has them.
    """
    possible = [one for one in releases if one.platform in platforms_of(source.sender) and one.pins_host(host)]
    if source.app:
        named = [one for one in possible if (one.app, one.version) == (source.app, source.version)]
        if named:
            return named[0]  # 1
        possible = [one for one in possible if one.app == source.app]
    if source.label:
        labelled = [one for one in possible if source.label in _labels(one, host)]
        # A version that is named and not registered must not count as the one whose label it kept.
        if len(labelled) == 1 and not (source.app and source.version):
            return labelled[0]  # 2
    # A name that is not registered is not replaced by a guess from the pins: releases share pins.
    if source.app or source.label:
        return None
    equal = [one for one in possible if source.pins in pin_sets(one, host)]
    groups = {(one.app, pin_sets(one, host)) for one in equal}
    return equal[0] if len(groups) == 1 else None  # 3


def _labels(release: AppRelease, host: str) -> frozenset[str]:
    """Return the labels in the report-uris of a release: what follows ``/report/`` in their path."""
    paths = [
        urlsplit(uri).path for layer in release.layers for entry in layer.entries_for(host) for uri in entry.report_uris
    ]
    return frozenset(path.partition("/report/")[2] for path in paths if "/report/" in path)
