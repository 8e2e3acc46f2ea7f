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
from app.hpkp.wording import count

PIN_SEVERITY = {
    "example_pin": Severity.BLOCKER,
    "known_bad_key": Severity.BLOCKER,
    "captive_portal_key": Severity.BLOCKER,
    # With two usable pins left the following are only useless; otherwise `enough_pins` blocks.
    "retired_ca_key": Severity.WARNING,
    "departed_root_key": Severity.WARNING,
    "distrusted_root_key": Severity.WARNING,
}
"""Severity of a finding on a single pin in the verdict; those that are missing depend on the served chain."""


def enough_pins(case: Situation) -> Iterator[Finding]:
    """At least two pins (RFC 7469 sections 2.5 and 4.3) of keys that the operator has and may keep."""
    expected = case.policy.expected
    useless = {pin for pin in expected if any(f.code in UNUSABLE for f in check_pin(pin, case.catalog))}
    make = f"Generate a backup key (`hpkp backup-key {case.policy.host}`), store it offline, and "
    if len(expected) < 2:
        yield Finding(
            "fewer_than_two_pins",
            Severity.BLOCKER,
            f"The policy has {count(len(expected), 'pin')}. Clients ignore a policy with fewer than two: one for the "
            "key in use, and one for a backup key (RFC 7469 section 2.5).",
            make + "add its pin to the policy.",
            {"pins": len(expected)},
        )
    # Two pins are not enough if one is of a key that the operator cannot use: to clients it is the Backup Pin, and
    # there is none.
    elif len(expected - useless) < 2:
        yield Finding(
            "fewer_than_two_usable_pins",
            Severity.BLOCKER,
            f"{len(useless)} of {count(len(expected), 'pin')} belong{'' if len(useless) > 1 else 's'} to example, "
            "compromised, retired, or removed keys. Two usable pins are required: one for the key in use, and one for "
            "a backup key.",
            make + "replace an unusable pin with its pin.",
            {"useless_pins": sorted(map(str, useless))},
        )


def unusable_pins(case: Situation) -> Iterator[Finding]:
    """Report each pin that is unusable, or that trusts the certificates of others, as every check of a pin does."""
    for pin in sorted(case.policy.expected):
        for finding in check_pin(pin, case.catalog):
            # Codes without a severity here depend on the served chain, which `live_host` judges.
            if severity := PIN_SEVERITY.get(finding.code):
                yield replace(finding, severity=severity)


def intermediate_alone(case: Situation) -> Iterator[Finding]:
    """No reliance on an intermediate alone, which its CA replaces without asking (RFC 7469 appendix B)."""
    # By the chains that are served and not by names: any CA may replace its intermediates, not only those of a list.
    if resting := [chain for chain in _trusted(case) if _rests_on_intermediate(chain, case)]:
        pins = sorted({str(pin) for chain in resting for pin in chain.pins & case.policy.expected})
        named = sorted({name.name for chain in resting for name in _names_of_matching(chain, case)})
        whose = f" ({', '.join(named)})" if named else ""
        yield Finding(
            "rests_on_rotating_ca",
            Severity.BLOCKER,
            f"The only pinned key in a served chain is a CA intermediate{whose}. The CA can switch intermediates at "
            "any renewal without notice, which would lock out every client.",
            f"Also pin your leaf key ({', '.join(sorted({str(chain.leaf_pin) for chain in resting}))}), and keep that "
            "key at renewals (`certbot renew --reuse-key`).",
            {"pins": pins},
        )


def _trusted(case: Situation) -> list[LiveChain]:
    """Return the served chains that clients accept; none without a probe."""
    return [] if case.evidence.live is None else [chain for chain in case.evidence.live.chains if chain.trusted]


def _rests_on_intermediate(chain: LiveChain, case: Situation) -> bool:
    """Whether a chain has pins, and only those of intermediates."""
    matching = chain.pins & case.policy.expected
    # A chain without any pin has a blocker already.
    return bool(matching) and all(_is_intermediate(pin, chain, case) for pin in matching)


def _is_intermediate(pin: Pin, chain: LiveChain, case: Situation) -> bool:
    """Whether the pin is an intermediate's, by its place in the served chain and not by whose it is.

    A public root that is served as a cross-certificate is between leaf and anchor too; it stays for years, so the
    catalog's entry counts for it.
    """
    if pin == chain.leaf_pin or pin in chain.anchor_pins:
        return False
    return not any(name.state is CaState.ROOT for name in case.catalog.ca_names_of(pin))


def _names_of_matching(chain: LiveChain, case: Situation) -> Iterator[CaName]:
    """Yield the catalog's names of the CA keys by which a chain matches."""
    for pin in chain.pins & case.policy.expected:
        yield from case.catalog.ca_names_of(pin)


def max_age(case: Situation) -> Iterator[Finding]:
    """How long clients cache pins: max-age is required (RFC 7469 section 2.1.2), and 60 days suffice (4.1)."""
    policy = case.policy
    # In a report-only field max-age has no meaning (RFC 7469 section 2.1.2).
    if policy.mode is not Mode.ENFORCE:
        return
    if policy.max_age is None:
        yield Finding(
            "max_age_missing",
            Severity.BLOCKER,
            "The policy enforces but sets no max-age, so clients ignore the header (RFC 7469 section 2.1.2).",
            "Set max-age; start with 300.",
        )
    elif policy.max_age > LONGEST_STEP.total_seconds():
        yield Finding(
            "max_age_too_long",
            Severity.WARNING,
            # Cut, because the number in a header can be larger than a timedelta holds.
            f"Clients cache these pins for {timedelta(seconds=min(policy.max_age, 10**9)).days:,} days. If the pins "
            "break, those clients stay locked out that long. RFC 7469 section 4.1 suggests 60 days; Chromium caps "
            "max-age there.",
            f"Lower max-age to {int(LONGEST_STEP.total_seconds())}.",
            {"max_age": policy.max_age},
        )


def report_uri(case: Situation) -> Iterator[Finding]:
    """Ask for a report-uri outside of the pins: under them it falls silent when needed (RFC 7469 section 2.1.4)."""
    policy = case.policy
    if policy.report_uri is None:
        yield Finding(
            "no_report_uri",
            Severity.WARNING,
            "The policy has no report-uri, so it is unknown where clients send reports.",
            f"Add the report-uri of the header: `hpkp policy set {policy.host} --report-uri URI`.",
        )
        return
    checked = check_report_uri(policy.report_uri, policy.host, include_subdomains=policy.include_subdomains)
    # It withholds: if clients cannot reach the collector, their silence is no evidence.
    if ReportUriFault.UNREACHABLE in checked.faults and not case.limits.private_addresses:
        yield Finding(
            "report_uri_unreachable",
            Severity.WARNING,
            f"The report-uri is on {checked.target}, an address or a name that is unreachable from the internet, so "
            "clients there cannot report.",
            "Use a public host in the report-uri. If all clients are in your network, set "
            "HPKP_PROBE_PRIVATE_ADDRESSES=true.",
            {"report_uri": policy.report_uri},
            withholds=True,
        )
    if ReportUriFault.UNDER_PINS in checked.faults:
        yield Finding(
            "report_uri_on_pinned_host",
            Severity.WARNING,
            f"Browsers do not send reports to {checked.target}, which has the same pins, and when the pins fail no "
            "report can get out.",
            "Serve the collector under an unpinned name, and use that name in the report-uri.",
            {"report_uri": policy.report_uri},
            # A canary arrives there all the same, so nothing else shows that browsers stay silent.
            withholds=not case.apps_only,
        )


def subdomains(case: Situation) -> Iterator[Finding]:
    """Report includeSubDomains without evidence of any subdomain: the pins hold for all of them (section 2.1.3)."""
    names = {*case.evidence.hostnames, *case.evidence.subdomains} - {case.policy.host}
    if case.policy.include_subdomains and not names:
        yield Finding(
            "subdomains_not_seen",
            Severity.WARNING,
            f"includeSubDomains is set, but no subdomain of {case.policy.host} was ever probed, reported, or counted. "
            "It is unknown whether their certificates have a pinned key.",
            "Remove includeSubDomains until the subdomains are known; or set a policy for each one in use, probe it "
            "(`hpkp probe NAME`), and import its exposure.",
        )


def unpinned_subdomains(case: Situation) -> Iterator[Finding]:
    """Check what names below the host serve: includeSubDomains puts the pins on them, too (section 2.1.3).

    Also on one with a policy of its own: a client that noted the host, and not yet that name, applies the host's pins.
    """
    expected = case.policy.expected
    # Only trusted chains: a connection with another one fails without pins, too.
    found = {
        live.probe.host: sorted({str(chain.leaf_pin) for chain in unpinned if chain.leaf_pin is not None})
        for live in case.evidence.probed_below
        if (unpinned := [chain for chain in live.chains if chain.trusted and not expected & chain.pins])
    }
    if not found:
        return
    names = sorted(found)
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    enforced = case.policy.mode is Mode.ENFORCE
    yield Finding(
        "subdomain_not_pinned",
        Severity.BLOCKER,
        f"includeSubDomains puts the pins on names that serve certificates without a pinned key: {shown}{more}. "
        + ("Clients with cached pins are locked out." if enforced else "Enforcing would lock clients out."),
        f"At {names[0]}, deploy a certificate with a pinned key, or add pin {', '.join(found[names[0]])} to the policy "
        f"of {case.policy.host}; then run `hpkp probe {names[0]}`. Otherwise remove includeSubDomains. If the name is "
        f"no longer in use, run `hpkp policy withdraw {names[0]}`.",
        {"subdomains": names, "leaf_pins": sorted({pin for pins in found.values() for pin in pins})},
    )


_NAMES_SHOWN = 5


def remembered_pins(case: Situation) -> Iterator[Finding]:
    """Check what clients still cache of previous revisions that were enforced (RFC 7469 section 2.3.2).

    A chain without a pin of theirs locks them out until their max-age has run out, whatever the header says now.
    """
    for former, until in remembered_revisions(case.history, case.at):
        evidence: dict[str, object] = {"revision": former.revision, "until": until.isoformat()}
        # Clients compare the pins that they cached, so the current header cannot help them: they never get to read it.
        if broken := [chain for chain in _trusted(case) if not former.expected & chain.pins]:
            yield Finding(
                "remembered_pins_broken",
                Severity.BLOCKER,
                f"Clients may cache the pins of revision {former.revision} until {until:%Y-%m-%d %H:%M} UTC. The "
                "served chains match none of them.",
                f"Serve a certificate with a key pinned in revision {former.revision}, such as its backup key. "
                "Changing the header does not help: these clients refuse the connection before they read it. Without "
                f"such a key, they stay locked out until {until:%Y-%m-%d %H:%M} UTC.",
                evidence | {"addresses": sorted({chain.address for chain in broken})},
            )
        elif new := sorted(map(str, case.policy.expected - former.expected)):
            yield Finding(
                "new_pins_not_known_yet",
                Severity.WARNING,
                f"Clients that cached revision {former.revision} may lack the newer pins until "
                f"{until:%Y-%m-%d %H:%M} UTC.",
                "Until then, deploy a new key only in a chain that also contains a key pinned in revision "
                f"{former.revision}.",
                evidence | {"pins": new},
            )
