"""How many clients enforcing would lock out, as far as reports tell; each number says what it is a bound of."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.control import Delivery, upper_share_of_all
from app.hpkp.exposure import Unit
from app.hpkp.findings import Finding, Severity
from app.hpkp.policy import Mode
from app.hpkp.readiness.evidence import Group, Situation, Verdict
from app.hpkp.readiness.words import at_least, at_most, title_of

CAVEATS = (
    "Reports are lower bounds. Senders leave out repetitions (Chromium for an hour, TrustKit for a day), they try "
    "once, and a client that finds no way to the report-uri is never heard.",
    "Reports come late: TrustKit on iOS sends them when the system finds the time, hours or days afterwards. A "
    "mistake of today may show in some days.",
    "Clients are told apart by install id or address: one behind many addresses counts several times, many behind one "
    "address count once.",
    "The upper bound takes for granted that a client that is locked out reports as likely as any other.",
)

NOT_MEASURED = (
    "The upper bound takes for granted that every client reports: how many do was not measured. Control pins measure "
    "it (hpkp control)."
)
"""Caveat of a bound without a delivery rate."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Clients that would be locked out, by whose doing; ``of`` is None where exposure is unknown.

    ``share``, of those that were certainly met, and the bound, one-sided with 95 % confidence, are of our own mistakes,
    as fractions. There is no bound where something is wrong that does not show in reports. With a delivery rate the
    bound is that of the reports divided by the rate's lower bound.
    """

    ours: ClientCount
    interception: ClientCount
    hostile: ClientCount
    unknown: ClientCount
    of: int | None
    unit: Unit
    share: float | None
    upper: float | None
    delivery: Delivery | None = None
    caveats: tuple[str, ...] = CAVEATS


def estimate(case: Situation, *, bounded: bool = True) -> Estimate:
    """Count; ``bounded`` is False where something is wrong that does not show in reports."""
    exposure = case.evidence.exposure
    exposed = None if exposure is None else exposure.smaller
    of = None if exposed is None else exposed.count
    met = {group: case.evidence.clients.get(group, NOBODY) for group in Group}
    ours = met[Group.OURS]
    return Estimate(
        ours=ours,
        interception=met[Group.INTERCEPTION],
        hostile=met[Group.HOSTILE],
        unknown=met[Group.UNKNOWN],
        of=of,
        unit=Unit.CLIENTS if exposed is None else exposed.unit,
        share=None if of is None else min(ours.at_least / max(of, 1), 1.0),
        upper=None if of is None or not bounded else upper_share_of_all(ours.at_most, of, case.delivery),
        delivery=case.delivery,
        caveats=CAVEATS if case.delivery is not None else (*CAVEATS, NOT_MEASURED),
    )


def write_headline(
    case: Situation, numbers: Estimate, verdict: Verdict, findings: tuple[Finding, ...], *, bounded: bool
) -> str:
    """Put it into words for somebody who has never read RFC 7469: what to do, why, and how many it would lock out."""
    sentences = (
        _answer(case, verdict),
        *_why(findings),
        *_ours(case, numbers, bounded=bounded),
        *_others(numbers),
    )
    return " ".join(sentences)


def _answer(case: Situation, verdict: Verdict) -> str:
    host = case.policy.host
    if case.ending:
        return f"{host} tells clients to forget its pins."
    if case.policy.mode is Mode.ENFORCE:
        return {
            Verdict.READY: f"{host} enforces its pins, and nothing recorded speaks against it.",
            Verdict.NOT_READY: f"{host} enforces its pins, and something is wrong: do not take the next step.",
            Verdict.NOT_ENOUGH_DATA: f"{host} enforces its pins; whether the next step is safe cannot be told yet.",
        }[verdict]
    where = f"Apps with pins for {host}" if case.apps_only else host
    return {
        Verdict.READY: f"{where} may begin to enforce the pins: nothing recorded speaks against it.",
        Verdict.NOT_READY: f"{where} must not enforce the pins yet.",
        Verdict.NOT_ENOUGH_DATA: f"Whether {where[0].lower() + where[1:]} may enforce the pins cannot be told yet.",
    }[verdict]


def _why(findings: tuple[Finding, ...]) -> Iterator[str]:
    """Name the first of what decides, and how much more there is."""
    blocking = [finding for finding in findings if finding.severity is Severity.BLOCKER]
    deciding = blocking or [finding for finding in findings if finding.withholds]
    if deciding:
        more = f" (and {len(deciding) - 1} more)" if len(deciding) > 1 else ""
        yield f"{title_of(deciding[0].code)}{more}."


def _ours(case: Situation, numbers: Estimate, *, bounded: bool) -> Iterator[str]:
    """Tell of how many a mistake of ours was reported, and what follows from it for all."""
    met, enforced = numbers.ours, case.policy.mode is Mode.ENFORCE
    of = f"of {numbers.of} {numbers.unit}" if numbers.of is not None else "of an unknown number of clients"
    would = "are" if enforced else "would be"
    if met and not bounded:
        yield (
            f"Reports tell of at least {met.at_least} {of} that {would} locked out by mistakes of yours; how many "
            "there are in all they do not show."
        )
    elif met:
        limit = "" if numbers.upper is None else f", at most {at_most(numbers.upper)} of them ({_on_what(numbers)})"
        begin = "By the reports, at" if enforced else "By the reports, if they were enforced now, at"
        yield f"{begin} least {met.at_least} {of} {would} locked out by mistakes of yours{limit}."
    elif not bounded:
        yield "Reports say nothing about that."
    elif numbers.upper is None:
        yield "No mistake of yours was reported, but how many could have reported one is not known."
    else:
        yield (
            f"Of {numbers.of} {numbers.unit} that could have reported, none reported a mistake of yours, so at most "
            f"{at_most(numbers.upper)} of them {would} locked out by one ({_on_what(numbers)})."
        )


def _on_what(numbers: Estimate) -> str:
    """Say what the bound rests on: the delivery rate by which it is divided, or the assumption in its place."""
    if numbers.delivery is None:
        return "95 % confidence, if every client reports"
    return f"95 % confidence, divided by the share of clients that report, at least {at_least(numbers.delivery.lower)}"


def _others(numbers: Estimate) -> Iterator[str]:
    others = ", ".join(
        f"{count.at_least} {what}"
        for count, what in (
            (numbers.interception, "whose apps meet interception"),
            (numbers.hostile, "who met a key that may be an attacker's"),
            (numbers.unknown, "of whom the reports do not tell"),
        )
        if count
    )
    if others:
        yield f"Besides, at least: {others}."
