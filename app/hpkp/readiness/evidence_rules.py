"""Rules on whether enough was seen: what the host serves, for how long, by how many, and that reports arrive."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from app.hpkp.exposure import Unit
from app.hpkp.findings import Finding, Severity
from app.hpkp.policy import Mode
from app.hpkp.probe_result import review_live
from app.hpkp.readiness.evidence import Situation


def live_host(case: Situation) -> Iterator[Finding]:
    """Look at what the host serves: a pin in every chain, a Backup Pin in none (RFC 7469 section 2.5)."""
    policy, live = case.policy, case.evidence.live
    if live is None:
        yield Finding(
            "live_chain_not_seen",
            Severity.WARNING,
            "Nobody has looked at the certificates that the host serves, so it is not known whether a pin is in use, "
            "and whether one is left for an emergency.",
            f"Look at what the host serves: hpkp probe {policy.host}. The service does it by itself with "
            "HPKP_PROBE_INTERVAL_HOURS=1.",
            withholds=True,
        )
        return
    seen_at = live.probe.at
    before_revision = policy.effective_from is not None and seen_at < policy.effective_from
    if before_revision or case.at - seen_at > case.limits.probe_age:
        yield Finding(
            "probe_too_old",
            Severity.WARNING,
            f"The last look at what the host serves was on {_moment(seen_at)}"
            + (", before this revision of the policy. " if before_revision else ". ")
            + "What it serves now is not known.",
            f"Look at what the host serves: hpkp probe {policy.host}. The service does it by itself with "
            "HPKP_PROBE_INTERVAL_HOURS=1.",
            {"probed_at": seen_at.isoformat()},
            withholds=True,
        )
    if not before_revision:
        for finding in review_live(policy, live, control_pins=case.history.control_pins):
            # Where the pins travel with apps, a header that is not served is nothing that was not seen.
            apart = finding.code == "header_not_served" and case.apps_only
            told = "Nothing, where only apps are pinned."
            yield replace(finding, severity=Severity.INFO, withholds=False, fix=told) if apart else finding


def observation(case: Situation) -> Iterator[Finding]:
    """Long enough to meet weekly clients; a step that is enforced, as long as clients remember it."""
    since = case.policy.effective_from
    if case.observed < case.needed_observation:
        needed = case.needed_observation
        report_only = case.policy.mode is Mode.REPORT_ONLY
        ends = case.at if since is None else since + needed
        yield Finding(
            "observed_too_short",
            Severity.WARNING,
            f"Revision {case.policy.revision} of the policy has been observed for {case.observed.days} of "
            f"{needed.days} "
            + (
                "days. Clients that come once a week or less have had little chance to report."
                if report_only
                else "days. Each step has to last as long as clients remember it, and a day at least."
            ),
            f"Wait until {_moment(ends)}, and change nothing in the policy: every change starts the count anew.",
            {"days_observed": case.observed.days, "since": since.isoformat() if since else None},
            withholds=True,
        )


def exposure(case: Situation) -> Iterator[Finding]:
    """How many clients could have reported; unknown is not zero and not enough."""
    seen, host = case.evidence.exposure, case.policy.host
    count = f"hpkp exposure import {host} ACCESS-LOG; for an app, hpkp exposure installs {host} TABLE"
    if seen is None or seen.sessions is None:
        yield Finding(
            "exposure_unknown",
            Severity.WARNING,
            "For no whole day since the policy changed is it known how many clients could have reported. Silence "
            "proves nothing where nobody could.",
            f"Count how many clients could have reported: {count}.",
            withholds=True,
        )
        return
    if seen.sessions < case.limits.sessions:
        yield Finding(
            "exposure_too_small",
            Severity.WARNING,
            f"So far {seen.sessions} sessions could have reported; {case.limits.sessions} are needed before silence "
            "means anything.",
            "Wait until more have come, or serve the header on more pages; then count who could have reported: "
            f"{count}.",
            {"sessions": seen.sessions},
            withholds=True,
        )
    if seen.days_known < seen.days - 1:  # today is not over
        yield Finding(
            "exposure_has_gaps",
            Severity.INFO,
            f"How many could have reported is known for {seen.days_known} of {seen.days} days. The others count as "
            "unknown, not as zero.",
            f"See which are missing: hpkp exposure list {host}",
            {"days_known": seen.days_known, "days": seen.days},
        )
    if seen.site is not None and seen.site.unit is Unit.SESSIONS:
        yield Finding(
            "clients_not_counted",
            Severity.INFO,
            "Sessions were counted, but not how many clients they are of: the share of clients may be larger than "
            "that of sessions.",
            "Import access logs, which tell clients apart, or give `clients` with the sessions.",
        )


def canary(case: Situation) -> Iterator[Finding]:
    """Proof, not older than the limit, that a report sent to the report-uri arrives."""
    seen, host = case.evidence.canary, case.policy.host
    why = f" The last one sent failed: {seen.fault}." if seen.fault else ""
    send = f"Send a canary: hpkp canary {host}. The service does it by itself with HPKP_CANARY_INTERVAL_HOURS=6."
    if seen.received_at is None:
        yield Finding(
            "canary_missing",
            Severity.WARNING,
            "No canary has arrived: a report that this service sends to itself, the way that clients' reports go. If "
            f"the report-uri were dead, all would be just as quiet.{why}",
            send,
            withholds=True,
        )
    elif case.at - seen.received_at > case.limits.canary_age:
        yield Finding(
            "canary_too_old",
            Severity.WARNING,
            "The last canary (a report that this service sends to itself, the way that clients' reports go) arrived on "
            f"{_moment(seen.received_at)}. Whether reports have arrived since is not known.{why}",
            send,
            {"canary_received_at": seen.received_at.isoformat()},
            withholds=True,
        )


def control(case: Situation) -> Iterator[Finding]:
    """Tell of control pins what keeps them from measuring, or what they measured that no bound survives."""
    measured, host = case.evidence.control, case.policy.host
    delivery = case.delivery
    if delivery is None:
        if measured.reports:
            yield Finding(
                "control_exposure_unknown",
                Severity.INFO,
                f"Control pins were reported {measured.reports:,} time(s), but how many clients received them is "
                "unknown, so how many clients report is not measured.",
                f"Count the clients that received the control field on a day: hpkp exposure set {host} DATE --control "
                "--clients N, or hpkp exposure import with --control and the log of these responses.",
                {"reports": measured.reports},
            )
        return
    whose = "installs" if delivery.of_apps else "clients"
    if delivery.reported == 0:
        yield Finding(
            "control_never_reported",
            Severity.WARNING,
            f"On {delivery.day} {delivery.received:,} {whose} received control pins, which every client that evaluates "
            "pins has to report, and none reported them. These clients never report, or their reports do not arrive: "
            "of clients that never report, up to 100 % may be locked out.",
            "Find out why: check that the control field arrives with these responses (curl -sI), and that its "
            f"report-uri can be reached from where clients are (hpkp canary {host}). "
            "Count only clients that evaluate pins: hpkp exposure import leaves out browsers that do not.",
            {"day": delivery.day.isoformat(), "received": delivery.received, "reported": 0},
            withholds=True,
        )
    if over := next((count for count in measured.counts if count.exceeds), None):
        yield Finding(
            "control_reports_exceed_exposure",
            Severity.WARNING,
            f"On {over.day} {over.received:,} clients received control pins, and at least {over.reported.at_least:,} "
            "reported them. The count of those who received them is too low, or reports are forged. No more than "
            "received them are counted.",
            f"Count again who received the control field on {over.day}, all logs of the day at once.",
            {"day": over.day.isoformat(), "received": over.received, "reported": over.reported.at_least},
        )


def no_reports(case: Situation) -> Iterator[Finding]:
    """Say what silence is worth."""
    if case.evidence.reports == 0 and case.evidence.control.reports == 0:
        yield Finding(
            "no_reports",
            Severity.INFO,
            "No report has arrived since the policy changed. That alone is no proof that all is well: clients may be "
            "few, or of a kind that never reports, as all browsers of today are.",
            "Nothing, as long as canaries arrive and clients that can report are counted.",
        )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
