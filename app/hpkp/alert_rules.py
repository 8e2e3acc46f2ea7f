"""Conditions that need attention now. An alert stays open until its condition ends; its key names the condition.

::

    HostState …, Intake ──rules──> Alert(kind, host, key, text)
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.hpkp.judgement.causes import CAUSES, POSSIBLE_ATTACKS
from app.hpkp.probe_result import ProbedChain
from app.hpkp.readiness import ReadinessInput, Verdict
from app.hpkp.readiness.messages import VERDICTS
from app.hpkp.wording import count


class AlertKind(StrEnum):
    """What an alert is about."""

    POSSIBLE_ATTACK = "alarming_violation"
    """A violation of a cause that may mean an attack is open."""
    VERDICT_WORSE = "verdict_worse"
    """The verdict on a host fell."""
    CANARY_MISSING = "canary_missing"
    """No canary arrived for longer than the limit: reports may not arrive either."""
    LEAF_EXPIRES = "leaf_expires"
    """A leaf that is served is about to expire."""
    INTAKE_REFUSES = "intake_refuses"
    """Submissions are refused for a reason of the service's own, or many for one of the senders'."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell; the same kind, host and key are the same thing."""

    kind: AlertKind
    host: str
    key: str
    text: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it the same alert."""
        return self.kind.value, self.host, self.key


@dataclass(frozen=True, slots=True)
class GivenVerdict:
    """A verdict as it was recorded, and what changed it."""

    verdict: Verdict
    change: str = ""


@dataclass(frozen=True, slots=True)
class HostState:
    """What alerts on a host are read from: the inputs of its verdict, and the last two verdicts."""

    inputs: ReadinessInput
    verdicts: tuple[GivenVerdict, ...] = ()
    canaries_are_sent: bool = False


_RANK = {Verdict.NOT_READY: 0, Verdict.NOT_ENOUGH_DATA: 1, Verdict.READY: 2}
SOON = timedelta(days=14)
"""How long before a certificate expires an alert opens."""
_OWN_REASONS = frozenset({"store_unavailable", "fault"})
MANY_REFUSED = 50
"""Rejections within an hour with one outcome that the senders cause."""


def alerts_on_host(state: HostState) -> Iterator[Alert]:
    """Find the alerts on a host."""
    inputs = state.inputs
    host, at = inputs.policy.host, inputs.at
    for violation in inputs.evidence.open_violations:
        if violation.cause in POSSIBLE_ATTACKS:
            reports = count(violation.reports, "report")
            text = f"Possible attack: {CAUSES[violation.cause].title}. Violation {violation.id}, at least {reports}."
            yield Alert(AlertKind.POSSIBLE_ATTACK, host, str(violation.id), text)
    if len(state.verdicts) > 1:
        now, before = state.verdicts[:2]
        if _RANK[now.verdict] < _RANK[before.verdict]:
            text = f"Verdict fell from {VERDICTS[before.verdict]} to {VERDICTS[now.verdict]}. {now.change}"
            yield Alert(AlertKind.VERDICT_WORSE, host, now.verdict.value, text.strip())
    yield from _canary(state, at)
    for ends in sorted({chain.leaf_not_after for chain in _live(inputs) if chain.leaf_not_after is not None}):
        if ends < at + SOON:
            text = f"A served certificate expires {ends:%Y-%m-%d}. {_successors(inputs)}"
            yield Alert(AlertKind.LEAF_EXPIRES, host, ends.isoformat(), text)


def _successors(inputs: ReadinessInput) -> str:
    """Name the keys for the next certificate: the one in use, and spare keys that are pinned."""
    in_use = frozenset(pin for chain in _live(inputs) for pin in chain.pins)
    spare = [expected.label or str(expected.pin) for expected in inputs.policy.pins if expected.pin not in in_use]
    if not spare:
        return "Renew it with the same key: no other key is pinned."
    return f"Renew it with the same key or with one that is already pinned: {', '.join(spare)}."


def _live(inputs: ReadinessInput) -> Iterable[ProbedChain]:
    return () if inputs.evidence.live is None else inputs.evidence.live.chains


def _canary(state: HostState, at: datetime) -> Iterator[Alert]:
    inputs = state.inputs
    seen = inputs.evidence.canary
    last = seen.received_at or inputs.policy.effective_from
    if state.canaries_are_sent and inputs.policy.report_uri and last and at - last > inputs.limits.canary_age:
        why = f": {seen.fault}" if seen.fault else ""
        text = f"No canary report since {last:%Y-%m-%d %H:%M} UTC{why}."
        yield Alert(AlertKind.CANARY_MISSING, inputs.policy.host, "", text)


def alerts_on_ingest(refused: Mapping[str, int]) -> Iterator[Alert]:
    """Find alerts on ingest, from the rejections of the last hour by outcome."""
    for outcome, number in sorted(refused.items()):
        if outcome in _OWN_REASONS or number >= MANY_REFUSED:
            text = f"At least {count(number, 'request')} rejected in the last hour: {outcome}."
            yield Alert(AlertKind.INTAKE_REFUSES, "", outcome, text)
