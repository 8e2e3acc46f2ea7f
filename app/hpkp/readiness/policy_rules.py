"""Rules on the policy alone: enough pins of keys that will last, and a place for reports outside of them."""

from collections.abc import Iterator

from app.hpkp.catalog import CaState
from app.hpkp.deployment import remembered_revisions
from app.hpkp.findings import Finding, Severity
from app.hpkp.hosts import is_subdomain
from app.hpkp.live import LiveChain
from app.hpkp.pins import Pin
from app.hpkp.readiness.evidence import Situation

_ISSUES_NO_MORE = frozenset({CaState.RETIRED, CaState.OLD})


def enough_pins(case: Situation) -> Iterator[Finding]:
    """At least two pins (RFC 7469 sections 2.5 and 4.3) of keys that somebody has and may keep."""
    expected = case.policy.expected
    examples = expected & case.catalog.example_pins.keys()
    useless = examples | _retired(case) | (expected & case.catalog.known_bad.keys())
    if len(expected) < 2:
        yield Finding(
            "fewer_than_two_pins",
            Severity.BLOCKER,
            f"The policy has {len(expected)} pin(s); a UA notes no policy without a Backup Pin (RFC 7469 section 2.5).",
            "Make a backup key (`hpkp backup-key`), keep it offline, and add its pin.",
            {"pins": len(expected)},
        )
    elif len(expected - useless) < 2:
        yield Finding(
            "fewer_than_two_usable_pins",
            Severity.BLOCKER,
            f"Of {len(expected)} pins {len(useless)} stand for keys that nobody can rely on; two others are needed.",
            "Make a backup key (`hpkp backup-key`), keep it offline, and put its pin in place of those.",
            {"useless_pins": sorted(map(str, useless))},
        )


def no_placeholder(case: Situation) -> Iterator[Finding]:
    """None of the pins of standards and tutorials, to which everybody or nobody has the key."""
    if examples := sorted(map(str, case.policy.expected & case.catalog.example_pins.keys())):
        yield Finding(
            "placeholder_pin",
            Severity.BLOCKER,
            "The policy holds pins from tutorials or placeholders, to which nobody has a key.",
            "Replace them with the pins of your own keys (`hpkp pin FILE`).",
            {"pins": examples},
        )


def no_bad_key(case: Situation) -> Iterator[Finding]:
    """None of the keys that are known to be compromised: pinning one lets its thieves in."""
    if bad := sorted(map(str, case.policy.expected & case.catalog.known_bad.keys())):
        yield Finding(
            "known_bad_pin",
            Severity.BLOCKER,
            "The policy pins a key that is known to be compromised or misused.",
            "Make another key, replace its certificate, and take the pin out.",
            {"pins": bad},
        )


def ca_keys_that_go(case: Situation) -> Iterator[Finding]:
    """No reliance on an intermediate, which its CA replaces without asking (RFC 7469 appendix B)."""
    if retired := sorted(map(str, _retired(case))):
        yield Finding(
            "retired_ca_pin",
            Severity.CAUTION,
            "The policy pins a CA's key that issues no more; it will stand in no chain of yours again.",
            "Take it out, and pin your own leaf key instead.",
            {"pins": retired},
        )
    if resting := [chain for chain in _trusted(case) if _rests_on_rotating(chain, case)]:
        pins = sorted({str(pin) for chain in resting for pin in chain.pins & case.policy.expected})
        yield Finding(
            "rests_on_rotating_ca",
            Severity.BLOCKER,
            "The only expected pin in the chain served is that of an intermediate that its CA may change at any "
            "renewal; that renewal would lock everybody out.",
            f"Pin your own leaf key ({', '.join(sorted({str(chain.leaf_pin) for chain in resting}))}) besides, and "
            "renew with the same key.",
            {"pins": pins},
        )


def _trusted(case: Situation) -> list[LiveChain]:
    return [] if case.evidence.live is None else [chain for chain in case.evidence.live.chains if chain.trusted]


def _rests_on_rotating(chain: LiveChain, case: Situation) -> bool:
    matching = chain.pins & case.policy.expected
    return bool(matching) and all(_rotates(pin, case) for pin in matching)


def _rotates(pin: Pin, case: Situation) -> bool:
    """Whether it is an intermediate's key; a root that is in public stores stays for years."""
    states = {name.state for name in case.catalog.ca_names_of(pin)}
    return bool(states & {CaState.ACTIVE, CaState.BACKUP, CaState.PENDING}) and CaState.ROOT not in states


def _retired(case: Situation) -> frozenset[Pin]:
    return frozenset(
        pin
        for pin in case.policy.expected
        if (names := case.catalog.ca_names_of(pin)) and all(name.state in _ISSUES_NO_MORE for name in names)
    )


def report_uri(case: Situation) -> Iterator[Finding]:
    """Ask for a report-uri outside of the pins: under them it falls silent when needed (RFC 7469 section 2.1.4)."""
    policy = case.policy
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
                f"Clients that noted revision {former.revision} are locked out until {until:%Y-%m-%d %H:%M} UTC at "
                "the latest: the chain served holds none of its pins.",
                "Serve a certificate with a key that revision pinned, its Backup Pin's for one; changing the header "
                "does not reach them.",
                evidence | {"addresses": sorted({chain.address for chain in broken})},
            )
        elif new := sorted(map(str, case.policy.expected - former.expected)):
            yield Finding(
                "new_pins_not_known_yet",
                Severity.CAUTION,
                f"Pins added since revision {former.revision} are unknown to clients that noted that one, until "
                f"{until:%Y-%m-%d %H:%M} UTC at the latest.",
                "Serve none of these keys without a pin of that revision beside it before then.",
                evidence | {"pins": new},
            )
