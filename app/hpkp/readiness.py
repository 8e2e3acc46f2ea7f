"""Whether switching to enforcing is safe: small rules, each giving findings, and the verdict they add up to.

::

    policy revision + evidence + moment ──rules──> findings ──> verdict
                                                       any blocker                  -> not_ready
                                                       else any missing evidence    -> not_enough_data
                                                       else                         -> ready

Silence is not evidence: what was not seen withholds the verdict `ready`. Reports are claims by strangers: they can
hold a verdict back, never advance one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.hpkp.causes import ALARMING, BEARING, Bearing, Cause
from app.hpkp.findings import Finding, Severity
from app.hpkp.hosts import is_subdomain
from app.hpkp.live import LiveHost, review_live
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy


class Verdict(StrEnum):
    """The answer to the operator's one question."""

    READY = "ready"
    NOT_READY = "not_ready"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits that the rules use; echoed in every answer."""

    observation: timedelta = timedelta(days=14)
    """How long the current revision must have been observed."""
    sessions: int = 10_000
    """How many exposed sessions are needed before silence says anything."""
    probe_age: timedelta = timedelta(hours=48)
    """How old the last look at what the host serves may be."""

    def as_plain(self) -> dict[str, float]:
        """Return the thresholds under the names of the answer, each with its unit."""
        return {
            "observation_days": self.observation.days,
            "sessions": self.sessions,
            "probe_age_hours": self.probe_age / timedelta(hours=1),
        }


@dataclass(frozen=True, slots=True)
class OpenViolation:
    """A violation of the window that nobody has closed; ``reports`` is a lower bound."""

    id: int
    cause: Cause
    reports: int
    last_received_at: datetime
    locks_out: bool | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What has been seen since the revision took effect. None means not known, which is not zero."""

    reports: int = 0
    open_violations: tuple[OpenViolation, ...] = ()
    blocking_clients: int = 0
    """Distinct clients of the open violations whose cause blocks; a lower bound."""
    sessions: int | None = None
    live: LiveHost | None = None
    """What the last probe saw."""
    canary_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict with everything it rests on."""

    verdict: Verdict
    headline: str
    findings: tuple[Finding, ...]
    plan: tuple[str, ...]
    thresholds: Thresholds


def assess_readiness(
    policy: PinningPolicy,
    evidence: Evidence,
    *,
    at: datetime,
    example_pins: frozenset[Pin] = frozenset(),
    thresholds: Thresholds | None = None,
) -> Readiness:
    """Say whether the policy may be enforced at ``at``.

    ``example_pins`` are pins of tutorials and placeholders that stand for no key of anybody's.
    """
    limits = thresholds or Thresholds()
    findings = (
        *_pins(policy, example_pins),
        *_live(policy, evidence, at, limits),
        *_report_uri(policy),
        *_observation(policy, at, limits),
        *_exposure(evidence, limits),
        *_canary(evidence),
        *_open_violations(evidence),
        *_no_reports(evidence),
    )
    verdict = _verdict(findings)
    return Readiness(verdict, _headline(policy, evidence, verdict), findings, _plan(findings, verdict), limits)


def _verdict(findings: tuple[Finding, ...]) -> Verdict:
    if any(finding.severity is Severity.BLOCKER for finding in findings):
        return Verdict.NOT_READY
    if any(finding.withholds for finding in findings):
        return Verdict.NOT_ENOUGH_DATA
    return Verdict.READY


def _pins(policy: PinningPolicy, example_pins: frozenset[Pin]) -> Iterator[Finding]:
    """At least two pins, none of them a placeholder (RFC 7469 sections 2.5 and 4.3)."""
    if len(policy.expected) < 2:
        yield Finding(
            "fewer_than_two_pins",
            Severity.BLOCKER,
            f"The policy has {len(policy.expected)} pin(s); a UA notes no policy without a Backup Pin "
            "(RFC 7469 section 2.5).",
            "Make a backup key, keep it offline, and add its pin.",
            {"pins": len(policy.expected)},
        )
    if examples := sorted(map(str, policy.expected & example_pins)):
        yield Finding(
            "placeholder_pin",
            Severity.BLOCKER,
            "The policy holds pins from tutorials or placeholders, to which nobody has a key.",
            "Replace them with the pins of your own keys (hpkp pin FILE).",
            {"pins": examples},
        )


def _live(policy: PinningPolicy, evidence: Evidence, at: datetime, limits: Thresholds) -> Iterator[Finding]:
    """Look at what the host serves: a pin in every chain, a Backup Pin in none (RFC 7469 section 2.5)."""
    if evidence.live is None:
        yield Finding(
            "live_chain_not_seen",
            Severity.CAUTION,
            "What the host serves has not been looked at, so it is not known which pin is the Backup Pin and whether "
            "any pin is in use.",
            f"Look: hpkp probe {policy.host}",
            withholds=True,
        )
        return
    seen_at = evidence.live.probe.at
    before_revision = policy.effective_from is not None and seen_at < policy.effective_from
    if before_revision or at - seen_at > limits.probe_age:
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
        yield from review_live(policy, evidence.live)


def _report_uri(policy: PinningPolicy) -> Iterator[Finding]:
    """Look whether the report-uri lies under the pins it reports on: it falls silent when needed (section 2.1.4)."""
    if policy.report_uri is None:
        yield Finding(
            "no_report_uri",
            Severity.CAUTION,
            "The policy names no report-uri, so nothing says where clients are told to report.",
            "Give the policy the report-uri that the host's header carries.",
        )
        return
    host = policy.report_uri.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0].lower()
    if host == policy.host or (policy.include_subdomains and is_subdomain(host, of=policy.host)):
        yield Finding(
            "report_uri_on_pinned_host",
            Severity.CAUTION,
            f"The report-uri lies on {host}, which the pins cover: browsers drop such reports, and where pins fail "
            "nothing can be reported.",
            "Serve the collector under a name that is not pinned.",
            {"report_uri": policy.report_uri},
        )


def _observation(policy: PinningPolicy, at: datetime, limits: Thresholds) -> Iterator[Finding]:
    """Long enough in report-only to meet weekly clients."""
    since = policy.effective_from
    observed = at - since if since else timedelta(0)
    if observed < limits.observation:
        yield Finding(
            "observed_too_short",
            Severity.CAUTION,
            f"The current revision has been observed for {max(observed.days, 0)} of {limits.observation.days} days.",
            "Wait, and leave the policy unchanged meanwhile.",
            {"days_observed": max(observed.days, 0), "since": since.isoformat() if since else None},
            withholds=True,
        )


def _exposure(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """How many clients could have reported; unknown is not zero and not enough."""
    if evidence.sessions is None:
        yield Finding(
            "exposure_unknown",
            Severity.CAUTION,
            "How many clients received the pins is not known, so the absence of reports proves nothing.",
            "Give the number of sessions that were served the header.",
            withholds=True,
        )
    elif evidence.sessions < limits.sessions:
        yield Finding(
            "exposure_too_small",
            Severity.CAUTION,
            f"At most {evidence.sessions} sessions were exposed to the pins; {limits.sessions} are needed.",
            "Serve the report-only header on more pages, or wait.",
            {"sessions": evidence.sessions},
            withholds=True,
        )


def _canary(evidence: Evidence) -> Iterator[Finding]:
    """Proof that a report sent to the report-uri arrives."""
    if evidence.canary_at is None:
        yield Finding(
            "canary_missing",
            Severity.CAUTION,
            "No canary report has arrived, so a dead report-uri would look the same as a site without violations.",
            "Send a report through the public report-uri and look for it here.",
            withholds=True,
        )


def _open_violations(evidence: Evidence) -> Iterator[Finding]:
    """Open violations, by what their cause means."""
    by_cause: dict[Cause, list[OpenViolation]] = {}
    for violation in evidence.open_violations:
        by_cause.setdefault(violation.cause, []).append(violation)
    for cause, violations in sorted(by_cause.items()):
        reports = sum(violation.reports for violation in violations)
        shown: dict[str, object] = {
            "violations": [violation.id for violation in violations[:20]],
            "violation_count": len(violations),
            "reports": reports,
        }
        severity = {
            Bearing.BLOCKS: Severity.BLOCKER,
            Bearing.CAUTION: Severity.CAUTION,
            Bearing.INFO: Severity.INFO,
        }[BEARING[cause]]
        if severity is Severity.INFO and cause is Cause.MATCHES_EXPECTED and _open_question(violations):
            severity = Severity.CAUTION
        alarm = " This may be an attack: look for the certificate in Certificate Transparency." * (cause in ALARMING)
        yield Finding(
            f"open_{cause}",
            severity,
            f"{len(violations)} open violation(s) with at least {reports} report(s): {_MEANING[cause]}{alarm}",
            _FIX[cause],
            shown,
        )


def _open_question(violations: list[OpenViolation]) -> bool:
    """Whether some client's path is not known: then a pin in the served chain does not say that it is let in."""
    return any(violation.locks_out is not False for violation in violations)


def _no_reports(evidence: Evidence) -> Iterator[Finding]:
    if evidence.reports == 0:
        yield Finding(
            "no_reports",
            Severity.INFO,
            "No report has arrived for this revision. Silence is not evidence: senders may be few, blocked, or no "
            "longer sending (current browsers do not).",
            "Check with `hpkp send-sample` that reports arrive.",
        )


_MEANING: dict[Cause, str] = {
    Cause.NO_EVIDENCE: "reports without a readable chain.",
    Cause.IMPLAUSIBLE: "reports in a form that their sender does not make; left out of the verdict.",
    Cause.MATCHES_EXPECTED: "chains that satisfy the pins.",
    Cause.STALE_KNOWN_PINS: "clients that still know pins of a former revision.",
    Cause.FOREIGN_PINS: "clients that know pins which were never ours.",
    Cause.KNOWN_BAD_KEY: "a key that is known to be compromised or misused, between these clients and the server.",
    Cause.OTHER_TRUST_PATH: "clients build a path to your key on which no pin stands; enforcing locks them out.",
    Cause.OWN_KEY_NOT_PINNED: "your own key is served without a pin; enforcing locks these clients out.",
    Cause.CLOCK: "certificates outside their validity at the client's time; not a pin matter.",
    Cause.NAME_MISMATCH: "trusted certificates for another name, as captive portals show; not a pin matter.",
    Cause.UNTRUSTED_CHAIN: "chains that do not validate; not a pin matter.",
    Cause.INTERCEPTION_PRODUCT: "interception by a known product. Browsers let it pass, apps with pins do not.",
    Cause.PRIVATE_ROOT: "paths to a private root: interception. Browsers let it pass, apps with pins do not.",
    Cause.UNKNOWN_KEY_PUBLIC_CA: "a trusted CA vouches for a key that is not yours.",
}

_FIX: dict[Cause, str] = {
    Cause.NO_EVIDENCE: "Look at the raw reports; nothing can be concluded from them.",
    Cause.IMPLAUSIBLE: "Look at a raw report; if its sender is real, say so in an issue.",
    Cause.MATCHES_EXPECTED: "Nothing to do.",
    Cause.STALE_KNOWN_PINS: "Keep the former keys working until the former max-age has run out.",
    Cause.FOREIGN_PINS: "Look for a copied header or another collector's client.",
    Cause.KNOWN_BAD_KEY: "Warn these users; pins are what protects them.",
    Cause.OTHER_TRUST_PATH: "Pin a key that stands on every path, best the leaf key, or fix the served chain.",
    Cause.OWN_KEY_NOT_PINNED: "Add the key's pin to the policy, or replace the certificate where it is served.",
    Cause.CLOCK: "Nothing on the pins; check the certificate's dates.",
    Cause.NAME_MISMATCH: "Check the virtual hosts; captive portals need nothing.",
    Cause.UNTRUSTED_CHAIN: "Check that the host serves its intermediates.",
    Cause.INTERCEPTION_PRODUCT: "Decide whether apps behind interception may be locked out.",
    Cause.PRIVATE_ROOT: "Decide whether apps behind interception may be locked out.",
    Cause.UNKNOWN_KEY_PUBLIC_CA: "Find out who asked for the certificate; if it is yours, add its key to own_keys.",
}


def _headline(policy: PinningPolicy, evidence: Evidence, verdict: Verdict) -> str:
    blocking = [v for v in evidence.open_violations if BEARING[v.cause] is Bearing.BLOCKS]
    reports = sum(violation.reports for violation in blocking)
    of = "an unknown number of" if evidence.sessions is None else f"at most {evidence.sessions}"
    if blocking:
        seen = f"at least {evidence.blocking_clients} client(s) ({reports} reports) would be locked out"
    else:
        seen = "no lock-out by a mistake of ours has been reported"
    ending = {
        Verdict.READY: "Nothing recorded speaks against enforcing.",
        Verdict.NOT_READY: "Do not enforce.",
        Verdict.NOT_ENOUGH_DATA: "Whether enforcing is safe cannot be told yet.",
    }[verdict]
    return f"If {policy.host} enforced its pins now, {seen}, out of {of} exposed sessions. {ending}"


def _plan(findings: tuple[Finding, ...], verdict: Verdict) -> tuple[str, ...]:
    if verdict is Verdict.READY:
        return ("Enforce with max-age=300 and keep the report-uri.",)
    blockers = [finding.fix for finding in findings if finding.severity is Severity.BLOCKER]
    missing = [finding.fix for finding in findings if finding.withholds]
    return tuple(dict.fromkeys((*blockers, *missing)))
