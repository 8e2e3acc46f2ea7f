"""What one probe found that a host serves, and the differences from its policy.

::

    Probe: address ─< chains, answers (path, status, field values)
      └─describe_live(anchors)─> ProbedHost: pins of each chain by signatures, trust, dates
           └─review_live(policy)─> findings

What a probe did not reach is unknown: it withholds the verdict `ready`, and never counts as correct.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.hpkp.control import are_control_pins
from app.hpkp.errors import InvalidHeader
from app.hpkp.findings import Finding, Severity
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY
from app.hpkp.header.value import PinningHeader, parse_header
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.wording import count, describe_duration
from app.hpkp.x509.anchors import Anchor, KnownCertificates
from app.hpkp.x509.certificate import Certificate, Chain
from app.hpkp.x509.path_defects import DATES
from app.hpkp.x509.paths import PathClass, complete_paths, find_leaf

_BUILDABLE = (PathClass.USABLE, PathClass.POSSIBLE)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request: its status, and the values of both fields in their order."""

    path: str
    status: int
    enforcing: tuple[str, ...] = ()
    report_only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a host. A server with keys of two kinds sends a chain for each; ``faults`` are sentences."""

    address: str
    chains: tuple[Chain, ...] = ()
    answers: tuple[Answer, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a host at all its addresses. ``fault`` if not even an address was found."""

    host: Host
    port: int
    at: datetime
    endpoints: tuple[Endpoint, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class ProbedChain:
    """A chain that was served, with the paths that clients may build from its leaf, trust anchors included.

    ``pins`` are on some path of the best class, ``pins_on_every_path`` on all of them.
    """

    address: str
    leaf_pin: Pin | None
    pins: frozenset[Pin]
    pins_on_every_path: frozenset[Pin]
    anchor: Anchor
    covers_host: bool
    in_validity: bool
    leaf_not_after: datetime | None
    anchor_pins: frozenset[Pin] = frozenset()
    """Of the anchors where its paths end: what is neither the leaf's nor among these is an intermediate's."""
    intermediates_end: datetime | None = None
    """When the first of the served intermediates expires."""

    @property
    def trusted(self) -> bool:
        """Whether it ends at a public root or one of the operator's, now, for this host."""
        return self.anchor in (Anchor.PUBLIC, Anchor.OPERATOR) and self.covers_host and self.in_validity


@dataclass(frozen=True, slots=True)
class ProbedHost:
    """A probe, understood."""

    probe: Probe
    chains: tuple[ProbedChain, ...]
    earlier: tuple[Probe, ...] = ()
    """The last results for addresses that the probe did not reach: they count until another result arrives."""

    @property
    def leaf_pins(self) -> frozenset[Pin]:
        """Pins of the leaf keys that were served in chains which hold."""
        return frozenset(chain.leaf_pin for chain in self.chains if chain.trusted and chain.leaf_pin is not None)


def describe_live(probe: Probe, anchors: KnownCertificates, earlier: tuple[Probe, ...] = ()) -> ProbedHost:
    """Work out for each served chain what the rules ask of it, at the moment when it was seen."""
    return ProbedHost(
        probe,
        tuple(
            _describe(endpoint.address, chain, seen, anchors)
            for seen in (probe, *earlier)
            for endpoint in seen.endpoints
            for chain in endpoint.chains
        ),
        earlier,
    )


def keep_last_seen(probe: Probe, before: Iterable[Probe]) -> tuple[Probe, ...]:
    """Return what was last seen where a probe saw nothing, given the probes before it, the latest first.

    If not even an address was found, that is all of the last probe that saw a chain; otherwise of each address that
    showed none, the last one that it showed.
    """
    missing = {endpoint.address for endpoint in probe.endpoints if not endpoint.chains}
    found = list[Probe]()
    for earlier in before:
        seen = [e for e in earlier.endpoints if e.chains and (e.address in missing or not probe.endpoints)]
        if seen:
            found.append(replace(earlier, endpoints=tuple(seen)))
            missing -= {endpoint.address for endpoint in seen}
        if not missing and (probe.endpoints or found):
            break
    return tuple(found)


def _describe(address: str, chain: Chain, probe: Probe, known: KnownCertificates) -> ProbedChain:
    """Complete the paths of the leaf at the moment of the probe: the root that servers leave out counts too."""
    position = find_leaf(chain, probe.host)
    leaf = chain[position] if chain else None
    if not isinstance(leaf, Certificate):
        pins = frozenset[Pin]() if leaf is None or leaf.pin is None else frozenset({leaf.pin})
        return ProbedChain(address, None if leaf is None else leaf.pin, pins, pins, Anchor.UNKNOWN, False, False, None)
    paths = complete_paths(leaf, chain, known).at(probe.at)
    best = paths.best
    # An expired certificate next to a good path does not matter; one on every path does.
    same = paths.of_classes((best.path_class,))
    return ProbedChain(
        address=address,
        leaf_pin=leaf.pin,
        pins=frozenset(pin for path in same for pin in path.pins),
        pins_on_every_path=frozenset.intersection(*(path.pins for path in same)),
        anchor=best.stored_as if best.class_without(DATES) in _BUILDABLE else Anchor.UNKNOWN,
        covers_host=leaf.covers(probe.host) is not False,
        in_validity=best.path_class is not PathClass.BROKEN or best.class_without(DATES) is PathClass.BROKEN,
        leaf_not_after=leaf.not_after,
        anchor_pins=frozenset(path.top.pin for path in same if path.stored_as is not Anchor.UNKNOWN),
        intermediates_end=min(
            (
                element.not_after
                for number, element in enumerate(chain)
                if number != position
                and isinstance(element, Certificate)
                and element.subject != element.issuer
                and element.not_after is not None
            ),
            default=None,
        ),
    )


def review_live(
    policy: PinningPolicy, live: ProbedHost, *, control_pins: frozenset[Pin] = frozenset()
) -> tuple[Finding, ...]:
    """Compare what a host serves with its policy. No findings mean that everything that was probed is correct.

    A report-only field with control pins alone is correct too.
    """
    return (*_of_reach(live), *_of_chains(policy, live), *_of_fields(policy, live, control_pins))


def satisfied(findings: Iterable[Finding]) -> bool | None:
    """Whether all is as the policy says: False with a blocker, else None where something could not be seen."""
    found = list(findings)
    if any(finding.severity is Severity.BLOCKER for finding in found):
        return False
    return None if any(finding.withholds for finding in found) else True


def _of_reach(live: ProbedHost) -> Iterator[Finding]:
    probe = live.probe
    if probe.fault is not None or not probe.endpoints:
        yield Finding(
            "host_not_reached",
            Severity.WARNING,
            f"The probe of {probe.host} failed: {probe.fault or 'it has no address'}.{_still_stands(live)}",
            f"Check DNS and the network path from the collector, then run `hpkp probe {probe.host}`.",
            withholds=True,
        )
    if unseen := {e.address: "; ".join(e.faults) for e in probe.endpoints if not e.chains}:
        yield Finding(
            "address_not_reached",
            Severity.WARNING,
            f"{len(unseen)} of {count(len(probe.endpoints), 'address', 'addresses')} returned no certificate: "
            f"{', '.join(sorted(unseen))}.{_still_stands(live)}",
            "Probe from a network that reaches them, or remove them from DNS.",
            {"addresses": unseen},
            withholds=True,
        )


def _still_stands(live: ProbedHost) -> str:
    if not live.earlier:
        return ""
    last = max(probe.at for probe in live.earlier)
    return f" The last result, of {last:%Y-%m-%d %H:%M} UTC, counts until a probe finds something else."


def _of_chains(policy: PinningPolicy, live: ProbedHost) -> Iterator[Finding]:
    """At least one pin in every chain, and a Backup Pin in none of them (RFC 7469 section 2.5)."""
    enforced = policy.mode is Mode.ENFORCE
    unpinned = [chain for chain in live.chains if not policy.expected & chain.pins]
    if unpinned:
        leaves = sorted({str(chain.leaf_pin) for chain in unpinned if chain.leaf_pin is not None})
        effect = "Clients with cached pins are locked out." if enforced else "Enforcing would lock clients out."
        where = _at(unpinned)
        yield Finding(
            "no_pin_in_live_chain",
            Severity.BLOCKER,
            f"{where} served certificates without a pinned key. {effect}",
            _PUT_BACK.format(where=where) if enforced else _PIN_OR_REPLACE.format(where=where, pins=", ".join(leaves)),
            {"addresses": _addresses(unpinned), "leaf_pins": leaves},
        )
    if some := [c for c in live.chains if policy.expected & c.pins and not policy.expected & c.pins_on_every_path]:
        yield Finding(
            "pin_not_on_every_path",
            Severity.WARNING,
            f"{_at(some)} served chains with an expected pin on some trust paths but not on others. Clients that build "
            "another path would be locked out.",
            "Pin a key that is on every path, such as the leaf key.",
            {"addresses": _addresses(some)},
        )
    if (
        live.chains
        and all(policy.expected <= chain.pins_on_every_path for chain in live.chains)
        and len(policy.expected) > 1
    ):
        yield Finding(
            "no_backup_pin",
            Severity.BLOCKER,
            "Every pinned key is in a served chain. Clients ignore a policy without a backup pin (RFC 7469 section "
            "2.5).",
            f"Generate a backup key (`hpkp backup-key {policy.host}`), store it offline, and add its pin to the "
            "policy.",
        )
    elif len(policy.expected) > 1 and policy.expected <= frozenset(pin for chain in live.chains for pin in chain.pins):
        # Each chain leaves a pin out, so clients note the policy; but no key is kept offline.
        together = {
            a: frozenset(pin for chain in live.chains if chain.address == a for pin in chain.pins)
            for a in _addresses(live.chains)
        }
        on_one = sorted(address for address, pins in together.items() if policy.expected <= pins)
        yield Finding(
            "no_offline_backup",
            Severity.WARNING,
            "Every pinned key is in a served chain"
            f"{f', and {on_one[0]} alone has all of them' if on_one else ''}. "
            "If you lose the served keys, no pinned key is left (RFC 7469 section 4.3 asks for an offline backup).",
            f"Generate a backup key (`hpkp backup-key {policy.host}`), store it offline, and add its pin to the "
            "policy.",
            {"addresses": on_one},
            withholds=bool(on_one),
        )
    yield from _of_trust(live)
    max_age = timedelta(seconds=min(policy.max_age or 0, 10**9))
    ends = [chain.leaf_not_after for chain in live.chains if chain.leaf_not_after is not None and chain.in_validity]
    if ends and min(ends) < live.probe.at + max_age:
        yield Finding(
            "leaf_expires_within_max_age",
            Severity.WARNING,
            f"The certificate expires {min(ends):%Y-%m-%d}, but clients may cache these pins for "
            f"{describe_duration(max_age)}.",
            "Renew with the same key (`certbot renew --reuse-key`) or with the backup key.",
            {"not_after": min(ends).isoformat()},
        )
    soon = live.probe.at + max(_SOON, max_age)
    if due := [c for c in live.chains if c.in_validity and c.intermediates_end and c.intermediates_end < soon]:
        first = min(c.intermediates_end for c in due if c.intermediates_end is not None)
        yield Finding(
            "intermediate_expires_soon",
            Severity.WARNING,
            f"An intermediate served by {_at(due)} expires {first:%Y-%m-%d}. Its replacement may have another key, and "
            "clients may build another path.",
            "Get the CA's current intermediate, check the new chain with `hpkp check`, and serve it if it contains a "
            "pinned key.",
            {"not_after": first.isoformat(), "addresses": _addresses(due)},
        )


_SOON = timedelta(days=14)

_PUT_BACK = (
    "At {where}, deploy a certificate with a pinned key now, for example the backup key. Changing the header does not "
    "help locked-out clients: they refuse the connection before they read it."
)
_PIN_OR_REPLACE = "At {where}, deploy a certificate with a pinned key, or add pin {pins} to the policy."


def _of_trust(live: ProbedHost) -> Iterator[Finding]:
    if wrong := [chain for chain in live.chains if not chain.covers_host]:
        yield Finding(
            "live_leaf_for_another_name",
            Severity.BLOCKER,
            f"The certificate served by {_at(wrong)} is not valid for {live.probe.host}. Every client rejects it, with "
            "or without pins.",
            f"Install a certificate for {live.probe.host} at {_at(wrong)}.",
            {"addresses": _addresses(wrong)},
        )
    if expired := [chain for chain in live.chains if not chain.in_validity]:
        yield Finding(
            "live_chain_out_of_date",
            Severity.BLOCKER,
            f"A certificate served by {_at(expired)} is expired or not yet valid. Every client rejects it, with or "
            "without pins.",
            "Renew it with a pinned key.",
            {"addresses": _addresses(expired)},
        )
    if rootless := [chain for chain in live.chains if chain.anchor not in (Anchor.PUBLIC, Anchor.OPERATOR)]:
        yield Finding(
            "live_chain_not_trusted",
            Severity.WARNING,
            f"The chain served by {_at(rootless)} does not reach a trusted root. Clients do not cache pins from an "
            "untrusted connection (RFC 7469 section 2.5).",
            "Serve the intermediates. For a private root, set HPKP_TRUST_ANCHORS.",
            {"addresses": _addresses(rootless)},
            withholds=True,
        )


def _of_fields(policy: PinningPolicy, live: ProbedHost, control_pins: frozenset[Pin]) -> Iterator[Finding]:
    """Check whether every response carries the policy's own field and nothing else."""
    wanted = ENFORCING if policy.mode is Mode.ENFORCE else REPORT_ONLY
    missing, unreadable, different = list[str](), dict[str, str](), defaultdict[str, list[str]](list)
    enforced_too, control, present = list[str](), list[str](), 0
    for where, answer in _answers(policy, live):
        values = answer.enforcing if policy.mode is Mode.ENFORCE else answer.report_only
        if policy.mode is Mode.REPORT_ONLY and answer.enforcing:
            enforced_too.append(where)
        if not values:
            missing.append(where)
            continue
        present += 1
        try:
            header = parse_header(values[0])
            if _is_control(policy, header, control_pins):
                control.append(where)
                continue
            for difference in differences(policy, header):
                different[difference].append(where)
        except InvalidHeader as error:
            unreadable[where] = str(error)
    if enforced_too:
        yield Finding(
            "enforces_already",
            Severity.BLOCKER,
            f"The policy is report-only, but the host sends {ENFORCING}, which browsers enforce.",
            f"Send {REPORT_ONLY}, or set the policy's mode to enforce.",
            {"answers": enforced_too[:20]},
        )
    if unreadable:
        yield Finding(
            "header_unparseable",
            Severity.BLOCKER,
            f"Clients ignore {wanted} as served: {next(iter(unreadable.values()))}.",
            f"Generate the header: `hpkp header make --host {policy.host} --for SERVER`.",
            {"answers": unreadable},
        )
    for difference, answers in different.items():
        yield Finding(
            "header_differs",
            Severity.BLOCKER,
            f"{wanted} differs from the policy: {difference}.",
            f"Serve the policy's header (`hpkp header make --host {policy.host} --for SERVER`), or update the policy.",
            {"answers": answers[:20]},
        )
    if control and len(control) == present:
        yield Finding(
            "only_control_served",
            Severity.WARNING,
            f"Every response with {wanted} carried control pins, and none the pins of the policy. Clients that get "
            "only control pins do not report violations of the policy.",
            f"Send control pins to a small share of clients (`hpkp control show {policy.host} --for SERVER`), then run "
            f"`hpkp probe {policy.host}`. The probe may be in that share for a day.",
            {"answers": control[:20]},
            withholds=True,
        )
    if missing:
        yield _missing(policy.host, wanted, missing, present=present)


def _missing(host: Host, wanted: str, answers: list[str], *, present: int) -> Finding:
    if present:
        return Finding(
            "header_not_everywhere",
            Severity.WARNING,
            f"{len(answers)} of {count(len(answers) + present, 'response')} lack {wanted}, for example {answers[0]}.",
            f"Send it on every response, including errors: `hpkp header make --host {host} --for SERVER`.",
            {"answers": answers[:20]},
        )
    return Finding(
        "header_not_served",
        Severity.WARNING,
        f"No response carries {wanted}, so browsers get no pins.",
        f"Add it to the server: `hpkp header make --host {host} --for SERVER`. If only apps pin this host, import "
        f"install counts: `hpkp exposure installs {host} TABLE`.",
        {"answers": answers[:20]},
        withholds=True,
    )


def serves_policy(
    policy: PinningPolicy, endpoints: Iterable[Endpoint], *, control_pins: frozenset[Pin] = frozenset()
) -> bool | None:
    """Whether every address served the policy's own field, and no other; None if an address did not answer.

    A probe in the share of clients that get control pins does not see what the others get: None if it saw nothing else.
    """
    endpoints = tuple(endpoints)
    seen = [_carry_field(policy, endpoint.answers, control_pins) for endpoint in endpoints if endpoint.answers]
    told = [carried for carried in seen if carried is not None]
    if False in told:
        return False
    # The clients of an address that did not answer may have received no pins, and report nothing.
    return True if told and all(endpoint.answers for endpoint in endpoints) else None


def _carry_field(policy: PinningPolicy, answers: Iterable[Answer], control_pins: frozenset[Pin]) -> bool | None:
    fields = [answer.enforcing if policy.mode is Mode.ENFORCE else answer.report_only for answer in answers]
    try:
        # Clients read the first field of a response (RFC 7469 section 2.3.1).
        headers = [parse_header(values[0]) for values in fields if values]
    except InvalidHeader:
        return False
    usual = [header for header in headers if not _is_control(policy, header, control_pins)]
    if headers and not usual:
        return None
    return bool(usual) and not any(any(differences(policy, header)) for header in usual)


def _is_control(policy: PinningPolicy, header: PinningHeader, control_pins: frozenset[Pin]) -> bool:
    """Whether a field is the report-only one with control pins; in the enforcing field they are a difference."""
    return policy.mode is Mode.REPORT_ONLY and are_control_pins(header.pins, control_pins)


def differences(policy: PinningPolicy, header: PinningHeader) -> Iterator[str]:
    """Name each difference of a served field from the policy."""
    served = frozenset(header.pins)
    if lacking := sorted(map(str, policy.expected - served)):
        yield f"missing {', '.join(lacking)}"
    if foreign := sorted(map(str, served - policy.expected)):
        yield f"extra {', '.join(foreign)}"
    if header.max_age != policy.max_age and policy.mode is Mode.ENFORCE:  # report-only pins are not cached
        yield f"max-age {_or_none(header.max_age)} instead of {_or_none(policy.max_age)}"
    if header.include_subdomains != policy.include_subdomains:
        yield "includeSubDomains is set" if header.include_subdomains else "includeSubDomains is not set"
    if header.report_uri != policy.report_uri:
        yield f"report-uri {_or_none(header.report_uri)} instead of {_or_none(policy.report_uri)}"


def _or_none(value: object) -> object:
    return "none" if value is None else value


def _answers(policy: PinningPolicy, live: ProbedHost) -> Iterator[tuple[str, Answer]]:
    """Yield answers with where they came from; earlier ones only if they may carry this revision of the policy."""
    since = policy.effective_from
    for seen in (live.probe, *(probe for probe in live.earlier if since is None or probe.at >= since)):
        for endpoint in seen.endpoints:
            for answer in endpoint.answers:
                yield f"{endpoint.address} {answer.path} ({answer.status})", answer


def _addresses(chains: Iterable[ProbedChain]) -> list[str]:
    return sorted({chain.address for chain in chains})


def _at(chains: Iterable[ProbedChain]) -> str:
    return ", ".join(_addresses(chains))
