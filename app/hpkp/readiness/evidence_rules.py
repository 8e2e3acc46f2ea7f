"""Rules on whether enough was seen: what the host serves, for how long, by how many, and that reports arrive."""

from collections.abc import Iterator
from dataclasses import replace

from app.hpkp.exposure import Unit
from app.hpkp.findings import Finding, Severity
from app.hpkp.live import review_live
from app.hpkp.policy import Mode
from app.hpkp.readiness.evidence import Situation


def live_host(case: Situation) -> Iterator[Finding]:
    """Look at what the host serves: a pin in every chain, a Backup Pin in none (RFC 7469 section 2.5)."""
    policy, live = case.policy, case.evidence.live
    if live is None:
        yield Finding(
            "live_chain_not_seen",
            Severity.CAUTION,
            "What the host serves has not been looked at, so it is not known which pin is the Backup Pin and whether "
            "any pin is in use.",
            f"Look: hpkp probe {policy.host}",
            withholds=True,
        )
        return
    seen_at = live.probe.at
    before_revision = policy.effective_from is not None and seen_at < policy.effective_from
    if before_revision or case.at - seen_at > case.limits.probe_age:
        yield Finding(
            "probe_too_old",
            Severity.CAUTION,
            f"What the host serves was last looked at on {seen_at:%Y-%m-%d %H:%M} UTC"
            + (", before this revision took effect." if before_revision else "."),
            f"Look again: hpkp probe {policy.host}; or let the service do it (HPKP_PROBE_INTERVAL_HOURS).",
            {"probed_at": seen_at.isoformat()},
            withholds=True,
        )
    if not before_revision:
        for finding in review_live(policy, live):
            # Where the pins travel with apps, a header that is not served is nothing that was not seen.
            apart = finding.code == "header_not_served" and case.apps_only
            yield replace(finding, severity=Severity.INFO, withholds=False) if apart else finding


def observation(case: Situation) -> Iterator[Finding]:
    """Long enough to meet weekly clients; a step that is enforced, as long as clients remember it."""
    if case.observed < case.needed_observation:
        needed, since = case.needed_observation, case.policy.effective_from
        yield Finding(
            "observed_too_short",
            Severity.CAUTION,
            f"The current revision has been observed for {case.observed.days} of {needed.days} days"
            + (
                "."
                if case.policy.mode is Mode.REPORT_ONLY
                else ": a step is to last as long as clients remember it, and a day at least."
            ),
            "Wait, and leave the policy unchanged meanwhile.",
            {"days_observed": case.observed.days, "since": since.isoformat() if since else None},
            withholds=True,
        )


def exposure(case: Situation) -> Iterator[Finding]:
    """How many clients could have reported; unknown is not zero and not enough."""
    seen, host = case.evidence.exposure, case.policy.host
    if seen is None or seen.sessions is None:
        yield Finding(
            "exposure_unknown",
            Severity.CAUTION,
            "How many clients received the pins, on whole days since they changed, is not known; so the absence of "
            "reports proves nothing.",
            f"Count them from access logs: hpkp exposure import {host} access.log",
            withholds=True,
        )
        return
    if seen.sessions < case.limits.sessions:
        yield Finding(
            "exposure_too_small",
            Severity.CAUTION,
            f"{seen.sessions} sessions are known to have been exposed to the pins; {case.limits.sessions} are needed.",
            "Serve the report-only header on more pages, or wait.",
            {"sessions": seen.sessions},
            withholds=True,
        )
    if seen.days_known < seen.days - 1:  # today is not over
        yield Finding(
            "exposure_has_gaps",
            Severity.INFO,
            f"Exposure is known for {seen.days_known} of {seen.days} days; the others are unknown, not zero.",
            f"Import what is missing: hpkp exposure list {host}",
            {"days_known": seen.days_known, "days": seen.days},
        )
    if seen.site is not None and seen.site.unit is Unit.SESSIONS:
        yield Finding(
            "clients_not_counted",
            Severity.INFO,
            "Sessions were counted, but not how many clients they are of: the share of clients may be larger than that "
            "of sessions.",
            "Import access logs, which tell clients apart, or give `clients` with the sessions.",
        )


def canary(case: Situation) -> Iterator[Finding]:
    """Proof, not older than the limit, that a report sent to the report-uri arrives."""
    seen, host = case.evidence.canary, case.policy.host
    why = f" The last one sent failed: {seen.fault}." if seen.fault else ""
    send = f"Send one: hpkp canary {host}; or let the service do it (HPKP_CANARY_INTERVAL_HOURS)."
    if seen.received_at is None:
        yield Finding(
            "canary_missing",
            Severity.CAUTION,
            "No canary report has arrived, so a dead report-uri would look the same as a site without violations."
            + why,
            send,
            withholds=True,
        )
    elif case.at - seen.received_at > case.limits.canary_age:
        yield Finding(
            "canary_too_old",
            Severity.CAUTION,
            f"The last canary report arrived on {seen.received_at:%Y-%m-%d %H:%M} UTC; whether reports arrive since "
            "then is not known." + why,
            send,
            {"canary_received_at": seen.received_at.isoformat()},
            withholds=True,
        )


def no_reports(case: Situation) -> Iterator[Finding]:
    """Say what silence is worth."""
    if case.evidence.reports == 0:
        yield Finding(
            "no_reports",
            Severity.INFO,
            "No report has arrived for this revision. Silence is not evidence: senders may be few, blocked, or no "
            "longer sending (current browsers do not).",
            "Check with `hpkp send-sample` that reports arrive.",
        )
