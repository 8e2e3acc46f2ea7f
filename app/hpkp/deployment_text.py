"""The check of a chain before its deployment in words, the same for command, API and page. It reads nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.hpkp.app_pins.lockout import Outcome, ReleaseCheck
from app.hpkp.app_pins.release import ReleaseInstalls
from app.hpkp.deployment import DeploymentCheck

_MOST_SETS = 10
"""Sets of keys that are shown; their number grows fast, and one is enough to go on."""


class Subject(StrEnum):
    """What a line is about."""

    PIN = "pin"
    FORMER = "former"
    NOTE = "note"
    RELEASE = "release"
    KEYS = "keys"


class Grade(StrEnum):
    """How a line bears on the deployment."""

    GOOD = "good"
    UNKNOWN = "unknown"
    BAD = "bad"
    UNUSED = "unused"
    """Of a release that is not in use."""


@dataclass(frozen=True, slots=True)
class Line:
    """One fact of the check; ``grade`` is None where it bears on nothing."""

    subject: Subject
    text: str
    grade: Grade | None = None


@dataclass(frozen=True, slots=True)
class DeploymentText:
    """The check in words: whether the chain may be deployed, what the policy says, and the facts."""

    answer: str
    policy: str
    lines: tuple[Line, ...]


_POLICY = {
    True: "satisfies the expected pins",
    False: "does NOT satisfy the expected pins",
    None: "unknown whether it satisfies the expected pins",
}
_SOME_PATHS = "satisfies the expected pins on some paths only"


def write_deployment(host: str, check: DeploymentCheck) -> DeploymentText:
    """Write a check of a chain of the host."""
    policy = f"{host}: has no policy"
    if check.has_policy:
        policy = f"{host}: {_POLICY[check.satisfied] if check.on_every_path else _SOME_PATHS}. {check.why}"
    return DeploymentText(_answer(check), policy, tuple(_lines(check)))


def _answer(check: DeploymentCheck) -> str:
    """Say whether the chain may be deployed, and who decides that."""
    match check.deployable:
        case True:
            # By its pins alone: a note may say that clients refuse it for another reason, such as its dates.
            noted = "; mind the notes" if check.caveats else ""
            return f"By its pins it may be deployed: it locks out no known client in use{noted}."
        case False:
            return f"Do not deploy: {'; '.join(_obstacles(check))}."
        case None:
            return f"Unknown whether it may be deployed: {'; '.join(_unknowns(check))}."


def _obstacles(check: DeploymentCheck) -> Iterator[str]:
    if check.has_policy and check.satisfied is False:
        yield "it contains no expected pin"
    if broken := [str(one.policy.revision) for one in check.remembered if one.satisfied is False]:
        yield f"clients with cached pins of revision {', '.join(broken)} would be locked out"
    if out := [one for one in check.releases if one.in_use and one.deployable is False]:
        yield f"{_releases(len(out))} in use would be locked out ({_sum_text(out)})"


def _unknowns(check: DeploymentCheck) -> Iterator[str]:
    if check.has_policy or not (check.remembered or any(one.in_use for one in check.releases)):
        if check.satisfied is None:
            yield check.why.rstrip(".")
        elif not check.on_every_path:
            yield "clients may build a path without an expected pin"
    if unsure := [str(one.policy.revision) for one in check.remembered if not (one.satisfied and one.on_every_path)]:
        yield f"it is unknown whether every path matches cached pins of revision {', '.join(unsure)}"
    if some := [one for one in check.releases if one.in_use and one.deployable is None]:
        yield f"{_releases(len(some))} in use may be locked out ({_sum_text(some)})"


def _releases(count: int) -> str:
    return f"{count} release{'s' if count != 1 else ''}"


def _sum_text(checks: Sequence[ReleaseCheck]) -> str:
    """Sum the installs of releases; at least, if some are unknown or lower bounds."""
    known = [one.installs for one in checks if one.installs is not None]
    if not known:
        return "installs unknown"
    least = len(known) < len(checks) or any(one.is_lower_bound for one in known)
    return f"{'at least ' if least else ''}{sum(one.count for one in known):,} installs"


def _lines(check: DeploymentCheck) -> Iterator[Line]:
    for pin in check.matching:
        yield Line(Subject.PIN, str(pin), Grade.GOOD)
    for one in check.remembered:
        word, grade = "BROKEN: clients that remember it are locked out", Grade.BAD
        if one.satisfied is None:
            word, grade = "unknown", Grade.UNKNOWN
        elif one.satisfied:
            word, grade = ("satisfied", Grade.GOOD) if one.on_every_path else ("on some paths only", Grade.UNKNOWN)
        until = f"{one.until:%Y-%m-%d %H:%M} UTC"
        yield Line(Subject.FORMER, f"revision {one.policy.revision}, remembered until {until}: {word}", grade)
    for caveat in check.caveats:
        yield Line(Subject.NOTE, caveat)
    yield from map(write_release, check.releases)
    yield from _key_lines(check)


def _key_lines(check: DeploymentCheck) -> Iterator[Line]:
    found = check.key_sets
    for release in found.unmatched:
        yield Line(Subject.KEYS, f"no key locks out no client: none can match the pins of {release}", Grade.BAD)
    for keys in found.sets[:_MOST_SETS]:
        named = " and ".join(sorted(map(str, keys)))
        yield Line(Subject.KEYS, f"a chain with {named} locks out no known client")
    if len(found.sets) > _MOST_SETS or (found.sets and not found.complete):
        yield Line(Subject.KEYS, "there are more sets of keys: hpkp app keys")
    if not found.sets and not found.unmatched and not found.complete:
        yield Line(Subject.KEYS, "no set of keys was found within the limit of the search", Grade.UNKNOWN)


_OUTCOMES: dict[Outcome, tuple[str, Grade]] = {
    Outcome.MATCHES: ("matches", Grade.GOOD),
    Outcome.EXPIRED: ("its pins have expired, it accepts every chain", Grade.GOOD),
    Outcome.SOME_PATHS: ("matches, but not on every path that devices may build", Grade.UNKNOWN),
    Outcome.WOULD_BE_LOCKED_OUT: ("would be LOCKED OUT if its pins were enforced; it reports", Grade.GOOD),
    Outcome.UNKNOWN: ("unknown", Grade.UNKNOWN),
    Outcome.LOCKED_OUT: ("LOCKED OUT until it is updated", Grade.BAD),
}


def write_release(check: ReleaseCheck) -> Line:
    """Write what a release does with a chain."""
    word, grade = _OUTCOMES[check.outcome]
    places = ", ".join(check.places)
    where = f" by the {places}" if places and check.outcome is Outcome.MATCHES else ""
    silent = "" if check.can_report or check.outcome is not Outcome.LOCKED_OUT else "; it cannot report"
    unused = "" if check.in_use else ", not in use"
    text = f"{check.release}{unused}: {word}{where}; {write_installs(check.installs)}{silent}"
    return Line(Subject.RELEASE, text, grade if check.in_use else Grade.UNUSED)


def write_installs(installs: ReleaseInstalls | None) -> str:
    """Say how many installs there are, and of how many."""
    if installs is None:
        return "installs unknown"
    share = "" if installs.share is None else f" ({installs.share:.1%})"
    at_least = "at least " if installs.is_lower_bound else ""
    return f"{at_least}{installs.count:,} of {installs.of:,} installs{share} on {installs.day}"
