"""Rules on what was reported: open violations by cause, and how large a share of clients they would lock out."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.hpkp.bound import upper_share
from app.hpkp.causes import ALARMING, BEARING, Bearing, Cause
from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.exposure import Population
from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness.evidence import Group, OpenViolation, Situation

_SEVERITY = {Bearing.BLOCKS: Severity.BLOCKER, Bearing.CAUTION: Severity.CAUTION, Bearing.INFO: Severity.INFO}


def open_violations(case: Situation) -> Iterator[Finding]:
    """Open violations, by what their cause means."""
    by_cause: dict[Cause, list[OpenViolation]] = {}
    for violation in case.evidence.open_violations:
        by_cause.setdefault(violation.cause, []).append(violation)
    for cause, violations in sorted(by_cause.items()):
        reports = sum(violation.reports for violation in violations)
        severity = _SEVERITY[BEARING[cause]]
        if severity is Severity.INFO and cause is Cause.MATCHES_EXPECTED and _open_question(violations):
            severity = Severity.CAUTION
        alarm = " This may be an attack: look for the certificate in Certificate Transparency." * (cause in ALARMING)
        yield Finding(
            f"open_{cause}",
            severity,
            f"{len(violations)} open violation(s) with at least {reports} report(s): {_MEANING[cause]}{alarm}",
            _FIX[cause],
            {
                "violations": [violation.id for violation in violations[:20]],
                "violation_count": len(violations),
                "reports": reports,
            },
        )


def _open_question(violations: list[OpenViolation]) -> bool:
    """Whether some client's path is not known: then a pin in the served chain does not say that it is let in."""
    return any(violation.locks_out is not False for violation in violations)


def left_out(case: Situation) -> Iterator[Finding]:
    """Tell what does not count because it comes only from where the operator ignores reports of the same cause."""
    violations = case.evidence.left_out
    if violations:
        reports = sum(violation.reports for violation in violations)
        causes = ", ".join(sorted({violation.cause.value for violation in violations}))
        yield Finding(
            "left_out_as_ignored",
            Severity.INFO,
            f"{len(violations)} open violation(s) with at least {reports} report(s) ({causes}) do not count: they came "
            "only from networks whose reports of the same cause you ignore. As soon as anybody else reports one, it "
            "counts again.",
            "Nothing, unless you trust these senders after all: then set what you ignored to open again.",
            {
                "violations": [violation.id for violation in violations[:20]],
                "violation_count": len(violations),
                "reports": reports,
            },
        )


def lockout_share(case: Situation) -> Iterator[Finding]:
    """Bound the share of clients that our own mistakes would lock out, by its upper 95 % bound."""
    share = _share(case, Group.OURS)
    limit = case.limits.lockout_share
    if share is None or share.upper <= limit:
        return
    if share.clients:
        yield Finding(
            "lockout_share_over_limit",
            Severity.BLOCKER,
            f"At least {share.clients.at_least} of {share.of} would be locked out by mistakes of "
            f"ours, at most {share.upper:.3%} of them with 95 % confidence; the limit is {limit:.3%}.",
            "Mend what the open violations show, then mark them resolved.",
            share.as_evidence(),
        )
    else:
        yield Finding(
            "lockout_share_not_bounded",
            Severity.CAUTION,
            f"Nobody of {share.of} reported a mistake of ours, from which follows only that at "
            f"most {share.upper:.3%} of them would be locked out; the limit is {limit:.3%}.",
            "Expose more clients to the report-only header, or wait.",
            share.as_evidence(),
            withholds=True,
        )


def interception_share(case: Situation) -> Iterator[Finding]:
    """Tell the share of clients whose apps would be cut off by interception; browsers let installed roots pass."""
    share, limit = _share(case, Group.INTERCEPTION), case.limits.interception_share
    if share is not None and share.reported > limit:
        yield Finding(
            "interception_share_over_limit",
            Severity.BLOCKER,
            f"At least {share.clients.at_least} of {share.of}, {share.reported:.2%}, use an app "
            f"behind interception and would be locked out (at most {share.upper:.2%} with 95 % confidence); the limit "
            f"is {limit:.2%}.",
            "Decide whether they may be: talk to those who run the proxies, let the app tell its users, or raise "
            "HPKP_MAX_INTERCEPTION_PERCENT knowingly.",
            share.as_evidence(),
        )


def unknown_share(case: Situation) -> Iterator[Finding]:
    """Tell the share of clients of which the reports do not tell whether they would be locked out."""
    share, limit = _share(case, Group.UNKNOWN), case.limits.lockout_share
    if share is not None and share.reported > limit:
        yield Finding(
            "unknown_share_over_limit",
            Severity.CAUTION,
            f"Of at least {share.clients.at_least} of {share.of} the reports do not tell whether "
            f"they would be locked out; that is more than the limit of {limit:.3%}.",
            "Look at these violations; mark as expected or ignored what you can explain.",
            share.as_evidence(),
            withholds=True,
        )


@dataclass(frozen=True, slots=True)
class _Share:
    """Clients of a group, of how many, and of what."""

    clients: ClientCount
    of: Population

    @property
    def reported(self) -> float:
        """The share that reported, by the most that they may be: it errs on the careful side."""
        return min(self.clients.at_most / max(self.of.count, 1), 1.0)

    @property
    def upper(self) -> float:
        """The upper 95 % bound of the share."""
        return upper_share(self.clients.at_most, self.of.count)

    def as_evidence(self) -> dict[str, object]:
        """Return the numbers."""
        numbers = {"clients": self.clients.at_least, "clients_at_most": self.clients.at_most, "of": self.of.count}
        return numbers | {"upper_percent": round(100 * self.upper, 6)}


def _share(case: Situation, group: Group) -> _Share | None:
    """Return the share of a group; None where exposure is unknown."""
    exposure = case.evidence.exposure
    if exposure is None:
        return None
    # Interception locks out apps alone; of their installs the share is, where they are known.
    of = (exposure.apps if group is Group.INTERCEPTION else None) or exposure.smaller
    return _Share(case.evidence.clients.get(group, NOBODY), of) if of is not None else None


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
