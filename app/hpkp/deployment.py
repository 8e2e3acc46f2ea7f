"""Whether a chain that is about to be deployed satisfies the pins: those expected now, and those still remembered.

A UA keeps the pins of an enforced policy for its max-age (RFC 7469 section 2.3.2), counted from the last time it met
them. A former revision may therefore be known until max-age after it was replaced.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.hpkp.app_pins.lockout import PathsToCheck, ReleaseCheck, check_releases
from app.hpkp.app_pins.model import PathKey
from app.hpkp.app_pins.release import AppRelease, InstallCount
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy, PolicyHistory
from app.hpkp.x509.anchors import Anchor, KnownCertificates
from app.hpkp.x509.certificate import Element
from app.hpkp.x509.paths import AssessedPath, PathClass, Presence
from app.hpkp.x509.served_paths import (
    ServedPaths,
    describe_defects,
    describe_leaf_dates,
    describe_path,
    find_served_paths,
)

LONGEST_REMEMBERED = 10**9
"""Seconds, some thirty years; no UA remembers pins for longer."""


@dataclass(frozen=True, slots=True)
class RememberedPins:
    """A former revision that clients may still know, and whether the chain satisfies it."""

    policy: PinningPolicy
    until: datetime
    satisfied: bool


@dataclass(frozen=True, slots=True)
class DeploymentCheck:
    """The answer for one chain.

    ``satisfied`` is None where no policy is in force, the leaf cannot be read, a limit left paths out, or none is
    valid.
    """

    satisfied: bool | None
    why: str
    matching: tuple[Pin, ...]
    remembered: tuple[RememberedPins, ...]
    caveats: tuple[str, ...]
    releases: tuple[ReleaseCheck, ...] = ()
    """What releases of apps that pin the host do with it."""
    has_policy: bool = True

    @property
    def deployable(self) -> bool | None:
        """Whether it may go live: it satisfies the expected pins, and locks out no client that is in use.

        Without a policy, releases of apps that pin the host decide alone.
        """
        answers = [release.deployable for release in self.releases if release.in_use]
        if self.has_policy or not answers:
            answers += [self.satisfied, *(remembered.satisfied for remembered in self.remembered)]
        return False if False in answers else None if None in answers else True


def paths_to_check(
    chain: Sequence[Element], known: KnownCertificates, *, host: str, at: datetime
) -> PathsToCheck | None:
    """Return what releases of apps compare of a chain; None where its leaf cannot be read, or no client accepts it."""
    served = find_served_paths(chain, known, host=host, at=at)
    return None if served is None else _paths_of(served)


def _paths_of(served: ServedPaths) -> PathsToCheck | None:
    best = served.best
    if best.path_class is PathClass.BROKEN:
        return None
    return PathsToCheck(
        tuple(tuple(map(PathKey.of_element, path.certificates)) for path in served.found.paths),
        served.found.complete,
        # A root that is neither in the chain nor known may have a pin that matches.
        best.stored_as is not Anchor.UNKNOWN or best.top.self_issued,
    )


def check_deployment(
    chain: Sequence[Element],
    history: PolicyHistory,
    known: KnownCertificates,
    *,
    host: str,
    at: datetime,
    releases: Iterable[AppRelease] = (),
    installs: Sequence[InstallCount] = (),
) -> DeploymentCheck:
    """Check the chain as a server would send it, by the host's policy and by releases of apps that pin it."""
    checked = _check_policy(chain, history, known, host=host, at=at)
    policy = history.in_force(at)
    return replace(
        checked,
        releases=check_releases(releases, installs, paths_to_check(chain, known, host=host, at=at), host=host, at=at),
        has_policy=policy is not None and policy.covers(host),
    )


def _check_policy(
    chain: Sequence[Element], history: PolicyHistory, known: KnownCertificates, *, host: str, at: datetime
) -> DeploymentCheck:
    """Check the chain as a server would send it; the root, which servers leave out, is completed.

    A pin counts by the paths that clients build. On every path: satisfied. On some: satisfied with a caveat that names
    another one. On none: not satisfied. Where a limit left paths out, or no path is valid, it cannot be told.
    """
    served = find_served_paths(chain, known, host=host, at=at)
    if served is None:
        return DeploymentCheck(None, "The leaf of the chain cannot be read.", (), (), ())
    caveats = tuple(_caveats(served, known, host, at))
    remembered = tuple(
        RememberedPins(previous, until, served.presence(previous.expected) in _ON_PATHS)
        for previous, until in cached_revisions(history, at)
        if previous.covers(host)
    )
    policy = history.in_force(at)
    if policy is None or not policy.covers(host):
        return DeploymentCheck(None, f"No policy is in force for {host}.", (), remembered, caveats)
    if served.best.path_class is PathClass.BROKEN:
        why = "No client accepts this chain, so its pins do not matter."
        return DeploymentCheck(None, why, (), remembered, caveats)
    presence = served.presence(policy.expected)
    on_paths = frozenset[Pin]().union(*served.pin_sets)
    matching = tuple(expected.pin for expected in policy.pins if expected.pin in on_paths)
    if presence is Presence.SOME and (other := served.path_without(policy.expected)) is not None:
        caveats = (*caveats, f"A client may build another path, without an expected pin: {describe_path(other)}.")
    return DeploymentCheck(_SATISFIED[presence], _WHY[presence], matching, remembered, caveats)


_ON_PATHS = (Presence.EVERY, Presence.SOME)
_SATISFIED = {Presence.EVERY: True, Presence.SOME: True, Presence.NONE: False, Presence.UNKNOWN: None}
_WHY = {
    Presence.EVERY: "The chain contains an expected pin.",
    Presence.SOME: "The chain contains an expected pin on some of its paths.",
    Presence.NONE: "The chain contains no expected pin.",
    Presence.UNKNOWN: "The chain has more paths than were searched, so some pins may be missing from this answer.",
}


def cached_revisions(history: PolicyHistory, at: datetime) -> Iterator[tuple[PinningPolicy, datetime]]:
    """Find enforced revisions that were replaced less than their max-age ago, each with when the last UA forgets it."""
    for previous, following in zip(history.revisions, history.revisions[1:], strict=False):
        replaced = following.effective_from
        if previous.mode is not Mode.ENFORCE or previous.withdrawn or replaced is None or replaced > at:
            continue
        until = replaced + timedelta(seconds=min(previous.max_age or 0, LONGEST_REMEMBERED))
        if until > at:
            yield previous, until


def _caveats(served: ServedPaths, known: KnownCertificates, host: str, at: datetime) -> Iterator[str]:
    """Tell what is to be minded of the chain besides its pins."""
    if dates := describe_leaf_dates(served.leaf, at):
        yield dates
    if served.position != 0:
        yield f"The chain is in another order than TLS wants; certificate {served.position} is the leaf."
    covers = served.leaf.covers(host)
    if covers is None:
        yield f"The names of the leaf cannot be read, so it may not be for {host}."
    elif not covers:
        yield f"The leaf is not for {host}."
    yield from (f"{defect}." for defect in describe_defects(served.best))
    yield from _anchor_caveats(served.best, known)
    yield from served.limits_reached


def _anchor_caveats(path: AssessedPath, known: KnownCertificates) -> Iterator[str]:
    match path.stored_as:
        case Anchor.UNKNOWN:
            yield "The chain leads to no root that is known here, so the root's pin was not counted."
        case Anchor.PRIVATE:
            yield "The chain ends at a root that is in no public store."
        case Anchor.FORMER_PUBLIC:
            departure = known.departure_of(path.top)
            why = f" ({departure.reason})" if departure else ""
            yield f"The chain ends at a root that is no longer in the public store{why}."
    if path.anchor is Anchor.KNOWN_BAD:
        yield "A key on the path is known to be compromised or misused."
