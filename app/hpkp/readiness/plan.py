"""What to do: now, next with which header and when, and how to go back with the pins that clients may have noted.

The max-age ramp follows what sites that got through it did: minutes first, and each step at least as long as clients
remember the one before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.hpkp.deployment import remembered_revisions
from app.hpkp.findings import Finding, Severity
from app.hpkp.header import PinningHeader
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.readiness.evidence import Situation, Verdict

RAMP = tuple(
    int(step.total_seconds())
    for step in (
        timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30),
        timedelta(days=60),
    )
)  # fmt: skip
"""Seconds of max-age, step by step; 60 days is a reasonable upper limit (RFC 7469 section 4.1)."""

_RENEWAL_LEAD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next header: the policy with its mode and max-age, the earliest moment for it, and what must hold then."""

    policy: PinningPolicy
    earliest: datetime
    conditions: tuple[str, ...]

    @property
    def header(self) -> PinningHeader:
        """The header to serve."""
        return PinningHeader.of_policy(self.policy)


@dataclass(frozen=True, slots=True)
class Appointment:
    """Something that falls due."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from the verdict. ``next_step`` is None at the end of the ramp, and for apps."""

    do: tuple[str, ...]
    next_step: NextStep | None
    rollback: tuple[str, ...]
    subdomains: tuple[str, ...]
    calendar: tuple[Appointment, ...]


def make_plan(case: Situation, findings: tuple[Finding, ...], verdict: Verdict) -> Plan:
    """Make the plan: blockers first, then what is missing."""
    step = None if case.apps_only else _next_step(case, verdict)
    blockers = [finding.fix for finding in findings if finding.severity is Severity.BLOCKER]
    missing = [finding.fix for finding in findings if finding.withholds]
    return Plan(
        do=tuple(dict.fromkeys((*blockers, *missing))) or tuple(_go_on(step, case)),
        next_step=step,
        rollback=tuple(_rollback(case)),
        subdomains=tuple(_subdomains(case)),
        calendar=tuple(sorted(_calendar(case), key=lambda appointment: appointment.at)),
    )


def _go_on(step: NextStep | None, case: Situation) -> Iterator[str]:
    if case.apps_only:
        yield (
            "Enforce in the next release of the app, with its report-uri, for a small share of the installs at first: "
            "an install that is locked out comes back only with an update."
        )
    elif step is None:
        yield "The last step of the ramp is reached: keep the report-uri, and keep watching."
    else:
        yield f"Enforce with max-age={step.policy.max_age} and keep the report-uri, then set the policy to the same."


def _next_step(case: Situation, verdict: Verdict) -> NextStep | None:
    policy = case.policy
    reached = 0 if policy.mode is Mode.REPORT_ONLY else policy.max_age or 0
    longer = next((step for step in RAMP if step > reached), None)
    if longer is None:
        return None
    earliest = max(case.at, (policy.effective_from or case.at) + case.needed_observation)
    conditions = ["The verdict is ready on that day." if verdict is not Verdict.READY else "The verdict stays ready."]
    if policy.mode is Mode.REPORT_ONLY:
        conditions.append("The backup key exists offline, and its pin was made from it (`hpkp pin KEYFILE`).")
    conditions.append("Nobody changes a certificate on that day.")
    until = earliest + timedelta(seconds=longer)
    live = case.evidence.live
    ends = [c.leaf_not_after for c in live.chains if c.trusted and c.leaf_not_after] if live else []
    if ends and min(ends) < until:
        conditions.append(
            f"The leaf expires on {min(ends):%Y-%m-%d}, before clients forget: its successor has a key pinned by then."
        )
    return NextStep(replace(policy, mode=Mode.ENFORCE, max_age=longer), earliest, tuple(conditions))


def _rollback(case: Situation) -> Iterator[str]:
    """Tell the way back; it does not reach those who noted pins before they come again (RFC 7469 section 2.3.1)."""
    policy = case.policy
    noted = [until for _, until in remembered_revisions(case.history, case.at)]
    if policy.mode is Mode.ENFORCE:
        noted.append(case.at + case.max_age)
        off = PinningHeader.of_policy(replace(policy, max_age=0))
        yield (
            f"To stop enforcing, serve Public-Key-Pins: {off} over a chain that the pins allow, on every answer, "
            f"until {max(noted):%Y-%m-%d %H:%M} UTC; then take the field away."
        )
    elif noted:
        yield f"Pins of former revisions may be noted until {max(noted):%Y-%m-%d %H:%M} UTC: serve a chain they allow."
    else:
        yield "Nothing is enforced and nothing noted: taking the report-only field away ends it at once."
        return
    yield (
        "A client that comes before then and finds none of the pins it noted is locked out; no header reaches it. "
        "Until that date every certificate needs a key that is pinned."
    )


def _subdomains(case: Situation) -> Iterator[str]:
    others = {name: count for name, count in sorted(case.evidence.hostnames.items()) if name != case.policy.host}
    if case.policy.include_subdomains:
        seen = ", ".join(f"{name} ({count})" for name, count in list(others.items())[:20]) or "none so far"
        yield (
            f"includeSubDomains is set: every name below {case.policy.host} needs a pinned chain, those without "
            f"traffic too. Names that reports came for: {seen}."
        )
    else:
        yield (
            "Leave includeSubDomains out until the last step of max-age has held; then set it in report-only mode "
            "first and watch which names report."
        )


def _calendar(case: Situation) -> Iterator[Appointment]:
    """Tell when leaf certificates end, and when the key that follows has to be in the header for all to know it."""
    live = case.evidence.live
    for ends in sorted({c.leaf_not_after for c in live.chains if c.trusted and c.leaf_not_after} if live else set()):
        yield Appointment(ends, f"A leaf certificate of {case.policy.host} expires.")
        yield Appointment(
            ends - _RENEWAL_LEAD - case.max_age,
            "By now the pin of the next key has to be in the header, where the renewal will change the key: clients "
            "need one max-age to learn it, and the renewal a month's room.",
        )
    for former, until in remembered_revisions(case.history, case.at):
        yield Appointment(until, f"The last client forgets revision {former.revision}.")
