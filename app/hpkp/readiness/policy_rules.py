"""Rules on the policy alone: enough pins of keys that last, for how long, and a place for reports outside of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from app.hpkp.catalog import CaName, CaState
from app.hpkp.deployment import remembered_revisions
from app.hpkp.findings import Finding, Severity
from app.hpkp.pin_checks import UNUSABLE, check_pin
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode
from app.hpkp.probe_result import LiveChain
from app.hpkp.readiness.evidence import LONGEST_STEP, Situation
from app.hpkp.report_uri import ReportUriFault, check_report_uri

PIN_SEVERITY = {
    "example_pin": Severity.BLOCKER,
    "known_bad_key": Severity.BLOCKER,
    "captive_portal_key": Severity.BLOCKER,
    # Beside two usable pins the following only do no good; `enough_pins` blocks where two are not left.
    "retired_ca_key": Severity.WARNING,
    "departed_root_key": Severity.WARNING,
    "distrusted_root_key": Severity.WARNING,
}
"""What a finding on a single pin weighs in the verdict; those that are missing depend on the chain served."""


def enough_pins(case: Situation) -> Iterator[Finding]:
    """At least two pins (RFC 7469 sections 2.5 and 4.3) of keys that somebody has and may keep."""
    expected = case.policy.expected
    useless = {pin for pin in expected if any(f.code in UNUSABLE for f in check_pin(pin, case.catalog))}
    make = f"Make a backup key: hpkp backup-key {case.policy.host}. Keep it away from the server, and "
    if len(expected) < 2:
        yield Finding(
            "fewer_than_two_pins",
            Severity.BLOCKER,
            f"The policy has {len(expected)} pin(s). Clients ignore a policy with fewer than two: one of the key in "
            "use, and one of a backup key for when the first is lost (RFC 7469 section 2.5).",
            make + "add its pin to the policy.",
            {"pins": len(expected)},
        )
    elif len(expected - useless) < 2:
        yield Finding(
            "fewer_than_two_usable_pins",
            Severity.BLOCKER,
            f"Of the {len(expected)} pins {len(useless)} are of keys that nobody can rely on. Two others are needed: "
            "one of the key in use, and one of a backup key.",
            make + "put its pin in place of one that is of no use.",
            {"useless_pins": sorted(map(str, useless))},
        )


def unusable_pins(case: Situation) -> Iterator[Finding]:
    """Tell each pin that is of no use, or that lets others in, as every check of a pin does."""
    for pin in sorted(case.policy.expected):
        for finding in check_pin(pin, case.catalog):
            if severity := PIN_SEVERITY.get(finding.code):
                yield replace(finding, severity=severity)


def intermediate_alone(case: Situation) -> Iterator[Finding]:
    """No reliance on an intermediate alone, which its CA replaces without asking (RFC 7469 appendix B)."""
    if resting := [chain for chain in _trusted(case) if _rests_on_intermediate(chain, case)]:
        pins = sorted({str(pin) for chain in resting for pin in chain.pins & case.policy.expected})
        named = sorted({name.name for chain in resting for name in _names_of_matching(chain, case)})
        whose = f" ({', '.join(named)})" if named else ""
        yield Finding(
            "rests_on_rotating_ca",
            Severity.BLOCKER,
            f"Of the certificates that the host serves only an intermediate CA's is pinned{whose}. The CA may issue by "
            "another at any renewal, without asking; that would lock everybody out.",
            "Pin the key of your own certificate as well "
            f"({', '.join(sorted({str(chain.leaf_pin) for chain in resting}))}), and keep that key at renewals "
            "(certbot renew --reuse-key).",
            {"pins": pins},
        )


def _trusted(case: Situation) -> list[LiveChain]:
    return [] if case.evidence.live is None else [chain for chain in case.evidence.live.chains if chain.trusted]


def _rests_on_intermediate(chain: LiveChain, case: Situation) -> bool:
    matching = chain.pins & case.policy.expected
    return bool(matching) and all(_is_intermediate(pin, chain, case) for pin in matching)


def _is_intermediate(pin: Pin, chain: LiveChain, case: Situation) -> bool:
    """Whether the pin is an intermediate's, by its place in the served chain and not by whose it is.

    A public root that is served as a cross-certificate stands between leaf and anchor too; it stays for years, so the
    catalog's word counts for it.
    """
    if pin == chain.leaf_pin or pin in chain.anchor_pins:
        return False
    return not any(name.state is CaState.ROOT for name in case.catalog.ca_names_of(pin))


def _names_of_matching(chain: LiveChain, case: Situation) -> Iterator[CaName]:
    for pin in chain.pins & case.policy.expected:
        yield from case.catalog.ca_names_of(pin)


def max_age(case: Situation) -> Iterator[Finding]:
    """For how long pins are remembered: it has to be said (RFC 7469 section 2.1.2), and 60 days suffice (4.1)."""
    policy = case.policy
    if policy.mode is not Mode.ENFORCE:
        return
    if policy.max_age is None:
        yield Finding(
            "max_age_missing",
            Severity.BLOCKER,
            "The policy is to be enforced and has no max-age. Clients ignore such a header (RFC 7469 section 2.1.2).",
            "Give the policy a max-age; the first step is 300 seconds.",
        )
    elif policy.max_age > LONGEST_STEP.total_seconds():
        yield Finding(
            "max_age_too_long",
            Severity.WARNING,
            f"Clients are told to remember these pins for {timedelta(seconds=min(policy.max_age, 10**9)).days} days. "
            "For so long nobody can help those who remember pins that no longer hold. 60 days are a reasonable limit "
            "(RFC 7469 section 4.1); Chromium goes no further.",
            f"Lower max-age to {int(LONGEST_STEP.total_seconds())} seconds.",
            {"max_age": policy.max_age},
        )


def report_uri(case: Situation) -> Iterator[Finding]:
    """Ask for a report-uri outside of the pins: under them it falls silent when needed (RFC 7469 section 2.1.4)."""
    policy = case.policy
    if policy.report_uri is None:
        yield Finding(
            "no_report_uri",
            Severity.WARNING,
            "The policy names no report-uri, so this service does not know where clients are told to report.",
            "Give the policy the report-uri that the header carries: hpkp policy set … --report-uri URI.",
        )
        return
    checked = check_report_uri(policy.report_uri, policy.host, include_subdomains=policy.include_subdomains)
    if ReportUriFault.UNREACHABLE in checked.faults and not case.limits.private_addresses:
        yield Finding(
            "report_uri_unreachable",
            Severity.WARNING,
            f"The report-uri is on {checked.target}: an address or a name that clients elsewhere cannot reach, so they "
            "report nothing.",
            "Name a public host in the report-uri. If all clients are inside, set HPKP_PROBE_PRIVATE_ADDRESSES=true.",
            {"report_uri": policy.report_uri},
            withholds=True,
        )
    if ReportUriFault.UNDER_PINS in checked.faults:
        yield Finding(
            "report_uri_on_pinned_host",
            Severity.WARNING,
            f"The report-uri lies on {checked.target}, which has the same pins. Browsers send no such reports, and "
            "where the pins fail nobody can report it.",
            "Let this service answer under a name that is not pinned, and name that in the report-uri.",
            {"report_uri": policy.report_uri},
        )


def subdomains(case: Situation) -> Iterator[Finding]:
    """Tell of includeSubDomains without any evidence of a name below: the pins hold for all of them (section 2.1.3)."""
    names = {*case.evidence.hostnames, *case.evidence.subdomains} - {case.policy.host}
    if case.policy.include_subdomains and not names:
        yield Finding(
            "subdomains_not_seen",
            Severity.WARNING,
            f"includeSubDomains is set, and no name below {case.policy.host} was ever probed, reported or counted. "
            "Whether their certificates have a pinned key is not known.",
            "Take includeSubDomains out until the names below are known; or give those that have visitors a policy, "
            "probe them (hpkp probe NAME), and count their visitors.",
        )


def remembered_pins(case: Situation) -> Iterator[Finding]:
    """Mind what clients still know of former revisions that were enforced (RFC 7469 section 2.3.2).

    A chain without a pin of theirs locks them out until their max-age has run out, whatever the header says now.
    """
    for former, until in remembered_revisions(case.history, case.at):
        evidence: dict[str, object] = {"revision": former.revision, "until": until.isoformat()}
        if broken := [chain for chain in _trusted(case) if not former.expected & chain.pins]:
            yield Finding(
                "remembered_pins_broken",
                Severity.BLOCKER,
                f"Clients remember the pins of revision {former.revision}, which was enforced before, until "
                f"{until:%Y-%m-%d %H:%M} UTC at the latest. None of them stands in the certificates served now, so "
                "these clients are locked out.",
                f"Serve a certificate for a key that revision {former.revision} pinned, such as that of its backup "
                "key. No header helps: these clients refuse the connection before they see one. Where no such key is "
                f"left, they stay out until {until:%Y-%m-%d %H:%M} UTC.",
                evidence | {"addresses": sorted({chain.address for chain in broken})},
            )
        elif new := sorted(map(str, case.policy.expected - former.expected)):
            yield Finding(
                "new_pins_not_known_yet",
                Severity.WARNING,
                f"Clients that remember the pins of revision {former.revision} do not know those added since, until "
                f"{until:%Y-%m-%d %H:%M} UTC at the latest.",
                "Until then, serve a certificate for a new key only if a key that they know stands in its chain.",
                evidence | {"pins": new},
            )
