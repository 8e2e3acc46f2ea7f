"""What to do: now, next with which header and when, and how to go back with the pins that clients may have noted.

The max-age ramp follows what sites that got through it did: minutes first, and each step at least as long as clients
remember the one before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.hpkp.deployment import remembered_revisions
from app.hpkp.findings import Finding, Severity
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY
from app.hpkp.header.value import PinningHeader
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.readiness.evidence import LONGEST_STEP, Situation, Verdict

RAMP = tuple(
    int(step.total_seconds())
    for step in (
        timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30),
        LONGEST_STEP,
    )
)  # fmt: skip
"""Seconds of max-age, step by step."""

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
    """What follows from the verdict. ``next_step`` is None while a blocker stands, at the ramp's end, and for apps."""

    do: tuple[str, ...]
    step: str
    """The step in a few words, as it is recorded with the verdict and boards show it."""
    next_step: NextStep | None
    rollback: tuple[str, ...]
    subdomains: tuple[str, ...]
    calendar: tuple[Appointment, ...]


def make_plan(case: Situation, findings: tuple[Finding, ...], verdict: Verdict) -> Plan:
    """Make the plan: mend what blocks; where nothing does, see to what is missing.

    While a blocker stands nobody has to wait for anything, and there is no next header: mending may change both.
    """
    step = None if case.apps_only or verdict is Verdict.NOT_READY else _next_step(case, verdict)
    blockers = [finding.fix for finding in findings if finding.severity is Severity.BLOCKER]
    missing = [finding.fix for finding in findings if finding.withholds]
    return Plan(
        do=tuple(dict.fromkeys(blockers or missing)) or tuple(_go_on(step, case)),
        step=_name_step(step, case, findings, verdict),
        next_step=step,
        rollback=tuple(_rollback(case)),
        subdomains=tuple(_subdomains(case)),
        calendar=tuple(sorted(_calendar(case), key=lambda appointment: appointment.at)),
    )


def _name_step(step: NextStep | None, case: Situation, findings: tuple[Finding, ...], verdict: Verdict) -> str:
    """Name the step that the plan recommends."""
    if verdict is Verdict.NOT_READY:
        return "mend: " + ", ".join(f.code for f in findings if f.severity is Severity.BLOCKER)
    if verdict is Verdict.NOT_ENOUGH_DATA:
        return "wait for: " + ", ".join(f.code for f in findings if f.withholds)
    if case.ending:
        return "serve max-age 0 until clients have dropped the pins"
    if case.apps_only:
        return "enforce in the next release of the app"
    return "the ramp is done" if step is None else f"enforce with max-age {step.policy.max_age}"


def _go_on(step: NextStep | None, case: Situation) -> Iterator[str]:
    if case.ending:
        yield (
            f"Go on serving this header until {_forgotten(case)}, then take it away; the policy can then be withdrawn: "
            f"hpkp policy withdraw {case.policy.host}."
        )
    elif case.apps_only:
        yield (
            "Enforce in the next release of the app, with its report-uri, for a small share of the installs at first: "
            "an install that is locked out comes back only with an update."
        )
    elif step is None:
        yield "The last step is reached. Keep the report-uri in the header, and keep watching."
    else:
        yield (
            "Take the next step: let the host send the header below. Then tell the service: hpkp policy set "
            f"{case.policy.host} --mode enforce --header 'VALUE OF THE HEADER'."
        )


def _next_step(case: Situation, verdict: Verdict) -> NextStep | None:
    policy = case.policy
    reached = 0 if policy.mode is Mode.REPORT_ONLY else policy.max_age or 0
    longer = next((step for step in RAMP if step > reached), None)
    if longer is None or case.ending:
        return None
    earliest = max(case.at, (policy.effective_from or case.at) + case.needed_observation)
    conditions = [
        "The verdict is ready on that day."
        if verdict is not Verdict.READY
        else "The verdict is still ready when you do it."
    ]
    if policy.mode is Mode.REPORT_ONLY:
        conditions.append(
            "You have the backup key in your hands, away from the server; hpkp pin KEYFILE tells its pin."
        )
    conditions.append("Nobody changes a certificate on that day.")
    until = earliest + timedelta(seconds=longer)
    if (ends := _first_end(case)) is not None and ends < until:
        conditions.append(
            f"The certificate expires on {ends:%Y-%m-%d}, before clients would forget these pins: the next one is for "
            "a key that is pinned already."
        )
    return NextStep(replace(policy, mode=Mode.ENFORCE, max_age=longer), earliest, tuple(conditions))


def _first_end(case: Situation) -> datetime | None:
    """Return when the first of the certificates served expires."""
    live = case.evidence.live
    return (
        min((c.leaf_not_after for c in live.chains if c.trusted and c.leaf_not_after), default=None) if live else None
    )


def _forgotten(case: Situation) -> str:
    """Say when the last client will have forgotten every pin that was ever enforced, those of now included."""
    moments = [until for _, until in remembered_revisions(case.history, case.at)]
    if case.policy.mode is Mode.ENFORCE:
        moments.append(case.at + case.max_age)
    return f"{max(moments, default=case.at):%Y-%m-%d %H:%M} UTC"


def _rollback(case: Situation) -> Iterator[str]:
    """Tell the way back; it does not reach those who noted pins before they come again (RFC 7469 section 2.3.1)."""
    policy = case.policy
    enforced = policy.mode is Mode.ENFORCE
    if not enforced and not any(remembered_revisions(case.history, case.at)):
        if case.apps_only:
            yield "Nothing is enforced. A release of the app that enforces can be taken back only by another release."
        else:
            yield f"Nothing is enforced and no client remembers these pins: to stop, take {REPORT_ONLY} away."
        return
    off = PinningHeader.of_policy(replace(policy, max_age=0))
    until = _forgotten(case)
    yield (
        f"{'To stop enforcing' if enforced else 'To let clients forget what was enforced before'}, send with every "
        f"answer until {until}, from a server whose certificate fits the pins that they remember: {ENFORCING}: {off}. "
        "Afterwards take it away."
    )
    yield (
        "A client that does not come by before then goes on remembering the pins. If it finds none of them, it is "
        "locked out, and no header reaches it: until that date every certificate has to be for a key that was pinned."
    )


def _subdomains(case: Situation) -> Iterator[str]:
    host = case.policy.host
    others = {name: count for name, count in sorted(case.evidence.hostnames.items()) if name != host}
    seen = ", ".join(f"{name} ({count})" for name, count in list(others.items())[:20])
    if case.policy.include_subdomains:
        yield (
            f"includeSubDomains is set, so the pins hold for every name below {host}, those without visitors too. "
            "Every one of them needs a certificate for a pinned key. Names that were reported: "
            f"{seen or 'none so far'}."
        )
    else:
        yield (
            "Leave includeSubDomains (pins for every name below as well) out until the last step has held for as long "
            "as clients remember it. Then set it "
            "in report-only mode first, for two weeks, and see which names are reported."
            + (f" Names below that were reported already: {seen}." if seen else "")
        )


def _calendar(case: Situation) -> Iterator[Appointment]:
    """Tell when leaf certificates end, and when the key that follows has to be in the header for all to know it."""
    live = case.evidence.live
    for ends in sorted({c.leaf_not_after for c in live.chains if c.trusted and c.leaf_not_after} if live else set()):
        yield Appointment(ends, f"A certificate of {case.policy.host} expires.")
        due = ends - _RENEWAL_LEAD - case.max_age
        yield Appointment(
            due,
            ("This date has passed. " if due < case.at else "")
            + "If the renewal brings a new key, its pin has to be in the header by then: clients need one max-age to "
            "learn it, and certificates are renewed a month early. If the renewal keeps the key, there is nothing to "
            "do.",
        )
    for former, until in remembered_revisions(case.history, case.at):
        yield Appointment(until, f"The last client forgets the pins of revision {former.revision}.")
