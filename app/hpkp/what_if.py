"""What another set of pins would have done with what was reported.

::

    recorded violation ─judge(policy in force)─┐
                       └judge(candidate)───────┴─> Change: avoided | added | remains | unaffected | cannot_tell

Only what was reported can be replayed: clients that met no violation sent nothing, so a candidate without `added` is
not shown to be safe. Numbers are lower bounds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from heapq import nlargest

from app.hpkp.errors import InvalidPolicy
from app.hpkp.judgement.causes import Attribution, Cause
from app.hpkp.judgement.judge import Judgement
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.violation_status import OPEN


class Change(StrEnum):
    """What becomes of the clients that reported a violation, if the pins were enforced."""

    NEWLY_LOCKED_OUT = "added"
    """Let in now, locked out by the candidate."""
    STILL_LOCKED_OUT = "remains"
    """Locked out by both."""
    CANNOT_TELL = "cannot_tell"
    NO_LONGER_LOCKED_OUT = "avoided"
    """Locked out now, let in by the candidate."""
    UNAFFECTED = "unaffected"
    """Locked out by neither."""


_SHOWN = 100
_WEIGHT = {change: -number for number, change in enumerate(Change)}


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recorded violation, judged under both policies; ``reports`` in the window, a lower bound."""

    violation_id: int
    status: str
    reports: int
    before: Judgement
    after: Judgement

    @property
    def side(self) -> Attribution:
        """Whose matter it is: ours if one of the policies shows that, for the other may lack the pin that does."""
        return Attribution.OPERATOR if self.before.side is Attribution.OPERATOR else self.after.side

    @property
    def change(self) -> Change:
        """What the candidate changes for the clients that reported it."""
        if self.before.locks_out is None or self.after.locks_out is None:
            return Change.CANNOT_TELL
        if self.after.locks_out:
            return Change.STILL_LOCKED_OUT if self.before.locks_out else Change.NEWLY_LOCKED_OUT
        return Change.NO_LONGER_LOCKED_OUT if self.before.locks_out else Change.UNAFFECTED


@dataclass(slots=True)
class Counts:
    """How many violations and reports, and the reports by whose matter they are."""

    violations: int = 0
    reports: int = 0
    by_side: dict[Attribution, int] = field(default_factory=dict)

    def add(self, replayed: Replayed) -> None:
        """Count a violation."""
        self.violations += 1
        self.reports += replayed.reports
        self.by_side[replayed.side] = self.by_side.get(replayed.side, 0) + replayed.reports


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer. ``shown`` are the weightiest of the violations that are counted in ``counts``."""

    candidate: PinningPolicy
    counts: dict[Change, Counts]
    closed: Counts
    """Violations that the operator set to expected, ignored or resolved."""
    implausible: Counts
    """Reports whose form contradicts their sender."""
    shown: tuple[Replayed, ...]

    @property
    def safe(self) -> bool | None:
        """Whether none of the recorded clients would be locked out by a mistake of ours; None where it is not known.

        A key that nobody here knows may be an attacker's, or one of ours that nobody told of.
        """
        locked_out = (
            self.counts[Change.NEWLY_LOCKED_OUT].by_side.keys() | self.counts[Change.STILL_LOCKED_OUT].by_side.keys()
        )
        if Attribution.OPERATOR in locked_out:
            return False
        unknown = self.counts[Change.CANNOT_TELL].violations or locked_out & {
            Attribution.POSSIBLE_ATTACK,
            Attribution.UNKNOWN,
        }
        return None if unknown or not any(counted.violations for counted in self.counts.values()) else True


def make_candidate(
    policy: PinningPolicy, pins: Iterable[Pin], own_keys: Iterable[Pin], *, at: datetime
) -> PinningPolicy:
    """Return the policy with other pins, as a revision that would take effect at ``at``. Raises InvalidPolicy."""
    wanted = tuple(map(ExpectedPin, pins))
    if not wanted:
        raise InvalidPolicy("the candidate has no pins")
    return replace(
        policy,
        pins=wanted,
        own_keys=policy.own_keys | frozenset(own_keys),
        revision=policy.revision + 1,
        effective_from=at,
    )


def with_candidate(history: PolicyHistory, candidate: PinningPolicy) -> PolicyHistory:
    """Return the history as it would be with the candidate for its last revision."""
    return replace(history, revisions=(*history.revisions, candidate))


def compare(candidate: PinningPolicy, replayed: Iterable[Replayed]) -> WhatIf:
    """Add up what changes; of any number of violations only the weightiest are kept."""
    counts = {change: Counts() for change in Change}
    closed, implausible = Counts(), Counts()
    shown: list[Replayed] = []
    for item in replayed:
        if item.before.cause is Cause.CONTROL:
            continue  # says nothing about any set of pins
        if item.before.cause is Cause.IMPLAUSIBLE:
            implausible.add(item)
        elif item.status not in OPEN:
            closed.add(item)
        else:
            counts[item.change].add(item)
            shown.append(item)
            if len(shown) > 2 * _SHOWN:
                shown = _weightiest(shown)
    return WhatIf(candidate, counts, closed, implausible, tuple(_weightiest(shown)))


def _weightiest(items: list[Replayed]) -> list[Replayed]:
    return nlargest(_SHOWN, items, key=lambda item: (_WEIGHT[item.change], item.reports, -item.violation_id))
