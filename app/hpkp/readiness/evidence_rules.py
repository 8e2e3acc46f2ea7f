"""Rules on whether enough was seen: what the host serves, for how long, by how many, and that reports arrive."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from app.hpkp.audience import Audience
from app.hpkp.clock import CONFIRM
from app.hpkp.findings import Finding, Severity
from app.hpkp.probe_result import review_live
from app.hpkp.readiness.evidence import ReadinessInput
from app.hpkp.readiness.evidence_days import DAY, CoveredDays, Missing, start_of_day
from app.hpkp.wording import count

_LISTED = 60
"""Days that a finding lists; the answer's audiences have them all."""
_APPS_SHOWN = 5


def live_host(inputs: ReadinessInput) -> Iterator[Finding]:
    """Check what the last probe found: a pin in every chain, a Backup Pin in none (RFC 7469 section 2.5)."""
    policy, live = inputs.policy, inputs.evidence.live
    if live is None:
        yield Finding(
            "live_chain_not_seen",
            Severity.WARNING,
            "The served certificates are unknown, so it is unknown whether a pin is in use and a backup pin is left.",
            _probe(policy.host),
            withholds=True,
        )
        return
    seen_at = live.probe.at
    # What was served before the change need not be served with it, so that probe neither confirms nor blocks.
    before_revision = seen_at < inputs.since
    if before_revision or inputs.at - seen_at > inputs.limits.probe_age:
        yield Finding(
            "probe_too_old",
            Severity.WARNING,
            f"Last probe: {_moment(seen_at)}"
            + (", before this policy revision. " if before_revision else ". ")
            + "The certificates served now are unknown.",
            _probe(policy.host),
            {"probed_at": seen_at.isoformat()},
            withholds=True,
        )
    # Also of a probe that is too old: what was last seen counts until a probe sees something else, so that a failed
    # probe does not end a blocker (decision record 29).
    if not before_revision:
        for finding in review_live(policy, live, control_pins=inputs.history.control_pins):
            # If only apps carry the pins, a header that is not served is no missing evidence.
            apart = finding.code == "header_not_served" and inputs.apps_only
            fix = "No action needed if only apps pin this host."
            yield replace(finding, severity=Severity.INFO, withholds=False, fix=fix) if apart else finding


def _probe(host: str) -> str:
    """Say how to probe a host, once and regularly."""
    return f"Run `hpkp probe {host}`, or set HPKP_PROBE_INTERVAL_HOURS=1."


def clock(inputs: ReadinessInput) -> Iterator[Finding]:
    """Days are counted by the collector's clock."""
    # A wrong clock makes old evidence look recent, and recent evidence old.
    if (doubt := inputs.evidence.clock_doubt) is not None:
        yield Finding(
            "clock_implausible",
            Severity.WARNING,
            f"{doubt} Evidence days and the age of all other evidence depend on it.",
            f"{CONFIRM}.",
            withholds=True,
        )


def covered_days(inputs: ReadinessInput) -> Iterator[Finding]:
    """Require enough days on which a violation would have been reported, for every audience in use (`evidence_days`).

    In report-only mode long enough to see weekly clients; an enforced step as long as clients cache it.
    """
    for known in inputs.audiences:
        have, needed = len(known.covered), inputs.needed_days
        if have < needed:
            missing = list(known.missing())
            # The newest gaps, because their reason can still be removed.
            latest = f" Missing: {'; '.join(missing[-3:])}." if missing else ""
            more = f" {count(len(missing) - 3, 'earlier period')} in the list by day." if len(missing) > 3 else ""
            yield Finding(
                "too_few_covered_days",
                Severity.WARNING,
                f"{have} of {count(needed, 'day')} are evidence for {_named(known.audience, inputs)}. A day counts if "
                f"its clients were counted, the pins were served all day, and a canary arrived.{latest}{more}",
                _fix_days(known, inputs),
                {
                    "audience": str(known.audience),
                    "covered_days": have,
                    "needed_days": needed,
                    "earliest": inputs.earliest.isoformat(),
                    "missing": {f"{day.day}": list(day.missing) for day in known.days[-_LISTED:] if day.missing},
                },
                withholds=True,
            )


def recent_days(inputs: ReadinessInput) -> Iterator[Finding]:
    """Ask for a recent covered day: what changed since the last one would not have been reported."""
    for known in inputs.audiences:
        # Without any covered day `covered_days` says so already.
        if known.last is None or inputs.at - start_of_day(known.last + DAY) <= inputs.limits.covered_age:
            continue
        yield Finding(
            "covered_days_too_old",
            Severity.WARNING,
            f"The last evidence day for {_named(known.audience, inputs)} is {known.last}. A failure since then would "
            f"not be reported. Missing: {'; '.join(list(known.missing())[-3:])}.",
            _fix_days(known, inputs),
            {"audience": str(known.audience), "last_covered_day": f"{known.last}"},
            withholds=True,
        )


def _named(audience: Audience, inputs: ReadinessInput) -> str:
    """Name an audience; if its releases are unknown, with some of the apps that reported."""
    if not audience.unknown:
        return str(audience)
    apps = inputs.evidence.unknown_apps
    more = ", …" if len(apps) > _APPS_SHOWN else ""
    return f"{audience} ({', '.join(apps[:_APPS_SHOWN])}{more})" if apps else str(audience)


def _fix_days(known: CoveredDays, inputs: ReadinessInput) -> str:
    """Say what makes days count, for every reason that is missing on one, and when they can be enough."""
    host, audience = inputs.policy.host, known.audience
    if audience.unknown:
        return (
            f"Import the installs of these apps by day (`hpkp exposure installs {host} TABLE`), and record the pins of "
            f"each release (`hpkp exposure release {host} APP VERSION`). Or set their violations to expected or "
            "ignored."
        )
    if audience.is_site:
        exposure = f"Import access logs every day: `hpkp exposure import {host} ACCESS-LOG`."
    else:
        exposure = f"Import installs every day: `hpkp exposure installs {host} TABLE`."
    fixes = {
        Missing.EXPOSURE_UNKNOWN: exposure,
        Missing.CLIENTS_NOT_COUNTED: f"{exposure} Sessions alone are not enough.",
        Missing.NOBODY_EXPOSED: "",
        Missing.NOT_PROBED: f"Probe every day: set HPKP_PROBE_INTERVAL_HOURS=1, or run `hpkp probe {host}`.",
        Missing.PINS_NOT_SERVED: f"Serve the header at every address: `hpkp header make --host {host} --for SERVER`.",
        Missing.RELEASE_PINS_UNKNOWN: (
            f"Record the pins of the release: `hpkp exposure release {host} {audience.app} "
            f"{audience.version or chr(39) * 2}`."
        ),
        Missing.NO_CANARY: (f"Send a canary every day: set HPKP_CANARY_INTERVAL_HOURS=6, or run `hpkp canary {host}`."),
    }
    reasons = {reason for day in known.days for reason in day.missing}
    if not known.days:  # at the beginning: all that a day needs, except faults of the pins
        there = Missing.NOT_PROBED if audience.is_site else Missing.RELEASE_PINS_UNKNOWN
        reasons = {Missing.EXPOSURE_UNKNOWN, there, Missing.NO_CANARY}
    # In the order of `fixes`, so that several audiences have the same steps and the plan names each once.
    needed = [fix for reason, fix in fixes.items() if fix and reason in reasons]
    restarts = "a policy change that clients can see restarts the period"
    return " ".join([*needed, f"Wait until {_moment(inputs.earliest)} at the earliest; {restarts}."])


def canary(inputs: ReadinessInput) -> Iterator[Finding]:
    """Proof, not older than the limit, that a report sent to the report-uri arrives."""
    seen, host = inputs.evidence.canary, inputs.policy.host
    why = f" The last canary failed: {seen.fault}." if seen.fault else ""
    send = f"Run `hpkp canary {host}`, or set HPKP_CANARY_INTERVAL_HOURS=6."
    # A policy with a wrong report-uri gets no reports, however many clients fail.
    if seen.received_at is None:
        yield Finding(
            "canary_missing",
            Severity.WARNING,
            f"A canary is a signed test report. Without one, a broken report-uri looks like zero violations.{why}",
            send,
            withholds=True,
        )
    elif inputs.at - seen.received_at > inputs.limits.canary_age:
        yield Finding(
            "canary_too_old",
            Severity.WARNING,
            f"Last arrival: {_moment(seen.received_at)}. It is unknown whether reports arrive since.{why}",
            send,
            {"canary_received_at": seen.received_at.isoformat()},
            withholds=True,
        )


def control(inputs: ReadinessInput) -> Iterator[Finding]:
    """Report what keeps control pins from measuring, or a measurement that leaves no bound."""
    measured, host = inputs.evidence.control, inputs.policy.host
    delivery = inputs.delivery
    if delivery is None:
        if measured.reports:
            yield Finding(
                "control_exposure_unknown",
                Severity.INFO,
                f"Control pins were reported {count(measured.reports, 'time')}, but it is unknown how many clients "
                "received them, so the share of clients that report is not measured.",
                f"Record the clients that received the control header on a day: `hpkp exposure set {host} DATE "
                f"--control --clients N`, or `hpkp exposure import {host} ACCESS-LOG --control`.",
                {"reports": measured.reports},
            )
        return
    whose = "installs" if delivery.of_apps else "clients"
    # Divided by a rate whose lower bound is 0, no bound is left.
    if delivery.reported == 0:
        yield Finding(
            "control_never_reported",
            Severity.WARNING,
            f"On {delivery.day}, {delivery.received:,} {whose} received control pins, which every client that "
            "evaluates pins must report, and none reported them. These clients never report, or their reports do not "
            "arrive: of clients that never report, up to 100% may be locked out.",
            "Check that these responses carry the control header (`curl -sI`), and that clients can reach its "
            f"report-uri (`hpkp canary {host}`). Count only clients that evaluate pins: `hpkp exposure import` skips "
            "browsers that do not.",
            {"day": delivery.day.isoformat(), "received": delivery.received, "reported": 0},
            withholds=True,
        )
    # A warning only: `measure_delivery` counts no more reports than receivers, so forged ones raise the rate to 1 at
    # most, which is what counts without a measurement.
    if over := next((count for count in measured.counts if count.exceeds), None):
        yield Finding(
            "control_reports_exceed_exposure",
            Severity.WARNING,
            f"On {over.day}, {over.received:,} clients received control pins, but at least "
            f"{over.reported.at_least:,} reported them. The count of recipients is too low, or reports are forged. "
            "Reports beyond the number of recipients are not counted.",
            f"Import all access logs of {over.day} again in one run, with --control.",
            {"day": over.day.isoformat(), "received": over.received, "reported": over.reported.at_least},
        )


def no_reports(inputs: ReadinessInput) -> Iterator[Finding]:
    """Say what the absence of reports proves."""
    # Control reports show that clients can report.
    if inputs.evidence.reports == 0 and inputs.evidence.control.reports == 0:
        yield Finding(
            "no_reports",
            Severity.INFO,
            "No report arrived since the policy changed. That is not proof: clients may be few, or unable to report "
            "(no current browser reports).",
            "No action needed, as long as canaries arrive and exposure is known.",
        )


def _moment(at: datetime) -> str:
    """Write a time, UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
