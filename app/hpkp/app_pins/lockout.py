"""Which releases a chain would lock out, and which keys lock out none.

::

    AppRelease …, InstallCount …, paths of a chain ──check_releases──> ReleaseCheck …: outcome, installs, in use
    AppRelease …                                   ──find_key_sets──> the smallest sets of keys that all accept
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.hpkp.app_pins.forms import Form, PinKind, PinMode
from app.hpkp.app_pins.model import ExpiryState, PathKey, PinEntry, PinLayer
from app.hpkp.app_pins.release import AppRelease, InstallCount, ReleaseInstalls, find_installs
from app.hpkp.pins import Pin


class Outcome(StrEnum):
    """What a release does with a chain; in the order of how bad it is."""

    MATCHES = "matches"
    EXPIRED = "pins_expired"
    """Its pins have expired: it accepts every chain."""
    SOME_PATHS = "matches_on_some_paths"
    WOULD_BE_LOCKED_OUT = "would_be_locked_out"
    """No pin matches, and it only reports."""
    UNKNOWN = "unknown"
    LOCKED_OUT = "locked_out"


_WORST = tuple(Outcome)


class Place(StrEnum):
    """Where on the path the matching pin is."""

    LEAF = "leaf"
    INTERMEDIATE = "intermediate"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class PathsToCheck:
    """The paths that devices may build, the likeliest first. ``complete``: none was left out by a limit.

    ``to_root``: the first path ends at a certificate that signed itself, so a root's pin cannot be missing.
    """

    paths: tuple[tuple[PathKey, ...], ...]
    complete: bool = True
    to_root: bool = True


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """What one layer does with the chain; ``place`` of the match on the likeliest path."""

    form: Form
    outcome: Outcome
    place: Place | None = None
    enforces: bool = True
    spare: bool = True
    """Whether some pin is on none of the paths: one is left if the served keys are lost."""


@dataclass(frozen=True, slots=True)
class ReleaseCheck:
    """What a release does with the chain: the worst of its layers."""

    release: AppRelease
    layers: tuple[LayerCheck, ...]
    installs: ReleaseInstalls | None
    in_use: bool
    can_report: bool

    @property
    def outcome(self) -> Outcome:
        """The worst of the layers, all of which must accept the chain."""
        return max((layer.outcome for layer in self.layers), key=_WORST.index)

    @property
    def reports_only(self) -> bool:
        """Whether no layer enforces: a chain without its pins does not lock it out."""
        return all(not layer.enforces for layer in self.layers)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where on the likeliest path the layers have their matches."""
        return tuple(dict.fromkeys(layer.place for layer in self.layers if layer.place is not None))

    @property
    def deployable(self) -> bool | None:
        """Whether the chain may go live for it on every path; True for a release that is not in use."""
        return self.may_deploy()

    def may_deploy(self, *, accept_some_paths: bool = False) -> bool | None:
        """Whether the chain may go live for it; None if it is unknown.

        With a match on some paths, some devices may be locked out, and which is unknown: that is no yes, unless the
        operator accepts it.
        """
        if not self.in_use:
            return True
        if self.outcome is Outcome.SOME_PATHS:
            return True if accept_some_paths or self.reports_only else None
        return {Outcome.LOCKED_OUT: False, Outcome.UNKNOWN: None}.get(self.outcome, True)


def check_releases(
    releases: Iterable[AppRelease],
    installs: Sequence[InstallCount],
    paths: PathsToCheck | None,
    *,
    host: str,
    at: datetime,
) -> tuple[ReleaseCheck, ...]:
    """Check a chain against every release that pins the host, the worst first; None for a chain that cannot be read."""
    found = []
    for release in releases:
        layers = tuple(_check_layer(layer, paths, host, at) for layer in release.layers if layer.entries_for(host))
        if not layers:
            continue
        counted = find_installs(release, installs)
        # Unknown is in use: to be wrong about "no installs" would lock clients out (decision record 35). A lower bound
        # of 0 is unknown as well.
        in_use = not release.is_retired(at) and (counted is None or counted.count > 0 or counted.is_lower_bound)
        found.append(ReleaseCheck(release, layers, counted, in_use, release.can_report(host)))
    return tuple(sorted(found, key=_sort_key))


def worst_of(checked: Iterable[Iterable[ReleaseCheck]]) -> tuple[ReleaseCheck, ...]:
    """Return the worst check of each release, of several chains that are served at once; the worst release first."""
    worst: dict[str, ReleaseCheck] = {}
    for checks in checked:
        for check in checks:
            name = str(check.release)
            before = worst.get(name)
            # A client may meet any of the chains, so the worst one counts.
            if before is None or _WORST.index(check.outcome) > _WORST.index(before.outcome):
                worst[name] = check
    return tuple(sorted(worst.values(), key=_sort_key))


def _sort_key(check: ReleaseCheck) -> tuple[bool, int, float, str]:
    """Order: in use, worst outcome, most installs (unknown first), name."""
    most_first = float("-inf") if check.installs is None else -check.installs.count
    return (not check.in_use, -_WORST.index(check.outcome), most_first, str(check.release))


def _check_layer(layer: PinLayer, paths: PathsToCheck | None, host: str, at: datetime) -> LayerCheck:
    """Say what one layer does with the paths, at an instant; enforced if any of its entries is."""
    entries = checking_entries(layer, host, at)
    # Expired on every device: while one of them still checks, the layer counts as checking.
    if not entries:
        return LayerCheck(layer.form, Outcome.EXPIRED, enforces=False)
    enforces = any(entry.mode is PinMode.ENFORCE for entry in entries)
    if paths is None or not paths.paths:
        return LayerCheck(layer.form, Outcome.UNKNOWN, enforces=enforces)
    accepted = [layer.accepts(path, entries) for path in paths.paths]
    place = _place(layer, entries, paths.paths[0]) if accepted[0] else None
    if all(accepted):
        # A path that a limit left out may be without a pin, unless the leaf has one: it is on every path.
        on_all = paths.complete or layer.accepts(paths.paths[0][:1], entries)
        outcome = Outcome.MATCHES if on_all else Outcome.SOME_PATHS
    elif any(accepted):
        outcome = Outcome.SOME_PATHS
    # The pin may be that of a root which is not known here: a lockout would be a guess (decision record 35).
    elif not (paths.complete and paths.to_root):
        outcome = Outcome.UNKNOWN
    else:
        outcome = Outcome.LOCKED_OUT if enforces else Outcome.WOULD_BE_LOCKED_OUT
    return LayerCheck(layer.form, outcome, place, enforces, _has_spare(entries, paths))


def _has_spare(entries: Sequence[PinEntry], paths: PathsToCheck) -> bool:
    """Whether a pin is on none of the paths."""
    pins = (pin for entry in entries for pin in entry.all_pins)
    # By all paths: a key that some device has on its path is in use and no reserve.
    return any(not any(key.has(pin) for path in paths.paths for key in path) for pin in pins)


def checking_entries(layer: PinLayer, host: str, at: datetime) -> tuple[PinEntry, ...]:
    """Return the entries that check now on some device."""
    rule = layer.traits.expiry_rule
    return tuple(entry for entry in layer.entries_for(host) if entry.state_at(at, rule) is not ExpiryState.OFF)


def _place(layer: PinLayer, entries: Sequence[PinEntry], path: Sequence[PathKey]) -> Place | None:
    """Say where on a path the first certificate with one of the pins is; None if there is none."""
    pins = [pin for entry in entries for pin in entry.all_pins]
    position = next((at for at, key in enumerate(path) if any(key.has(pin) for pin in pins)), None)
    if position is None:
        return None
    last = len(path) - 1
    return Place.LEAF if position == 0 else Place.ROOT if position == last else Place.INTERMEDIATE


@dataclass(frozen=True, slots=True)
class KeySets:
    """The smallest sets of keys of which a chain must contain all, so that no release in use is locked out.

    ``complete``: all sets of that size were found. No set: some release has no pin that a key can match.
    """

    sets: tuple[frozenset[Pin], ...]
    complete: bool
    unmatched: tuple[AppRelease, ...]


_MOST_KEYS = 5
"""Keys on a path: longer ones are not seen in public hierarchies."""
_MOST_STEPS = 20_000
"""Sets that are tried; a handful of releases with a handful of pins need a few dozen."""
_MOST_SETS = 50


def find_key_sets(
    releases: Iterable[AppRelease], *, host: str, at: datetime, lists: Iterable[frozenset[Pin]] = ()
) -> KeySets:
    """Find the smallest sets of keys that the enforcing layers of all releases accept.

    ``lists`` are sets of pins of other clients, each of which must be matched as well.

    Each layer needs one of its pins on the path; with lists of leaf and CA pins, one of each. A set must have a key of
    every list: a hitting set, found by branching over the first list that has none yet.
    """
    wanted = set(lists)
    unmatched = []
    for release in releases:
        # Monitoring layers lock out no install, so only enforcing ones restrict the keys.
        for layer in () if release.is_retired(at) else release.layers:
            entries = [entry for entry in checking_entries(layer, host, at) if entry.mode is PinMode.ENFORCE]
            lists = key_lists(entries)
            # No pin of the list is a key's, so no choice of keys satisfies it.
            if not all(lists):
                unmatched.append(release)
            wanted |= set(lists)
    if unmatched:
        return KeySets((), True, tuple(dict.fromkeys(unmatched)))
    # Short lists first: they leave the fewest branches, and the order makes the answer the same every time.
    search = _Search(sorted(wanted, key=lambda pins: (len(pins), sorted(pins))))
    # By size, so that the first sets found are the smallest; larger ones only add keys.
    for size in range(1, _MOST_KEYS + 1):
        if found := search.of_size(size):
            return KeySets(found, search.steps < _MOST_STEPS and len(found) < _MOST_SETS, ())
    return KeySets((), search.steps < _MOST_STEPS, ())


def key_lists(entries: Sequence[PinEntry]) -> list[frozenset[Pin]]:
    """Return the keys of each list of united entries that has pins; a chain must contain a key of every list.

    The lists are those compared with any certificate, with the leaf, and with all but the leaf. A hash of a certificate
    or of another length is matched by no key, so a list of such hashes alone is an empty set.
    """
    return [
        frozenset(pin.pin for pin in pins if pin.kind is PinKind.SPKI and pin.pin is not None)
        for pins in (
            [pin for entry in entries for pin in entry.pins],
            [pin for entry in entries for pin in entry.leaf_pins],
            [pin for entry in entries for pin in entry.ca_pins],
        )
        if pins
    ]


class _Search:
    def __init__(self, wanted: Sequence[frozenset[Pin]]) -> None:
        self.wanted = wanted
        self.steps = 0

    def of_size(self, size: int) -> tuple[frozenset[Pin], ...]:
        """Return the sets of at most this size, in a stable order."""
        found: dict[frozenset[Pin], None] = {}
        self._branch(frozenset(), size, found)
        return tuple(sorted(found, key=sorted)[:_MOST_SETS]) if self.wanted else ()

    def _branch(self, chosen: frozenset[Pin], left: int, found: dict[frozenset[Pin], None]) -> None:
        """Add a key of the first list that has none, up to ``left`` more, and keep the sets that are complete."""
        self.steps += 1
        if self.steps > _MOST_STEPS or len(found) >= _MOST_SETS:
            return
        missing = next((pins for pins in self.wanted if not pins & chosen), None)
        if missing is None:
            found[chosen] = None
        elif left:
            for pin in sorted(missing):
                self._branch(chosen | {pin}, left - 1, found)
