"""What to do now, the next header with its date and conditions, and how to roll back pins that clients may have cached.

The max-age ramp follows what sites that got through it did: minutes first, and each step at least as long as clients
cache the one before.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.hpkp.deployment import remembered_revisions
from app.hpkp.findings import Finding, Severity
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY
from app.hpkp.header.value import PinningHeader
from app.hpkp.judgement.causes import Cause
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.readiness.evidence import LONGEST_STEP, Situation, Verdict
from app.hpkp.wording import name_first

# Minutes first: a mistake at the first step locks clients out for five minutes, and one at the last for 60 days.
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
    """The next header: the policy with its mode and max-age, the earliest time for it, and its conditions."""

    policy: PinningPolicy
    earliest: datetime
    conditions: tuple[str, ...]

    @property
    def header(self) -> PinningHeader:
        """The header to serve."""
        return PinningHeader.of_policy(self.policy)


@dataclass(frozen=True, slots=True)
class DueDate:
    """Something that falls due."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from the verdict. ``next_step`` is None with a blocker, at the ramp's end, and for apps."""

    do: tuple[str, ...]
    step: str
    """The step in a few words, as it is recorded with the verdict and boards show it."""
    next_step: NextStep | None
    rollback: tuple[str, ...]
    subdomains: tuple[str, ...]
    calendar: tuple[DueDate, ...]


def make_plan(case: Situation, findings: tuple[Finding, ...], verdict: Verdict) -> Plan:
    """Make the plan: fix the blockers first; without any, provide the missing evidence.

    With a blocker there is no next header and no waiting time: the fix may change both.
    """
    # Also while evidence is missing, with its earliest date: more data changes the date, and a fix can change the
    # header.
    step = None if case.apps_only or verdict is Verdict.NOT_READY else _next_step(case, verdict)
    blockers = list(_fix_blockers([finding for finding in findings if finding.severity is Severity.BLOCKER]))
    # Not with a blocker: days that are covered now may not count after the fix.
    missing = [step for finding in findings if finding.withholds for step in _split(finding)]
    return Plan(
        # Each step once: several audiences may need the same.
        do=tuple(dict.fromkeys(blockers or missing)) or tuple(_steps(step, case)),
        step=_name_step(step, case, findings, verdict),
        next_step=step,
        rollback=tuple(_rollback(case)),
        subdomains=tuple(_subdomains(case)),
        calendar=tuple(sorted(_calendar(case), key=lambda due: due.at)),
    )


def _name_step(step: NextStep | None, case: Situation, findings: tuple[Finding, ...], verdict: Verdict) -> str:
    """Name the step that the plan recommends."""
    if verdict is Verdict.NOT_READY:
        return "fix: " + _name_codes(f for f in findings if f.severity is Severity.BLOCKER)
    if verdict is Verdict.NOT_ENOUGH_DATA:
        return "missing evidence: " + _name_codes(f for f in findings if f.withholds)
    if case.ending:
        return "serve max-age=0 until cached pins expire"
    if case.apps_only:
        return "enforce in the next app release"
    return "final max-age reached" if step is None else f"enforce with max-age {step.policy.max_age}"


def _name_codes(findings: Iterable[Finding]) -> str:
    """Name each code once: several audiences may have the same finding."""
    return ", ".join(dict.fromkeys(finding.code for finding in findings))


def _fix_blockers(blockers: list[Finding]) -> Iterator[str]:
    """Yield the fixes of blockers, without steps that another step contains.

    1. The lockout estimate is over its limit because of open violations. If all of them have a finding of their own,
       that is the fix.
    2. Where a probe found an unpinned certificate, the host's own keys that clients report without a pin are, as far as
       is known, that certificate's.
    3. What ends a lockout of clients that enforce already includes the status of their violations.
    """
    # A step that another one contains would be done twice, or leave open which of the two ends the blocker.
    named = {id_ for finding in blockers if finding.code.startswith("open_") for id_ in _violations(finding)}
    probed = any(finding.code == "no_pin_in_live_chain" for finding in blockers)
    ended = {id_ for finding in blockers if finding.code == "locked_out_now" for id_ in _violations(finding)}
    for finding in blockers:
        ids = _violations(finding)
        if finding.code == "lockout_share_over_limit" and ids and named.issuperset(ids):
            continue  # 1
        if finding.code == f"open_{Cause.OWN_KEY_NOT_PINNED}" and probed:
            if not ended.issuperset(ids):  # 3
                yield (
                    f"Then run `hpkp violation status {name_first(ids, separator=' ')} --set resolved` (details: `hpkp "
                    f"explain {ids[0]}`)."
                )  # 2
        else:
            yield finding.fix


def _split(finding: Finding) -> list[str]:
    """Return the steps of a fix. What makes days count is a sentence each, so that audiences share steps."""
    if finding.code not in ("too_few_covered_days", "covered_days_too_old"):
        return [finding.fix]
    return _SENTENCE.split(finding.fix)


_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")


def _violations(finding: Finding) -> list[int]:
    """Return the IDs of the violations that a finding names."""
    ids = finding.evidence.get("violations", ())
    return [id_ for id_ in ids if isinstance(id_, int)] if isinstance(ids, list) else []


def _steps(step: NextStep | None, case: Situation) -> Iterator[str]:
    if case.ending:
        yield (
            f"Keep serving max-age=0 until {case.caches_end() or case.at:%Y-%m-%d %H:%M} UTC. Then remove the header "
            f"and run `hpkp policy withdraw {case.policy.host}`."
        )
    elif case.apps_only:
        yield (
            "Enforce in the next app release, with a report-uri, in a staged rollout: a locked-out install needs an "
            "app update to recover."
        )
    elif step is None:
        yield "Final max-age reached. Keep the report-uri and keep monitoring."
    else:
        yield "Deploy the header of the next step (below)."
        yield f"Record it: `hpkp policy set {case.policy.host} --mode enforce --header '{step.header}'`."


def _next_step(case: Situation, verdict: Verdict) -> NextStep | None:
    """Make the next step of the ramp; None at its end, and while pins are being removed."""
    policy = case.policy
    reached = 0 if policy.mode is Mode.REPORT_ONLY else policy.max_age or 0
    # One step at a time, from whatever max-age is in use.
    longer = next((step for step in RAMP if step > reached), None)
    if longer is None or case.ending:
        return None
    earliest = case.earliest
    conditions = [
        "The verdict is ready on that day." if verdict is not Verdict.READY else "The verdict is still ready."
    ]
    if policy.mode is Mode.REPORT_ONLY:
        # From the first enforced step on, the loss of the key in use locks clients out unless the backup key is there.
        conditions.append("You can access the offline backup key (verify: `hpkp pin KEYFILE`).")
    conditions.append("No certificate change is planned that day.")
    until = earliest + timedelta(seconds=longer)
    # A renewal with a new key while clients have the pins cached locks them out.
    if (ends := _first_end(case)) is not None and ends < until:
        conditions.append(
            f"The certificate expires {ends:%Y-%m-%d}, before cached pins do: renew it with a pinned key."
        )
    return NextStep(replace(policy, mode=Mode.ENFORCE, max_age=longer), earliest, tuple(conditions))


def _first_end(case: Situation) -> datetime | None:
    """Return the earliest expiry of the served leaf certificates."""
    live = case.evidence.live
    return (
        # No client accepts an untrusted chain, so its end needs no plan.
        min((c.leaf_not_after for c in live.chains if c.trusted and c.leaf_not_after), default=None) if live else None
    )


def _rollback(case: Situation) -> Iterator[str]:
    """Describe the rollback; it reaches clients with cached pins only when they connect (RFC 7469 section 2.3.1)."""
    policy = case.policy
    enforced = policy.mode is Mode.ENFORCE
    if not enforced and not any(remembered_revisions(case.history, case.at)):
        if case.apps_only:
            yield "Nothing is enforced. Rolling back an enforcing app release needs another release."
        else:
            yield f"Nothing is enforced or cached. To stop, remove {REPORT_ONLY}."
        return
    # Clients drop pins only over a connection that they accept, so the certificate still has to match.
    off = PinningHeader.of_policy(replace(policy, max_age=0))
    until = f"{case.caches_end() or case.at:%Y-%m-%d %H:%M} UTC"
    yield (
        f"{'Send' if enforced else 'To clear pins that were enforced before, send'} `{ENFORCING}: {off}` on every "
        f"response until {until}, with a certificate that matches the cached pins. Then remove it."
    )
    yield (
        f"Clients that do not connect before {until} keep their cached pins. Until then, every certificate must use a "
        "pinned key; otherwise those clients are locked out and no header reaches them."
    )


def _subdomains(case: Situation) -> Iterator[str]:
    """Say what includeSubDomains asks of the names below the host."""
    # Reported names are subdomains in use, also those that no list has.
    host = case.policy.host
    others = {name: count for name, count in sorted(case.evidence.hostnames.items()) if name != host}
    seen = ", ".join(f"{name} ({number:,})" for name, number in list(others.items())[:20])
    if case.policy.include_subdomains:
        yield (
            f"includeSubDomains is set: every subdomain of {host} needs a certificate with a pinned key. Reported: "
            f"{seen or 'none'}."
        )
    else:
        yield (
            "Add includeSubDomains last, after the final max-age has passed. Test it in report-only mode for two weeks "
            "first." + (f" Reported: {seen}." if seen else "")
        )


def _calendar(case: Situation) -> Iterator[DueDate]:
    """Yield the expiry of leaf certificates, and the last day to publish a new pin so that all clients cache it."""
    live = case.evidence.live
    for ends in sorted({c.leaf_not_after for c in live.chains if c.trusted and c.leaf_not_after} if live else set()):
        yield DueDate(ends, f"Certificate of {case.policy.host} expires.")
        # A client that cached the pins just before has them for one max-age more.
        due = ends - _RENEWAL_LEAD - case.max_age
        yield DueDate(
            due,
            ("Overdue: last" if due < case.at else "Last")
            + " day to publish the pin of a new key, if the renewal changes the key (one max-age before renewal).",
        )
    for former, until in remembered_revisions(case.history, case.at):
        yield DueDate(until, f"Cached pins of revision {former.revision} expire.")
