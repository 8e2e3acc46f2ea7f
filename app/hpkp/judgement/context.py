"""One violation with everything that the rules ask about it, each worked out once.

::

    sender ──model, result──> proof: what the client says that it checked
    leaf, certificates sent, known anchors ──complete_paths──> paths at the client's time
    reported path, or the certificates sent ──> what the client compared with its pins
    known pins (the client's), expected pins (the policy's) ──> which of them it found

Three things are kept apart. The *proof* bounds the causes: a client that never trusted the path never compared pins.
The *reported path* is evidence, and its certificates count as sent (RFC 7469 section 2.6). The *completed paths* are
what clients may build from the same leaf; only links with checked signatures join a certificate to it, because anybody
can append a certificate to a chain.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property

from app.hpkp.catalog import Catalog, InterceptionProduct
from app.hpkp.judgement.releases import find_client_release, pins_of_releases
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.user_agents.model import Compared, ReportedPath
from app.hpkp.user_agents.senders import mode_of, model_of, proof_of
from app.hpkp.violation import CLOCK_TOLERANCE, clock_of, is_outside_validity
from app.hpkp.x509.anchors import Anchor, KnownCertificates
from app.hpkp.x509.certificate import Certificate, Chain, Element, pins_of
from app.hpkp.x509.path_defects import CLASSES, DATES
from app.hpkp.x509.paths import (
    AssessedPath,
    Budget,
    CompletedPaths,
    DefectKind,
    Link,
    PathClass,
    PathsAt,
    Presence,
    complete_paths,
    find_leaf,
)

BUILDABLE = (PathClass.USABLE, PathClass.POSSIBLE)
"""Paths that some client of today or of the past may validate."""

PUBLIC = (Anchor.PUBLIC, Anchor.FORMER_PUBLIC)
_ANCHORED = (*PUBLIC, Anchor.OPERATOR)

_JOINS_NOTHING = frozenset(
    {
        DefectKind.NOT_A_CA,
        DefectKind.MAY_NOT_SIGN,
        DefectKind.PATH_TOO_LONG,
        DefectKind.NOT_FOR_SERVERS,
        DefectKind.NAME_FORBIDDEN,
        DefectKind.EXPIRED,
        DefectKind.NOT_YET_VALID,
    }
)
"""Defects by which a certificate joins nothing to the one below it, whatever its signature."""

_MINOR = frozenset(
    {
        DefectKind.NOT_FOR_SERVERS,
        DefectKind.CRITICAL_EXTENSION,
        DefectKind.DUPLICATE_EXTENSION,
        DefectKind.UNREADABLE,
        DefectKind.HOST_UNREADABLE,
    }
)
"""Defects that some client does not mind. A client that says that it validated the path is one of these: its report
must not be called implausible, and left out, for what this program reads more strictly.
"""


_IN_WORDS = {
    DefectKind.NOT_A_CA: "issued by a certificate that is not a CA",
    DefectKind.MAY_NOT_SIGN: "issued by a certificate whose key may not sign certificates",
    DefectKind.PATH_TOO_LONG: "longer than a CA on it allows",
    DefectKind.NOT_FOR_SERVERS: "issued by a CA that is not for servers",
    DefectKind.NAME_FORBIDDEN: "for a name that a CA on it forbids",
    DefectKind.CRITICAL_EXTENSION: "with a critical extension that clients do not know",
    DefectKind.DUPLICATE_EXTENSION: "with an extension that appears twice",
}


class JudgementContext:
    """A report beside the history of the policy for its host, at one moment.

    ``received_at`` stands in for the client's clock if the report has no date that can be read.
    """

    def __init__(
        self,
        report: ViolationReport,
        history: PolicyHistory,
        anchors: KnownCertificates,
        catalog: Catalog,
        *,
        received_at: datetime,
        at: datetime,
        budget: Budget | None = None,
    ) -> None:
        self.report = report
        self.history = history
        self.anchors = anchors
        self.catalog = catalog
        self.model = model_of(report)
        self.proof = proof_of(report)
        self.policy = history.in_force(at)
        self.expected = self.policy.expected if self.policy else frozenset[Pin]()
        self.ever_expected = history.all_pins
        self.previous = self.ever_expected - self.expected
        # Only a sender that is known to carry its pins in a program can be a release; browsers have theirs from a
        # header.
        self.release = find_client_release(report, history.releases, at=at) if self.model.pins_in_app else None
        self.own_keys = history.own_keys | self.ever_expected | pins_of_releases(history.releases, report.hostname)
        self.known = frozenset(report.known_pins)
        # A pin that was ever expected is a real one. As a control pin it would hide the violations of clients that know
        # it.
        self.control_pins = history.control_pins - self.ever_expected
        self.clock = clock_of(report, received_at=received_at)
        self.received_at = received_at
        self._budget = budget or Budget()  # one for the whole report

    # The chains

    @property
    def untrusted_by_sender(self) -> bool:
        """Whether the client says that the path did not validate; it then compared no pins."""
        return self.proof.path_trusted is False

    @property
    def trusted_by_sender(self) -> bool:
        """Whether the client says that the path validated: host name, dates and trust anchor."""
        return self.proof.path_trusted is True

    @property
    def echoes_served(self) -> bool:
        """Whether the reported path is the served chain again, so that the path itself is unknown."""
        report = self.report
        same = bool(report.served_chain) and report.validated_chain == report.served_chain
        return same and self.model.reported_path is ReportedPath.SERVED_OR_VALIDATED

    @cached_property
    def validated(self) -> Chain:
        """The path that the client validated; empty if it was not sent, or what was sent is another chain."""
        return () if self.untrusted_by_sender or self.echoes_served else self.report.validated_chain or ()

    @cached_property
    def served(self) -> Chain:
        """The chain that the server sent, if the report has it."""
        # TrustKit's code for an untrusted chain: what the report calls validated was only received.
        unvalidated = self.report.validated_chain if self.untrusted_by_sender else None
        return self.report.served_chain or unvalidated or ()

    @property
    def chain(self) -> Chain:
        """The chain that is judged."""
        # Pin Validation takes the validated chain and ignores superfluous certificates (RFC 7469 section 2.6).
        return self.validated or self.served

    @property
    def judged_chain(self) -> str | None:
        """The member of the report that holds it: ``validated``, ``served``, or none."""
        if not self.chain:
            return None
        return "validated" if self.validated or not self.report.served_chain else "served"

    @cached_property
    def leaf_position(self) -> int:
        """Position of the leaf in the judged chain; not 0 if the sender mixed up the order."""
        return find_leaf(self.chain, self.report.hostname, budget=self._budget)

    @property
    def leaf_element(self) -> Element | None:
        """The end-entity certificate, readable or not."""
        return self.chain[self.leaf_position] if self.chain else None

    @property
    def leaf(self) -> Certificate | None:
        """The end-entity certificate, if it can be read."""
        return self.leaf_element if isinstance(self.leaf_element, Certificate) else None

    # The paths

    @cached_property
    def completed(self) -> CompletedPaths | None:
        """All candidate paths from the leaf; None without a readable leaf."""
        if self.leaf is None:
            return None
        return complete_paths(self.leaf, (*self.validated, *self.served), self.anchors, budget=self._budget)

    @cached_property
    def paths(self) -> PathsAt | None:
        """The paths at the client's time, whatever its time zone: the moment at which most of them hold."""
        if self.completed is None:
            return None
        # A client that validated the path had another clock than its report says, or the report came without a date.
        moments = [self.clock, *(self.clock + CLOCK_TOLERANCE * sign for sign in (-1, 1) if self._can_shift(sign))]
        if self.trusted_by_sender:
            moments.append(self.received_at)
        best: PathsAt | None = None
        for moment in moments:
            found = self.completed.at(moment)
            if any(self._class_of(path) in BUILDABLE for path in found.paths):
                return found
            best = best or found
        return best

    def _can_shift(self, sign: int) -> bool:
        """Whether the client's clock can be moved by the tolerance, and still be a date."""
        try:
            self.clock + CLOCK_TOLERANCE * sign
        except OverflowError:  # a clock at either end of the calendar
            return False
        return True

    @cached_property
    def path(self) -> AssessedPath | None:
        """The path that stands for this report: the best of those that begin as the reported path does, or of all.

        Of paths that no client validates, the best is the one to which only the dates are a hindrance.
        """
        if self.paths is None:
            return None
        paths = self.paths.paths
        reported = [element.pin for element in self.validated]
        # A reported path need not be whole: clients that hold an intermediate as a trust anchor end there.
        if reported and self.leaf_position == 0:
            begins = [p for p in paths if [one.pin for one in p.certificates[: len(reported)]] == reported]
            paths = tuple(begins) or paths
        best = min(paths, key=lambda path: CLASSES.index(self._class_of(path)))
        if self._class_of(best) is not PathClass.BROKEN:
            return best
        return min(paths, key=lambda path: CLASSES.index(self._class_of(path, dates_apart=True)))

    def _class_of(self, path: AssessedPath, *, dates_apart: bool = False) -> PathClass:
        """Return the class of a path for this client: one that validated it does not mind what some clients do not."""
        minor = _MINOR if self.trusted_by_sender else frozenset[DefectKind]()
        return path.class_without(minor | DATES if dates_apart else minor)

    @property
    def anchor(self) -> Anchor:
        """Where that path ends."""
        if self.path is None:
            return Anchor.UNKNOWN
        top = self.path.top
        # A root of a store stays what the store says; a compromised key below it is found by `known_bad`.
        if self.path.stored_as not in _ANCHORED and top.pin in self.catalog.known_bad:
            return Anchor.KNOWN_BAD
        if self.path.stored_as in _ANCHORED and self._class_of(self.path, dates_apart=True) not in BUILDABLE:
            return Anchor.UNKNOWN  # a link that is not verified leads nowhere
        # A validated path ends at an anchor of the client's store, also if the paths known from there have expired;
        # one that is in none of ours is private.
        expired = self._class_of(self.path) is PathClass.BROKEN
        if self.trusted_by_sender and self.broken is None and (self.path.stored_as is Anchor.UNKNOWN or expired):
            return Anchor.PRIVATE
        return self.path.stored_as

    @property
    def anchor_subject(self) -> str | None:
        """The name of the trust anchor, None if the path ends at none."""
        return None if self.path is None or self.anchor is Anchor.UNKNOWN else self.path.top.subject

    @property
    def anchored(self) -> bool:
        """Whether a client may have validated the path to a public root, present or former, or to the operator's."""
        return self.path is not None and self._class_of(self.path) in BUILDABLE and self.anchor in _ANCHORED

    @property
    def path_checkable(self) -> bool:
        """Whether every signature on the path was checked and none uses MD5 or SHA-1."""
        return self.path is not None and all(link is Link.SIGNED for link in self.path.links)

    @cached_property
    def forged(self) -> bool:
        """Whether the reported path holds certificates that no signature joins to its leaf: nobody validated it."""
        if self.completed is None or not self.validated or not self.trusted_by_sender:
            return False
        if self.completed.limits_reached:  # what was not checked may be joined
            return False
        # A certificate that cannot be read may be joined too, so it shows no forgery. The rest is compared by DER:
        # anybody can append a certificate to a chain.
        return any(
            isinstance(element, Certificate)
            and element.fingerprint != self.completed.leaf.fingerprint
            and element.fingerprint not in self.completed.joined
            for element in self.validated
        )

    @cached_property
    def leaf_out_of_date(self) -> bool:
        """Whether the leaf was outside its validity at the time that the client states."""
        leaf = self.leaf
        # Without a date in the report, the clock by which the client validated is unknown.
        if leaf is None or self.report.date_time is None:
            return False
        return is_outside_validity(leaf.not_before, leaf.not_after, self.clock)

    @cached_property
    def out_of_date(self) -> tuple[int, ...]:
        """Positions in the judged chain of certificates out of validity, if nothing but dates ends every path."""
        path = self.path
        if path is None or self._class_of(path) is not PathClass.BROKEN or self.broken is not None:
            return ()
        pins = {path.certificates[defect.position].pin for defect in path.defects if defect.kind in DATES}
        # A certificate that completed the path was not sent and has no position, so the leaf's is shown.
        return tuple(i for i, element in enumerate(self.chain) if element.pin in pins) or (self.leaf_position,)

    @property
    def broken(self) -> str | None:
        """Why no client validates any path, dates apart; None if some client may."""
        if self.path is None or self._class_of(self.path, dates_apart=True) is not PathClass.BROKEN:
            return None
        minor = DATES | _MINOR if self.trusted_by_sender else DATES
        defect = next(d for d in self.path.defects if d.kind not in minor and d.path_class is PathClass.BROKEN)
        return f"{_IN_WORDS.get(defect.kind, defect.kind)}, certificate {defect.position} of the path" + (
            f" ({defect.detail})" if defect.detail else ""
        )

    # The pins

    @cached_property
    def compared(self) -> frozenset[Pin] | None:
        """The pins that the client compared with its own; None if that is unknown."""
        if self.model.compares is Compared.LEAF:
            return pins_of([self.leaf_element]) if self.leaf_element else None
        # Proton Bridge puts either the verified chain or the one that was sent in this place, and does not say which.
        if self.model.reported_path is ReportedPath.IN_SERVED:
            return None
        # tam7t/hpkp compares what was sent: a pinned root that the server leaves out does not count for it.
        if self.model.compares is Compared.SENT:
            return pins_of(self.served) if self.served else pins_of(self.validated) or None
        if self.validated:
            return pins_of(self.validated)
        return None

    def presence(self, pins: frozenset[Pin]) -> Presence:
        """Whether any of the pins is on the path that the client compared; SOME if that depends on its path."""
        if not pins:
            return Presence.NONE
        if self.compared is not None:
            return Presence.EVERY if self.compared & pins else Presence.NONE
        # Every path begins with the leaf, so no unknown path can be without its pin (RFC 7469 section 2.6).
        if self.leaf_element is not None and self.leaf_element.pin in pins:
            return Presence.EVERY
        if self.model.reported_path is ReportedPath.IN_SERVED:
            # The chain is the verified one, or the served one if there is none; the served one was compared, and no
            # known pin was in it.
            return Presence.SOME if (pins_of(self.served) - self.known) & pins else Presence.NONE
        if self.paths is None:
            return Presence.UNKNOWN
        if self.paths.best.path_class not in BUILDABLE:
            # No path that a client may validate is known; what signatures join to the leaf is all that can be said.
            return Presence.SOME if self.connected_pins & pins else Presence.UNKNOWN
        return self.paths.presence(pins, BUILDABLE)

    @cached_property
    def expected_presence(self) -> Presence:
        """Whether an expected pin is on the path that the client compared."""
        return self.presence(self.expected)

    @property
    def expected_on_usable_paths(self) -> bool:
        """Whether every path that a strict client of today may build has an expected pin."""
        # Completed paths answer only for a client that compares a path, and only if its own path was not reported.
        if self.model.compares is not Compared.PATH or self.compared is not None:
            return False
        if self.paths is None or self.paths.best.path_class is not PathClass.USABLE:
            return False
        return self.paths.presence(self.expected, (PathClass.USABLE,)) is Presence.EVERY

    @property
    def matches_expected(self) -> bool:
        """Whether an expected pin is on that path, whichever it was."""
        return self.expected_presence is Presence.EVERY

    @cached_property
    def matches_known(self) -> bool:
        """Whether a known pin is on that path, whichever it was."""
        # The client's word outweighs the paths that are known here: it may have built one that is not.
        return self.presence(self.known) is Presence.EVERY and not self.known_failed

    @property
    def known_failed(self) -> bool:
        """Whether the client says that it found no known pin on a path that is not in the report.

        The leaf is on every path: if its own pin is known, no path explains that.
        """
        leaf = self.leaf_element
        return bool(
            self.compared is None
            and self.trusted_by_sender
            and self.proof.pins_failed
            and self.known
            and leaf is not None
            and leaf.pin not in self.known
        )

    @cached_property
    def connected_pins(self) -> frozenset[Pin]:
        """Pins of certificates that checked signatures of CAs join to the leaf, on paths that clients may not use."""
        if self.paths is None:
            return frozenset()
        return frozenset(pin for path in self.paths.paths for pin in _connected(path))

    @property
    def path_holds(self) -> bool:
        """Whether it is a public path for the host; of a sender that gives only its pins, its word counts."""
        # react-native-ssl-manager sends no certificate, so there is no path to check; OkHttp validated it before the
        # pins.
        pins_only = self.model.reported_path is ReportedPath.PINS_ONLY and self.trusted_by_sender
        return pins_only or (self.host_name_matches and self.anchored)

    @property
    def ours_is_served(self) -> bool:
        """Whether the client met a chain of ours: with a leaf key of ours, or one that the policy or a release pins."""
        return not self.known_bad and (self.leaf_is_ours or self.pinned_elsewhere)

    @property
    def pinned_elsewhere(self) -> bool:
        """Whether the path has a pin of the policy, or of another release of the client's app or of another app.

        A compromised key, a product's name or a private root says otherwise, unless the leaf's key is ours.
        """
        # Else a release that pins the root of a proxy would make its intercepted clients look like ones that a rotation
        # left behind.
        if self.known_bad or not (self.leaf_is_ours or (self.product is None and self.path_holds)):
            return False
        others = self.release.pins_of_others if self.release else frozenset[Pin]()
        return self.presence(self.expected | others) is Presence.EVERY

    @property
    def leaf_is_ours(self) -> bool:
        """Whether the operator ever pinned the leaf's key, named it as their own, or was seen to serve it."""
        return self.leaf_element is not None and self.leaf_element.pin in self.own_keys

    @property
    def path_is_new(self) -> bool:
        """Whether the client built its path through an intermediate that the server did not send."""
        if not self.validated or not self.served:
            return False
        # Without leaf and trust anchor: servers usually leave the anchor out, and that makes no other path.
        return bool(pins_of(self.validated[1:-1]) - pins_of(self.served))

    @cached_property
    def host_name_matches(self) -> bool:
        """Whether the leaf is for the host (RFC 6125 section 6); also if its names cannot be read."""
        # Unreadable names count as matching: as a name mismatch, a malformed extension would hide an unknown key.
        return self.leaf is not None and self.leaf.covers(self.report.hostname) is not False

    @cached_property
    def mode(self) -> Mode | None:
        """The mode of the client: by the report, by its kind, by the revision that it knows, or by the policy."""
        if stated := mode_of(self.report.sender, self.report.mode):
            return stated
        known = self.known_revision
        return known.mode if known else self.policy.mode if self.policy else None

    @cached_property
    def known_revision(self) -> PinningPolicy | None:
        """The latest revision whose pins are the known pins."""
        return next((policy for policy in reversed(self.history.revisions) if policy.expected == self.known), None)

    # Further facts

    @cached_property
    def product(self) -> InterceptionProduct | None:
        """The interception product that the leaf's issuer names; a hint, because names can be forged."""
        # A verified path to a known root outweighs an issuer name, which anybody can write.
        return None if self.leaf is None or self.anchored else self.catalog.product_of(self.leaf)

    @cached_property
    def known_bad(self) -> tuple[int, ...]:
        """Positions with a compromised or misused key that signatures join to the leaf."""
        return tuple(i for i in self._joined_positions() if self.chain[i].pin in self.catalog.known_bad)

    @property
    def superfluous(self) -> tuple[int, ...]:
        """Positions of readable certificates in the judged chain that no signature joins to the leaf."""
        joined = set(self._joined_positions())
        return tuple(i for i, e in enumerate(self.chain) if isinstance(e, Certificate) and i not in joined)

    def _joined_positions(self) -> Iterator[int]:
        """Positions in the judged chain of the leaf, and of certificates that checked signatures join to it."""
        return (position for position, element in enumerate(self.chain) if self.is_joined(element))

    def is_joined(self, element: Element) -> bool:
        """Whether checked signatures join a certificate to the leaf, or it is the leaf."""
        if self.completed is None or element is self.leaf_element:
            return element is self.leaf_element
        return element == self.leaf or element.fingerprint in self.completed.joined

    def is_on_path(self, element: Element) -> bool:
        """Whether the key of a certificate is on the path that stands for this report."""
        return element is self.leaf_element if self.path is None else element.pin in self.path.pins

    @property
    def top(self) -> int | None:
        """Position in the judged chain of the path's last certificate that was sent."""
        if self.path is None:
            return self.leaf_position if self.chain else None
        # A root that completed the path has no position in the report, so the highest certificate that was sent counts.
        order = {certificate.pin: number for number, certificate in enumerate(self.path.certificates)}
        sent = [(order[pin], -i) for i, e in enumerate(self.chain) if self.is_joined(e) and (pin := e.pin) in order]
        return -max(sent)[1] if sent else self.leaf_position


def _connected(path: AssessedPath) -> Iterator[Pin]:
    """Pins from the leaf up to the first link that is not checked, or the first certificate that joins nothing."""
    yield path.certificates[0].pin
    refused = {defect.position for defect in path.defects if defect.kind in _JOINS_NOTHING}
    for position, (certificate, link) in enumerate(zip(path.certificates[1:], path.links, strict=False), 1):
        # Above a link that is not verified or a certificate that is no CA, anybody can have put a pinned certificate.
        if link not in (Link.SIGNED, Link.SIGNED_WEAKLY) or position in refused:
            return
        yield certificate.pin
