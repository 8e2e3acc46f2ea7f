"""What a host serves, seen from here at one moment, and how that stands towards its policy.

::

    Probe: address ─< chains, answers (path, status, field values)
      └─describe_live(anchors)─> LiveHost: pins of each chain by signatures, trust, dates
           └─review_live(policy)─> findings

What was not reached is not known; it withholds the verdict, and never counts as right.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.hpkp.chain import Anchor, Certificate, Chain, TrustAnchors, build_path, find_leaf, outside_validity, pins_of
from app.hpkp.errors import InvalidHeader
from app.hpkp.findings import Finding, Severity
from app.hpkp.header import PinningHeader, parse_header
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.servers import ENFORCING, REPORT_ONLY


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request: its status, and the values of both fields in their order."""

    path: str
    status: int
    enforcing: tuple[str, ...] = ()
    report_only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a host. A server with keys of two kinds shows a chain for each; ``faults`` are in words."""

    address: str
    chains: tuple[Chain, ...] = ()
    answers: tuple[Answer, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at a host at all its addresses. ``fault`` where not even an address was found."""

    host: Host
    port: int
    at: datetime
    endpoints: tuple[Endpoint, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class LiveChain:
    """A chain that was served, as far as signatures join it to its leaf; ``pins`` with the anchor's."""

    address: str
    leaf_pin: Pin | None
    pins: frozenset[Pin]
    anchor: Anchor
    covers_host: bool
    in_validity: bool
    leaf_not_after: datetime | None

    @property
    def trusted(self) -> bool:
        """Whether it ends at a public root or one of the operator's, now, for this host."""
        return self.anchor in (Anchor.PUBLIC, Anchor.OPERATOR) and self.covers_host and self.in_validity


@dataclass(frozen=True, slots=True)
class LiveHost:
    """A probe, understood."""

    probe: Probe
    chains: tuple[LiveChain, ...]

    @property
    def leaf_pins(self) -> frozenset[Pin]:
        """Pins of the leaf keys that were served in chains which hold."""
        return frozenset(chain.leaf_pin for chain in self.chains if chain.trusted and chain.leaf_pin is not None)


def describe_live(probe: Probe, anchors: TrustAnchors) -> LiveHost:
    """Work out for each served chain what the rules ask of it, at the moment of the probe."""
    return LiveHost(
        probe,
        tuple(
            _describe(endpoint.address, chain, probe, anchors)
            for endpoint in probe.endpoints
            for chain in endpoint.chains
        ),
    )


def _describe(address: str, chain: Chain, probe: Probe, anchors: TrustAnchors) -> LiveChain:
    position = find_leaf(chain, probe.host)
    path = build_path(chain, anchors, leaf=position)
    pins = pins_of(chain[i] for i in path.positions)
    leaf = chain[position] if chain else None
    readable = isinstance(leaf, Certificate)
    return LiveChain(
        address=address,
        leaf_pin=None if leaf is None else leaf.pin,
        pins=pins if path.anchor_pin is None else pins | {path.anchor_pin},
        anchor=path.anchor,
        covers_host=isinstance(leaf, Certificate) and leaf.covers(probe.host),
        in_validity=readable and not outside_validity(chain, path.positions, probe.at),
        leaf_not_after=leaf.not_after if isinstance(leaf, Certificate) else None,
    )


def review_live(policy: PinningPolicy, live: LiveHost) -> tuple[Finding, ...]:
    """Compare what a host serves with its policy. No findings mean that all that was looked at is as it should be."""
    return (*_of_reach(live), *_of_chains(policy, live), *_of_fields(policy, live))


def satisfied(findings: Iterable[Finding]) -> bool | None:
    """Whether all is as the policy says: False with a blocker, else None where something could not be seen."""
    found = list(findings)
    if any(finding.severity is Severity.BLOCKER for finding in found):
        return False
    return None if any(finding.withholds for finding in found) else True


def _of_reach(live: LiveHost) -> Iterator[Finding]:
    probe = live.probe
    if probe.fault is not None or not probe.endpoints:
        yield Finding(
            "host_not_reached",
            Severity.CAUTION,
            f"{probe.host} could not be looked at: {probe.fault or 'it has no address'}.",
            "Check the name and the network between here and there, then probe again.",
            withholds=True,
        )
    if unseen := {e.address: "; ".join(e.faults) for e in probe.endpoints if not e.chains}:
        yield Finding(
            "address_not_reached",
            Severity.CAUTION,
            f"{len(unseen)} of {len(probe.endpoints)} address(es) showed no chain, so what they serve is not known.",
            "Probe from where they can be reached, or take them out of the DNS.",
            {"addresses": unseen},
            withholds=True,
        )


def _of_chains(policy: PinningPolicy, live: LiveHost) -> Iterator[Finding]:
    """At least one pin in every chain, and a Backup Pin in none of them (RFC 7469 section 2.5)."""
    unpinned = [chain for chain in live.chains if not policy.expected & chain.pins]
    if unpinned:
        leaves = sorted({str(chain.leaf_pin) for chain in unpinned if chain.leaf_pin is not None})
        yield Finding(
            "no_pin_in_live_chain",
            Severity.BLOCKER,
            f"No expected pin stands in the chain that {_at(unpinned)} served.",
            "Pin a key of the served chain, or deploy a certificate for a pinned key.",
            {"addresses": _addresses(unpinned), "leaf_pins": leaves},
        )
    if live.chains and all(policy.expected <= chain.pins for chain in live.chains) and len(policy.expected) > 1:
        yield Finding(
            "no_backup_pin",
            Severity.BLOCKER,
            "Every pin of the policy stands in the served chain; a Backup Pin must not (RFC 7469 section 2.5).",
            "Make a backup key (`hpkp backup-key`), keep it offline, and add its pin.",
        )
    yield from _of_trust(live)
    max_age = timedelta(seconds=min(policy.max_age or 0, 10**9))
    ends = [chain.leaf_not_after for chain in live.chains if chain.leaf_not_after is not None and chain.in_validity]
    if ends and min(ends) < live.probe.at + max_age:
        yield Finding(
            "leaf_expires_within_max_age",
            Severity.CAUTION,
            f"The leaf ends on {min(ends):%Y-%m-%d}, before a max-age of {policy.max_age} seconds runs out: the next "
            "certificate must be for a pinned key.",
            "Renew with the same key (certbot --reuse-key) or with the backup key.",
            {"not_after": min(ends).isoformat()},
        )


def _of_trust(live: LiveHost) -> Iterator[Finding]:
    if wrong := [chain for chain in live.chains if not chain.covers_host]:
        yield Finding(
            "live_leaf_for_another_name",
            Severity.BLOCKER,
            f"The leaf that {_at(wrong)} served is not for {live.probe.host}; every client refuses it.",
            "Deploy the right certificate there.",
            {"addresses": _addresses(wrong)},
        )
    if expired := [chain for chain in live.chains if not chain.in_validity]:
        yield Finding(
            "live_chain_out_of_date",
            Severity.BLOCKER,
            f"A certificate in the chain that {_at(expired)} served is expired or not yet valid.",
            "Renew it with a pinned key.",
            {"addresses": _addresses(expired)},
        )
    if rootless := [chain for chain in live.chains if chain.anchor not in (Anchor.PUBLIC, Anchor.OPERATOR)]:
        yield Finding(
            "live_chain_not_trusted",
            Severity.CAUTION,
            f"The chain that {_at(rootless)} served leads to no root that is known here; UAs note no pins over such a "
            "connection (RFC 7469 section 2.5).",
            "Serve the intermediates; for a root of your own set HPKP_TRUST_ANCHORS.",
            {"addresses": _addresses(rootless)},
            withholds=True,
        )


def _of_fields(policy: PinningPolicy, live: LiveHost) -> Iterator[Finding]:
    """Look whether every answer carries the policy's own field and nothing else."""
    wanted = ENFORCING if policy.mode is Mode.ENFORCE else REPORT_ONLY
    missing, unreadable, different = list[str](), dict[str, str](), defaultdict[str, list[str]](list)
    enforced_too, present = list[str](), 0
    for where, answer in _answers(live):
        values = answer.enforcing if policy.mode is Mode.ENFORCE else answer.report_only
        if policy.mode is Mode.REPORT_ONLY and answer.enforcing:
            enforced_too.append(where)
        if not values:
            missing.append(where)
            continue
        present += 1
        try:
            for difference in differences(policy, parse_header(values[0])):
                different[difference].append(where)
        except InvalidHeader as error:
            unreadable[where] = str(error)
    if enforced_too:
        yield Finding(
            "enforces_already",
            Severity.BLOCKER,
            f"The policy is report-only, but {ENFORCING} is served: browsers enforce it already.",
            f"Serve {REPORT_ONLY} instead, or set the policy's mode to enforce.",
            {"answers": enforced_too[:20]},
        )
    if unreadable:
        yield Finding(
            "header_unparseable",
            Severity.BLOCKER,
            f"{wanted} is served in a form that UAs ignore: {next(iter(unreadable.values()))}.",
            "Look at it with `hpkp header lint`; write it with `hpkp header make`.",
            {"answers": unreadable},
        )
    for difference, answers in different.items():
        yield Finding(
            "header_differs",
            Severity.BLOCKER,
            f"{wanted} as served differs from the policy: {difference}.",
            "Serve what the policy says (`hpkp header make --host`), or set the policy to what is served.",
            {"answers": answers[:20]},
        )
    if missing:
        yield _missing(wanted, missing, present=present)


def _missing(wanted: str, answers: list[str], *, present: int) -> Finding:
    if present:
        return Finding(
            "header_not_everywhere",
            Severity.CAUTION,
            f"{wanted} is missing in {len(answers)} of {len(answers) + present} answers.",
            "Add it to every answer, errors too (`hpkp header make --for` writes such a line).",
            {"answers": answers[:20]},
        )
    return Finding(
        "header_not_served",
        Severity.CAUTION,
        f"No answer carried {wanted}. Apps bring their own pins; browsers see none.",
        "Serve the field (`hpkp header make`), or, where only apps are pinned, go by their numbers.",
        {"answers": answers[:20]},
        withholds=True,
    )


def differences(policy: PinningPolicy, header: PinningHeader) -> Iterator[str]:
    """Say in what a served field differs from the policy."""
    served = frozenset(header.pins)
    if lacking := sorted(map(str, policy.expected - served)):
        yield f"it lacks {', '.join(lacking)}"
    if foreign := sorted(map(str, served - policy.expected)):
        yield f"it has {', '.join(foreign)}, which the policy has not"
    if header.max_age != policy.max_age and (policy.mode is Mode.ENFORCE or header.max_age is not None):
        yield f"max-age is {_or_none(header.max_age)}, in the policy {_or_none(policy.max_age)}"
    if header.include_subdomains != policy.include_subdomains:
        yield "it has includeSubDomains" if header.include_subdomains else "it lacks includeSubDomains"
    if header.report_uri != policy.report_uri:
        yield f"report-uri is {_or_none(header.report_uri)}, in the policy {_or_none(policy.report_uri)}"


def _or_none(value: object) -> object:
    return "none" if value is None else value


def _answers(live: LiveHost) -> Iterator[tuple[str, Answer]]:
    for endpoint in live.probe.endpoints:
        for answer in endpoint.answers:
            yield f"{endpoint.address} {answer.path} ({answer.status})", answer


def _addresses(chains: Iterable[LiveChain]) -> list[str]:
    return sorted({chain.address for chain in chains})


def _at(chains: Iterable[LiveChain]) -> str:
    return ", ".join(_addresses(chains))
