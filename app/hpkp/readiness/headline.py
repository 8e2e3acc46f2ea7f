"""How many clients enforcing would lock out, as far as reports tell; each number says what it is a bound of."""

from dataclasses import dataclass

from app.hpkp.bound import upper_share
from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.exposure import Unit
from app.hpkp.policy import Mode
from app.hpkp.readiness.evidence import Group, Situation, Verdict

CAVEATS = (
    "Counts of clients are lower bounds: senders suppress repetitions, reports get lost, and a client that does not "
    "report is not seen.",
    "Clients are told apart by install id or address: one behind many addresses counts several times, many behind one "
    "address count once.",
    "The upper bound takes for granted that a locked-out client reports as likely as any other; what never reports is "
    "in no bound.",
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Clients that would be locked out, by whose doing; ``of`` is None where exposure is unknown.

    ``share``, of those that were certainly met, and the bound, one-sided with 95 % confidence, are of our own mistakes,
    as fractions.
    """

    ours: ClientCount
    interception: ClientCount
    hostile: ClientCount
    unknown: ClientCount
    of: int | None
    unit: Unit
    share: float | None
    upper: float | None
    caveats: tuple[str, ...] = CAVEATS


def estimate(case: Situation) -> Estimate:
    """Count."""
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
        upper=None if of is None else upper_share(ours.at_most, of),
    )


def write_headline(case: Situation, numbers: Estimate, verdict: Verdict) -> str:
    """Put it into words for somebody who has never read RFC 7469."""
    enforced = case.policy.mode is Mode.ENFORCE
    opening = f"{case.policy.host} enforces its pins:" if enforced else f"If {case.policy.host} enforced its pins now,"
    would = "are" if enforced else "would be"
    of = f"an unknown number of {numbers.unit}" if numbers.of is None else f"{numbers.of} {numbers.unit}"
    if numbers.ours:
        seen = f"at least {numbers.ours.at_least} of {of} {would} locked out by mistakes of ours"
    else:
        seen = f"no lock-out by a mistake of ours has been reported by {of}"
    bound = "" if numbers.upper is None else f" (at most {numbers.upper:.2%} of them, with 95 % confidence)"
    others = ", ".join(
        f"{count.at_least} {what}"
        for count, what in (
            (numbers.interception, "by interception (apps only)"),
            (numbers.hostile, "because of a key nobody here knows"),
            (numbers.unknown, "of whom the reports do not tell"),
        )
        if count
    )
    besides = f" Besides at least: {others}." if others else ""
    ending = {
        Verdict.READY: "The next step may be taken." if enforced else "Nothing recorded speaks against enforcing.",
        Verdict.NOT_READY: "Do not take the next step." if enforced else "Do not enforce.",
        Verdict.NOT_ENOUGH_DATA: "Whether the next step is safe cannot be told yet."
        if enforced
        else "Whether enforcing is safe cannot be told yet.",
    }[verdict]
    return f"{opening} {seen}{bound}.{besides} {ending}"
