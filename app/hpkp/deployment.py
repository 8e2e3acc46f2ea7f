"""Whether a chain that is about to be deployed satisfies the pins: those expected now, and those still remembered.

A UA keeps the pins of an enforced policy for its max-age (RFC 7469 section 2.3.2), counted from the last time it met
them. A former revision may therefore be known until max-age after it was replaced.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.hpkp.errors import InvalidCertificate
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy, PolicyHistory
from app.hpkp.x509.certificate import (
    Anchor,
    Certificate,
    Chain,
    Element,
    TrustAnchors,
    build_path,
    find_leaf,
    pins_of,
    read_certificate,
)
from app.hpkp.x509.pem import CERTIFICATE_LABELS, pem_blocks

LONGEST_REMEMBERED = 10**9
"""Seconds, some thirty years; no UA remembers pins for longer."""

LONGEST_CHAIN = 100
"""Certificates that are read of one chain about to be deployed."""


@dataclass(frozen=True, slots=True)
class RememberedPins:
    """A former revision that clients may still know, and whether the chain satisfies it."""

    policy: PinningPolicy
    until: datetime
    satisfied: bool


@dataclass(frozen=True, slots=True)
class DeploymentCheck:
    """The answer for one chain. ``satisfied`` is None where no policy is in force or the leaf cannot be read."""

    satisfied: bool | None
    why: str
    matching: tuple[Pin, ...]
    remembered: tuple[RememberedPins, ...]
    caveats: tuple[str, ...]

    @property
    def deployable(self) -> bool | None:
        """Whether it may go live: it satisfies the expected pins, and breaks none that clients may still know."""
        return False if any(not remembered.satisfied for remembered in self.remembered) else self.satisfied


def read_pem_chain(text: str) -> Chain:
    """Read the certificates of a PEM text, in their order. Raises InvalidCertificate where there are none."""
    blocks = [block for block in pem_blocks(text) if block.label in CERTIFICATE_LABELS]
    if not blocks:
        raise InvalidCertificate("there is no PEM certificate in it")
    if len(blocks) > LONGEST_CHAIN:
        raise InvalidCertificate(f"a chain has at most {LONGEST_CHAIN} certificates, this has {len(blocks)}")
    chain: list[Element] = []
    for position, block in enumerate(blocks):
        try:
            chain.append(read_certificate(block.decode(), position=position))
        except ValueError as error:
            raise InvalidCertificate(f"certificate {position} is no base64: {error}") from None
    return tuple(chain)


def check_deployment(
    chain: Sequence[Element], history: PolicyHistory, anchors: TrustAnchors, *, host: str, at: datetime
) -> DeploymentCheck:
    """Check the chain as a server would send it (the root may be left out; it is then looked up)."""
    leaf = find_leaf(chain, host)
    path = build_path(chain, anchors, leaf=leaf)
    pins = pins_of(chain[position] for position in path.positions)
    if path.anchor_pin is not None:
        pins |= {path.anchor_pin}
    policy = history.in_force(at)
    caveats = tuple(_caveats(chain, leaf, path.anchor, host))
    remembered = tuple(
        RememberedPins(former, until, bool(former.expected & pins))
        for former, until in remembered_revisions(history, at)
        if former.covers(host)
    )
    if not path.positions:
        return DeploymentCheck(None, "The leaf of the chain cannot be read.", (), (), caveats)
    if policy is None or not policy.covers(host):
        return DeploymentCheck(None, f"No policy is in force for {host}.", (), remembered, caveats)
    matching = tuple(expected.pin for expected in policy.pins if expected.pin in pins)
    if matching:
        return DeploymentCheck(True, "An expected pin stands in the chain.", matching, remembered, caveats)
    return DeploymentCheck(False, "No expected pin stands in the chain.", (), remembered, caveats)


def remembered_revisions(history: PolicyHistory, at: datetime) -> Iterator[tuple[PinningPolicy, datetime]]:
    """Find enforced revisions that were replaced less than their max-age ago, each with when the last UA forgets it."""
    for former, following in zip(history.revisions, history.revisions[1:], strict=False):
        replaced = following.effective_from
        if former.mode is not Mode.ENFORCE or former.withdrawn or replaced is None or replaced > at:
            continue
        until = replaced + timedelta(seconds=min(former.max_age or 0, LONGEST_REMEMBERED))
        if until > at:
            yield former, until


def _caveats(chain: Sequence[Element], leaf: int, anchor: Anchor, host: str) -> Iterator[str]:
    if leaf != 0:
        yield f"The chain is in another order than TLS wants; certificate {leaf} is the leaf."
    if chain and isinstance(element := chain[leaf], Certificate) and not element.covers(host):
        yield f"The leaf is not for {host}."
    if anchor is Anchor.UNKNOWN:
        yield "The chain leads to no root that is known here, so the root's pin was not counted."
    elif anchor is Anchor.PRIVATE:
        yield "The chain ends at a root that is in no public store."
