"""One violation with everything the rules ask of it, each worked out once.

::

    known pins (what the UA remembered) ─┐
    served and validated chain ──────────┼─> JudgementContext: the judged chain, its leaf, its path, whose key it is
    expected pins (what we publish) ─────┘

Judged is the validated chain (RFC 7469 section 2.6); where there is none, or the sender says that it is not
trusted, the served one, and then only certificates that signatures join to the leaf count, because anybody can
append a certificate to what a server sends.
"""

from dataclasses import replace
from datetime import datetime
from functools import cached_property

from app.hpkp.catalog import Catalog, InterceptionProduct
from app.hpkp.pins import Pin
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.violation import is_outside_validity
from app.hpkp.x509.certificate import (
    Anchor,
    Certificate,
    Chain,
    Element,
    Path,
    TrustAnchors,
    build_path,
    connected_to_leaf,
    find_leaf,
    pins_of,
)


class JudgementContext:
    """A report beside the history of the policy that speaks for its host, at one moment."""

    def __init__(
        self,
        report: ViolationReport,
        history: PolicyHistory,
        anchors: TrustAnchors,
        catalog: Catalog,
        *,
        received_at: datetime,
        at: datetime,
    ) -> None:
        self.report = report
        self.anchors = anchors
        self.catalog = catalog
        self.policy = history.in_force(at)
        self.expected = self.policy.expected if self.policy else frozenset[Pin]()
        self.ever_expected = history.all_pins
        self.former = self.ever_expected - self.expected
        self.own_keys = history.own_keys | self.ever_expected
        self.known = frozenset(report.known_pins)
        self.clock = report.date_time or received_at
        self.untrusted_by_sender = report.sender_result is SenderResult.CHAIN_NOT_TRUSTED

    @property
    def echoes_served(self) -> bool:
        """Whether what stands as validated chain is the served one again, as TrustKit does from Android 7 on."""
        report = self.report
        same = bool(report.served_chain) and report.validated_chain == report.served_chain
        return same and report.sender is Sender.TRUSTKIT_ANDROID

    @cached_property
    def validated(self) -> Chain:
        """The chain that the client validated; empty where none was sent or what was sent is another."""
        return () if self.untrusted_by_sender or self.echoes_served else self.report.validated_chain or ()

    @cached_property
    def served(self) -> Chain:
        """The chain that the server sent, as far as the report tells."""
        unvalidated = self.report.validated_chain if self.untrusted_by_sender else None
        return self.report.served_chain or unvalidated or ()

    @property
    def chain(self) -> Chain:
        """The judged chain."""
        return self.validated or self.served

    @property
    def judged_chain(self) -> str | None:
        """Which one it is: ``validated``, ``served``, or none."""
        if not self.chain:
            return None
        return "validated" if self.validated else "served"

    @cached_property
    def leaf_position(self) -> int:
        """Where the leaf stands in the judged chain; not 0 where the sender mixed the order up."""
        return find_leaf(self.chain, self.report.hostname)

    @property
    def leaf_element(self) -> Element | None:
        """The end-entity certificate, readable or not."""
        return self.chain[self.leaf_position] if self.chain else None

    @property
    def leaf(self) -> Certificate | None:
        """The end-entity certificate, where it can be read."""
        return self.leaf_element if isinstance(self.leaf_element, Certificate) else None

    @cached_property
    def path(self) -> Path:
        """The path from the leaf upward."""
        path = build_path(self.chain, self.anchors, leaf=self.leaf_position)
        top = self.chain[path.positions[-1]] if path.positions else None
        if not path.trusted and top is not None and top.pin in self.catalog.known_bad:
            return replace(path, anchor=Anchor.KNOWN_BAD)
        # A validated chain ends at an anchor of the sender's store; one that is in neither of ours is private.
        if self.validated and path.anchor is Anchor.UNKNOWN and len(path.positions) == len(self.chain):
            return replace(path, anchor=Anchor.PRIVATE)
        return path

    @cached_property
    def served_connected(self) -> frozenset[int]:
        """Positions in the served chain that signatures join to its leaf."""
        return connected_to_leaf(self.served, leaf=find_leaf(self.served, self.report.hostname))

    @cached_property
    def chain_pins(self) -> frozenset[Pin]:
        """The pins of the judged chain that count."""
        if self.validated:
            return pins_of(self.validated)
        if self.leaf is None:
            return pins_of([self.leaf_element]) if self.leaf_element else frozenset()
        return pins_of(self.served[position] for position in self.served_connected)

    @property
    def satisfies_expected(self) -> bool:
        """Whether an expected pin stands in the judged chain (RFC 7469 section 2.6)."""
        return bool(self.chain_pins & self.expected)

    @property
    def satisfies_known(self) -> bool:
        """Whether a known pin stands in the judged chain."""
        return bool(self.chain_pins & self.known)

    @cached_property
    def served_pinned(self) -> tuple[int, ...]:
        """Positions in the served chain of pinned certificates that signatures join to the judged leaf."""
        if self.leaf is None or not any(self.served[i] == self.leaf for i in self.served_connected):
            return ()
        wanted = self.expected if self.policy else self.known
        return tuple(i for i in sorted(self.served_connected) if self.served[i].pin in wanted)

    @property
    def leaf_is_ours(self) -> bool:
        """Whether the leaf key is one that the operator ever pinned or called their own."""
        return self.leaf_element is not None and self.leaf_element.pin in self.own_keys

    @property
    def path_is_new(self) -> bool:
        """Whether the client built its path through an intermediate that the server did not send."""
        if not self.validated or not self.served:
            return False
        return bool(pins_of(self.validated[1:-1]) - pins_of(self.served))

    @cached_property
    def hostname_right(self) -> bool:
        """Whether the leaf is for the host (RFC 6125 section 6)."""
        return self.leaf is not None and self.leaf.covers(self.report.hostname)

    @cached_property
    def out_of_date(self) -> tuple[int, ...]:
        """Positions on the path not valid at the sender's time, whatever zone it was in."""
        on_path = ((position, self.chain[position]) for position in self.path.positions)
        return tuple(
            sorted(
                position
                for position, element in on_path
                if isinstance(element, Certificate)
                and is_outside_validity(element.not_before, element.not_after, self.clock)
            )
        )

    @cached_property
    def product(self) -> InterceptionProduct | None:
        """The interception product that the leaf's issuer names; a hint, because names can be forged."""
        return None if self.leaf is None or self.path.trusted else self.catalog.product_of(self.leaf)

    @cached_property
    def known_bad(self) -> tuple[int, ...]:
        """Positions with a compromised or misused key that signatures join to the leaf."""
        joined = set(self.path.positions) | set(connected_to_leaf(self.chain, leaf=self.leaf_position))
        return tuple(i for i in sorted(joined) if self.chain[i].pin in self.catalog.known_bad)

    @property
    def superfluous(self) -> tuple[int, ...]:
        """Positions of readable certificates in the judged chain that no signature joins to the leaf."""
        joined = set(self.path.positions) | set(connected_to_leaf(self.chain, leaf=self.leaf_position))
        return tuple(i for i, e in enumerate(self.chain) if isinstance(e, Certificate) and i not in joined)
