"""Rules on whether enough was seen: what the host serves, for how long, by how many, and that reports arrive."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from app.hpkp.audience import Audience
from app.hpkp.findings import Finding, Severity
from app.hpkp.probe_result import review_live
from app.hpkp.readiness.evidence import Situation
from app.hpkp.readiness.evidence_days import DAY, CoveredDays, Missing, start_of_day

_LISTED = 60
"""Days that a finding lists; the answer's audiences have them all."""
_APPS_SHOWN = 5


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
    before_revision = seen_at < case.since
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
        for finding in review_live(policy, live):
            # Where the pins travel with apps, a header that is not served is nothing that was not seen.
            apart = finding.code == "header_not_served" and case.apps_only
            told = "Nothing, where only apps are pinned."
            yield replace(finding, severity=Severity.INFO, withholds=False, fix=told) if apart else finding


def covered_days(case: Situation) -> Iterator[Finding]:
    """Count enough days on which a violation would have been reported, for every audience in use (`evidence_days`).

    In report-only mode long enough to meet weekly clients; a step that is enforced, as long as clients remember it.
    """
    for known in case.audiences:
        have, needed = len(known.covered), case.needed_days
        if have < needed:
            missing = list(known.missing())
            told = f" Missing: {'; '.join(missing[-3:])}." if missing else ""
            more = f" Before that {len(missing) - 3} more, listed by day in the answer." if len(missing) > 3 else ""
            yield Finding(
                "too_few_covered_days",
                Severity.WARNING,
                f"{have} of {needed} days are evidence for {_named(known.audience, case)}. A day counts if its clients "
                f"were counted, the pins were there all day, and a canary arrived.{told}{more}",
                _fix_days(known, case),
                {
                    "audience": str(known.audience),
                    "covered_days": have,
                    "needed_days": needed,
                    "missing": {f"{day.day}": list(day.missing) for day in known.days[-_LISTED:] if day.missing},
                },
                withholds=True,
            )


def recent_days(case: Situation) -> Iterator[Finding]:
    """Ask for a recent covered day: what changed since the last one would not have been reported."""
    for known in case.audiences:
        if known.last is None or case.at - start_of_day(known.last + DAY) <= case.limits.covered_age:
            continue
        yield Finding(
            "covered_days_too_old",
            Severity.WARNING,
            f"The last day that is evidence for {_named(known.audience, case)} is {known.last}. What went wrong since "
            f"would not show. Missing: {'; '.join(list(known.missing())[-3:])}.",
            _fix_days(known, case),
            {"audience": str(known.audience), "last_covered_day": f"{known.last}"},
            withholds=True,
        )


def _named(audience: Audience, case: Situation) -> str:
    if not audience.unknown:
        return str(audience)
    apps = case.evidence.unknown_apps
    more = ", …" if len(apps) > _APPS_SHOWN else ""
    return f"{audience} ({', '.join(apps[:_APPS_SHOWN])}{more})" if apps else str(audience)


def _fix_days(known: CoveredDays, case: Situation) -> str:
    """Say what makes days count, for every reason that is missing on one, and from when they can be enough."""
    host, audience = case.policy.host, known.audience
    if audience.unknown:
        return (
            f"Record how many installs these apps have, by day: hpkp exposure installs {host} TABLE; and which pins "
            f"they carry: hpkp exposure release {host} APP VERSION. Or set their violations to expected or ignored."
        )
    if audience.is_site:
        count = f"Count the clients of every day: hpkp exposure import {host} ACCESS-LOG."
    else:
        count = f"Record the installs of every day: hpkp exposure installs {host} TABLE."
    fixes = {
        Missing.EXPOSURE_UNKNOWN: count,
        Missing.CLIENTS_NOT_COUNTED: f"{count} Sessions alone are not enough.",
        Missing.NOBODY_EXPOSED: "",
        Missing.NOT_PROBED: f"Probe every day: hpkp probe {host}; the service does it by HPKP_PROBE_INTERVAL_HOURS=1.",
        Missing.PINS_NOT_SERVED: f"Serve the header at every address: hpkp header make --host {host} --for SERVER.",
        Missing.RELEASE_PINS_UNKNOWN: (
            f"Record which pins the release carries: hpkp exposure release {host} {audience.app} "
            f"{audience.version or chr(39) * 2}."
        ),
        Missing.NO_CANARY: (
            f"Send a canary every day: hpkp canary {host}; the service does it by HPKP_CANARY_INTERVAL_HOURS=6."
        ),
    }
    reasons = {reason for day in known.days for reason in day.missing}
    if not known.days:  # at the beginning: all that a day needs but what is amiss with the pins
        there = Missing.NOT_PROBED if audience.is_site else Missing.RELEASE_PINS_UNKNOWN
        reasons = {Missing.EXPOSURE_UNKNOWN, there, Missing.NO_CANARY}
    needed = [fix for reason, fix in fixes.items() if fix and reason in reasons]
    wait = f"Wait until {_moment(case.earliest)} at the earliest; labels, own keys and notes restart nothing."
    return " ".join([*needed, wait])


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


def no_reports(case: Situation) -> Iterator[Finding]:
    """Say what silence is worth."""
    if case.evidence.reports == 0:
        yield Finding(
            "no_reports",
            Severity.INFO,
            "No report has arrived since the policy changed. That alone is no proof that all is well: clients may be "
            "few, or of a kind that never reports, as all browsers of today are.",
            "Nothing, as long as canaries arrive and clients that can report are counted.",
        )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
