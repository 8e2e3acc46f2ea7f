"""The verdict in one sentence, and how many clients enforcing would lock out; each number says what it bounds.

::

    findings ──write_headline──> Headline: sentence (at most 20 words), reason
    estimate ──write_impact────> how many configuration errors lock out
    clients  ──write_others────> clients with other outcomes
"""

from dataclasses import dataclass

from app.hpkp.audience import SITE, Audience
from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.control import Delivery, upper_share_of_all
from app.hpkp.exposure import Unit
from app.hpkp.findings import Finding, Severity
from app.hpkp.policy import Mode
from app.hpkp.readiness.evidence import LockoutGroup, ReadinessInput, Verdict
from app.hpkp.readiness.evidence_days import CoveredDays
from app.hpkp.readiness.messages import at_least, at_most, percent, title_of
from app.hpkp.readiness.violation_rules import unit_of
from app.hpkp.wording import count

CAVEATS = (
    "Counts are lower bounds: senders suppress duplicates (Chromium 1 hour, TrustKit 24 hours), do not retry, and "
    "cannot report if the report-uri is unreachable.",
    "Reports can be days late: TrustKit on iOS uploads in the background.",
    "A client is an install ID or an IP address: one client with many addresses counts several times, many clients "
    "behind one address count once.",
    "The upper bound assumes that locked-out clients report as often as others; it does not cover clients that never "
    "report.",
)

NOT_MEASURED = (
    "The upper bound assumes that every client reports: the share that does was not measured. To measure it, send "
    "control pins (`hpkp control`)."
)
"""Caveat of a bound without a delivery rate."""

_LONGEST_HEADLINE = 20
"""Words that a list of hosts, an alert, or a row of a board has room for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Clients of an audience that would be locked out, by attribution; ``of`` is None without a covered day.

    ``share``, of the clients that certainly reported, and ``upper``, one-sided with 95% confidence, are of
    configuration errors, as fractions. There is no bound if a blocker does not show up in reports. With a delivery rate
    the bound is that of the reports divided by the rate's lower bound.
    """

    audience: Audience
    ours: ClientCount
    interception: ClientCount
    hostile: ClientCount
    unknown: ClientCount
    of: int | None
    share: float | None
    upper: float | None
    delivery: Delivery | None = None
    caveats: tuple[str, ...] = CAVEATS

    @property
    def unit(self) -> Unit:
        """What its clients are called."""
        return unit_of(self.audience)

    @property
    def population(self) -> str:
        """Name the clients of which it is a share; without a covered day their number is unknown."""
        number = "an unknown number of" if self.of is None else f"{self.of:,}"
        return f"{number} {self.unit}{self.of_whom}"

    @property
    def of_whom(self) -> str:
        """Name the app of the clients, for a sentence."""
        return "" if self.audience.is_site else f" of {self.audience}"


def estimate(inputs: ReadinessInput, known: CoveredDays, *, bounded: bool = True) -> Estimate:
    """Count for an audience; ``bounded`` is False if a blocker does not show up in reports."""
    reported = inputs.evidence.clients.get(known.audience, {})
    met = {group: reported.get(group, NOBODY) for group in LockoutGroup}
    # Of the busiest covered day: the sum over days would count clients again and make every share look smaller.
    ours, of, delivery = met[LockoutGroup.OPERATOR], known.clients, inputs.delivery_of(known.audience)
    return Estimate(
        audience=known.audience,
        ours=ours,
        interception=met[LockoutGroup.INTERCEPTION],
        hostile=met[LockoutGroup.POSSIBLE_ATTACK],
        unknown=met[LockoutGroup.UNKNOWN],
        of=of,
        # The share is what is certain, from the lower end of the count. The bound is what is possible, from the upper
        # end.
        share=None if of is None else min(ours.at_least / max(of, 1), 1.0),
        # None and not 1: an unknown bound must not be read as a measured one.
        upper=None if of is None or not bounded else upper_share_of_all(ours.at_most, of, delivery),
        delivery=delivery,
        caveats=CAVEATS if delivery is not None else (*CAVEATS, NOT_MEASURED),
    )


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict in one sentence, and its first reason apart; no reason if the verdict is ready."""

    sentence: str
    reason: str | None


def write_headline(inputs: ReadinessInput, verdict: Verdict, findings: tuple[Finding, ...]) -> Headline:
    """Write host, answer and first reason; the audience and the number of further reasons only if they fit."""
    answer = _answer(inputs, verdict)
    blocking = [finding for finding in findings if finding.severity is Severity.BLOCKER]
    # Missing evidence is a reason only without a blocker, as for the verdict.
    deciding = blocking or [finding for finding in findings if finding.withholds]
    if not deciding:
        return Headline(f"{answer}." if inputs.ending else answer, None)
    audience = deciding[0].evidence.get("audience", str(SITE))
    bare = title_of(deciding[0].code)
    title = bare if audience == str(SITE) else f"{bare} for {audience}"
    others = len(deciding) - 1
    # What goes first if there is no room: the number of further reasons, then the audience (decision record 40).
    longest_first = [*([f"{title} (+{others} more)"] if others else []), title, bare]
    sentences = [f"{answer}: {reason}." for reason in longest_first]
    sentence = next((text for text in sentences if len(text.split()) <= _LONGEST_HEADLINE), sentences[-1])
    more = f" (+{others} more {'blocker' if blocking else 'gap'}{'s' if others > 1 else ''})" if others else ""
    return Headline(sentence, f"{title}{more}.")


def _answer(inputs: ReadinessInput, verdict: Verdict) -> str:
    """Write host and answer, without the reason."""
    host = inputs.policy.host
    if inputs.ending:
        return f"{host} is removing its pins (max-age=0)"
    if inputs.policy.mode is Mode.ENFORCE:
        return {
            Verdict.READY: f"{host} enforces its pins and is ready for the next max-age step.",
            Verdict.NOT_READY: f"{host} enforces its pins but is not ready for the next step",
            Verdict.NOT_ENOUGH_DATA: f"{host} enforces its pins; not enough data for the next step",
        }[verdict]
    if inputs.apps_only:
        return {
            Verdict.READY: f"Apps that pin {host} are ready to enforce. No blockers and no missing evidence.",
            Verdict.NOT_READY: f"Apps that pin {host} are not ready to enforce",
            Verdict.NOT_ENOUGH_DATA: f"Not enough data for apps that pin {host} to enforce",
        }[verdict]
    return {
        Verdict.READY: f"{host} is ready to enforce. No blockers and no missing evidence.",
        Verdict.NOT_READY: f"{host} is not ready to enforce its pins",
        Verdict.NOT_ENOUGH_DATA: f"Not enough data to decide whether {host} can enforce its pins",
    }[verdict]


def write_impact(inputs: ReadinessInput, numbers: Estimate, *, hidden: Finding | None) -> str:
    """Say how many clients configuration errors lock out. ``hidden`` is a blocker that does not show up in reports."""
    found, enforced = numbers.ours.at_least, inputs.policy.mode is Mode.ENFORCE
    # By the certain clients: with none of them a sentence that counts clients has no number.
    if not found:
        return _without_errors(numbers, enforced=enforced, hidden=hidden is not None)
    if numbers.share is None:
        whom = f"{count(found, numbers.unit.value.removesuffix('s'))}{numbers.of_whom} (exposure unknown)"
    else:
        whom = f"{found:,} of {numbers.population} ({percent(numbers.share)})"
    # No upper bound then: the clients that this blocker locks out are in no report.
    if hidden is not None:
        what = _HIDDEN.get(hidden.code) or f'"{title_of(hidden.code)}"'
        would = "are" if enforced else "would be"
        return (
            f"At least {whom} {would} locked out by configuration errors. The real number may be higher: "
            f"{what} does not show up in reports."
        )
    limit = ""
    if numbers.upper is not None:
        limit = f", and at most {at_most(numbers.upper)} of all {numbers.unit} ({_on_what(numbers)})"
    if enforced:
        return f"Configuration errors lock out at least {whom}{limit}."
    return f"Enforcing now would lock out at least {whom} because of configuration errors{limit}."


def _without_errors(numbers: Estimate, *, enforced: bool, hidden: bool) -> str:
    """Write what the absence of reported errors bounds, if it bounds anything."""
    if hidden:
        return "Reports cannot show how many clients this affects."
    # Without exposure, none reported of an unknown number of clients bounds nothing.
    if numbers.upper is None:
        return "No configuration error was reported, but exposure is unknown, so the risk cannot be estimated."
    lockout = "configuration errors lock out" if enforced else "enforcing would lock out"
    return (
        f"None of {numbers.population} reported a configuration error, so {lockout} at most {at_most(numbers.upper)} "
        f"of them ({_on_what(numbers)})."
    )


_HIDDEN = {"no_pin_in_live_chain": "the unpinned certificate"}
"""What does not show up in reports; for the others the finding's title says it."""


def _on_what(numbers: Estimate) -> str:
    """Say what the bound rests on: the delivery rate by which it is divided, or the assumption in its place."""
    if numbers.delivery is None:
        return "95% confidence, if every client reports"
    return f"95% confidence, divided by the share of clients that report, at least {at_least(numbers.delivery.lower)}"


def write_others(inputs: ReadinessInput) -> str | None:
    """Count the clients of other reports in all audiences.

    A client may be of two audiences, so that only the largest of their counts is a lower bound.
    """
    # Not added up over audiences, which may share clients.
    others = []
    for group, (noun, text) in _OTHERS.items():
        counts = [reported.get(group, NOBODY) for reported in inputs.evidence.clients.values()]
        if any(counts):
            others.append(f"{count(max(number.at_least for number in counts), noun)} {text}")
    return f"Also reported, at least: {', '.join(others)}." if others else None


_OTHERS = {
    LockoutGroup.INTERCEPTION: ("app client", "behind TLS interception"),
    LockoutGroup.POSSIBLE_ATTACK: ("client", "that saw a possible attacker's key"),
    LockoutGroup.UNKNOWN: ("client", "with an unknown outcome"),
}
