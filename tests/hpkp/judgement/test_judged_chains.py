"""Chains with real signatures, and what each is judged as: a table to be read.

The world of the cases: www.example.com has a leaf under an intermediate, whose key two public roots certified (the
old one and the new one). The policy expects the old root's pin and a backup pin, unless a case says otherwise.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.hpkp.catalog import Basis, Catalog, InterceptionProduct, KnownKey
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import OF_RELEASES, Attribution, Cause
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.x509.anchors import KnownCertificates, RootDeparture, StoredRoot
from app.hpkp.x509.certificate import Certificate, Element, UnreadableCertificate, read_certificate
from tests.support.authority import (
    NOW,
    Issued,
    certificate_with_serial_zero,
    cross_sign,
    make_root,
    new_key,
    pss_certificate,
    self_signed,
    sha1_signed,
)

HOST = "www.example.com"
YEAR = timedelta(days=365)

OLD_ROOT, NEW_ROOT, OTHER_ROOT = make_root("Old Public Root"), make_root("New Public Root"), make_root("Other Root")
BY_OLD = OLD_ROOT.issue("Issuing CA", ca=True)
BY_NEW = NEW_ROOT.issue("Issuing CA", ca=True, key=BY_OLD.key)
OTHER_CA = OTHER_ROOT.issue("Other Issuing CA", ca=True)
NEW_BY_OLD = cross_sign(NEW_ROOT, OLD_ROOT)
LEAF = BY_OLD.issue(HOST)
RENEWED = BY_OLD.issue(HOST, key=LEAF.key)
STRAY = OTHER_CA.issue(HOST)
WILDCARD = BY_OLD.issue("*.example.com", names=["*.example.com"])
EXPIRED = BY_OLD.issue(HOST, key=LEAF.key, not_before=NOW - 2 * YEAR, not_after=NOW - YEAR)
NOT_YET = OTHER_CA.issue(HOST, not_before=NOW + YEAR, not_after=NOW + 2 * YEAR)
LONG_EXPIRED = OTHER_CA.issue(HOST, not_before=NOW - 2 * YEAR, not_after=NOW - YEAR)
HALF_A_DAY_LATE = OTHER_CA.issue(HOST, not_before=NOW - YEAR, not_after=NOW - timedelta(hours=12))
A_DAY_LATE = OTHER_CA.issue(HOST, not_before=NOW - YEAR, not_after=NOW - timedelta(hours=30))
PORTAL = OTHER_CA.issue("portal.hotel.example")
NAMELESS = OTHER_CA.issue(HOST, names=[])
ALIEN = OTHER_CA.issue(HOST)
PROXY_ROOT = make_root("Acme Proxy CA", organization="Acme Security")
BY_PROXY = PROXY_ROOT.issue(HOST)
CORPORATE_ROOT = make_root("Corporate Root", organization="Example Company")
BY_CORPORATE = CORPORATE_ROOT.issue("Corporate Issuing CA", ca=True).issue(HOST)
CORPORATE_CA = CORPORATE_ROOT.issue("Corporate Issuing CA", ca=True)
UNDER_CORPORATE = CORPORATE_CA.issue(HOST)
LEAKED_ROOT = make_root("Leaked Root", organization="Preinstalled Software")
BY_LEAKED = LEAKED_ROOT.issue(HOST)
IMPOSTOR = make_root("Old Public Root")
BY_IMPOSTOR = IMPOSTOR.issue("Issuing CA", ca=True)
FORGED = BY_IMPOSTOR.issue(HOST)
SELF_SIGNED = self_signed(HOST)
DEPARTED_ROOT = make_root("Departed Root")
BY_DEPARTED = DEPARTED_ROOT.issue(HOST)
MAIL_CA = OTHER_ROOT.issue(
    "Mail CA", ca=True, extensions=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])]
)
BY_MAIL_CA = MAIL_CA.issue(HOST)
EXPIRED_CROSS = cross_sign(OTHER_ROOT, OLD_ROOT, not_before=NOW - 2 * YEAR, not_after=NOW - YEAR)
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ODD_EXTENSION = OTHER_CA.issue(HOST, extensions=[x509.UnrecognizedExtension(SCT_LIST, b"\x04\x03\x00\x09\x01")])
BACKUP, FORMER, FOREIGN = (make_root(name) for name in ("Backup", "Former", "Foreign"))
SHA1_LEAF, SHA1_ROOT = sha1_signed(HOST)

ANCHORS = KnownCertificates(
    public=tuple(
        root
        for issued in (OLD_ROOT.der, NEW_ROOT.der, OTHER_ROOT.der, SHA1_ROOT)
        if isinstance(root := read_certificate(issued), Certificate)
    ),
    former=(
        StoredRoot(
            read_certificate(DEPARTED_ROOT.der),  # type: ignore[arg-type]  # made here, so it can be read
            departure=RootDeparture(date(2026, 4, 9), "removed", "removed by Mozilla, bug 1", 1),
        ),
    ),
)
CATALOG = Catalog(
    known_bad={parse_pin(LEAKED_ROOT.pin): (KnownKey("Leaked Root, private key public", "a test", date(2026, 1, 1)),)},
    captive_portals={parse_pin(PORTAL.pin): KnownKey("Hotel Wi-Fi", "a test", date(2026, 1, 1))},
    products=(
        InterceptionProduct(
            "Acme Proxy", re.compile("Acme Proxy CA"), re.compile("Acme Security"), "a test", Basis.PUBLISHED
        ),
    ),
    example_pins={parse_pin("A" * 43 + "="): "placeholder of A's"},
)

Link = Issued | bytes | Element


def _chain(links: Iterable[Link] | None) -> tuple[Element, ...] | None:
    if links is None:
        return None
    return tuple(
        link
        if isinstance(link, Certificate | UnreadableCertificate)
        else read_certificate(link if isinstance(link, bytes) else link.der, position=position)
        for position, link in enumerate(links)
    )


def _pins(keys: Iterable[Issued | str]) -> tuple[Pin, ...]:
    return tuple(parse_pin(key if isinstance(key, str) else key.pin) for key in keys)


@dataclass(frozen=True)
class ChainCase:
    """One report against one policy, and what has to be said of it."""

    name: str
    cause: Cause
    side: Attribution
    locks_out: bool | None
    served: Iterable[Link] | None = None
    validated: Iterable[Link] | None = None
    known: Iterable[Issued | str] = (OLD_ROOT, BACKUP)
    expected: Iterable[Issued] | None = (OLD_ROOT, BACKUP)
    previous: Iterable[Issued] = ()
    own: Iterable[Issued] = ()
    sender: Sender = Sender.CHROMIUM
    result: SenderResult | None = None
    mode: Mode | None = None
    date_time: datetime | None = NOW
    host: str = HOST
    contradictions: tuple[str, ...] = ()
    also: frozenset[Cause] = field(default_factory=frozenset)

    def judged(self) -> Judgement:
        report = ViolationReport(
            hostname=Host(self.host),
            noted_hostname=Host(self.host),
            sender=self.sender,
            port=443,
            mode=self.mode,
            known_pins=_pins(self.known),
            served_chain=_chain(self.served),
            validated_chain=_chain(self.validated),
            sender_result=self.result,
            date_time=self.date_time,
            contradictions=self.contradictions,
        )
        revisions = []
        if self.previous:
            revisions.append(self._policy(self.previous, 1, NOW - YEAR))
        if self.expected is not None:
            revisions.append(self._policy(self.expected, 2, NOW - timedelta(days=20)))
        history = PolicyHistory.of(revisions)
        return judge(report, history, ANCHORS, CATALOG, received_at=NOW, at=NOW)

    def _policy(self, pins: Iterable[Issued], revision: int, since: datetime) -> PinningPolicy:
        return PinningPolicy(
            host=Host(self.host),
            pins=tuple(map(ExpectedPin, _pins(pins))),
            revision=revision,
            own_keys=frozenset(_pins(self.own)),
            effective_from=since,
        )


GOOD = (LEAF, BY_OLD, OLD_ROOT)
NEW_PATH = (LEAF, BY_NEW, NEW_ROOT)
APP = Sender.TRUSTKIT_APPLE
ANDROID = Sender.TRUSTKIT_ANDROID
MISMATCH, UNTRUSTED = SenderResult.PINS_NOT_MATCHED, SenderResult.CHAIN_NOT_TRUSTED
NOT_PINS, OURS, INTERCEPTED = Attribution.UNRELATED, Attribution.OPERATOR, Attribution.INTERCEPTION
HOSTILE, UNKNOWN = Attribution.POSSIBLE_ATTACK, Attribution.UNKNOWN
NO_PEM = "the sender gave only the pin"

CASES = (
    # Chains that satisfy the expected pins
    ChainCase("the root is pinned and known", Cause.MATCHES_EXPECTED, NOT_PINS, False, GOOD, GOOD),
    ChainCase("the leaf is pinned", Cause.MATCHES_EXPECTED, NOT_PINS, False, GOOD, GOOD, (LEAF,), (LEAF, BACKUP)),
    ChainCase("the intermediate is pinned", Cause.MATCHES_EXPECTED, NOT_PINS, False, GOOD, NEW_PATH, (BY_OLD,), (BY_OLD, BACKUP)),
    ChainCase("a renewed certificate with the same key", Cause.MATCHES_EXPECTED, NOT_PINS, False, None, (RENEWED, BY_OLD, OLD_ROOT), (LEAF,), (LEAF, BACKUP)),
    ChainCase("the backup key is live", Cause.MATCHES_EXPECTED, NOT_PINS, False, None, (STRAY, OTHER_CA, OTHER_ROOT), (OLD_ROOT, STRAY), (OLD_ROOT, STRAY)),
    ChainCase("no known pins were sent", Cause.MATCHES_EXPECTED, NOT_PINS, False, None, GOOD, ()),
    ChainCase("only a served chain, which holds the pin", Cause.MATCHES_EXPECTED, NOT_PINS, None, GOOD, None, sender=Sender.RFC7469),
    ChainCase("a served chain without its root, leaf pinned", Cause.MATCHES_EXPECTED, NOT_PINS, False, (LEAF, BY_OLD), None, (LEAF,), (LEAF, BACKUP), sender=Sender.RFC7469),
    ChainCase("the leaf is unreadable, its key is pinned", Cause.MATCHES_EXPECTED, NOT_PINS, False, None, (UnreadableCertificate(0, "odd", b"odd", parse_pin(LEAF.pin)), BY_OLD, OLD_ROOT), (LEAF,), (LEAF, BACKUP)),
    ChainCase("only pins were sent, the leaf's is expected", Cause.MATCHES_EXPECTED, NOT_PINS, False, None, (UnreadableCertificate(0, NO_PEM, None, parse_pin(LEAF.pin)),), (LEAF,), (LEAF, BACKUP), sender=Sender.REACT_NATIVE),
    # Clients that remember another revision
    ChainCase("the client knows the former pins", Cause.STALE_KNOWN_PINS, OURS, False, GOOD, GOOD, (FORMER,), previous=(FORMER, BACKUP)),
    ChainCase("an app build with the former pins", Cause.STALE_KNOWN_PINS, OURS, False, None, GOOD, (FORMER,), previous=(FORMER, BACKUP), sender=APP, result=MISMATCH),
    ChainCase("the root that the server leaves out is pinned, the app knows the former pins", Cause.STALE_KNOWN_PINS, OURS, None, (LEAF, BY_OLD), (LEAF, BY_OLD), (FORMER,), previous=(FORMER, BACKUP), sender=ANDROID, result=MISMATCH),
    ChainCase("an app that enforces the former pins is locked out now", Cause.STALE_KNOWN_PINS, OURS, True, None, GOOD, (FORMER,), previous=(FORMER, BACKUP), sender=APP, result=MISMATCH, mode=Mode.ENFORCE),
    ChainCase("a browser that enforces the former pins is locked out now", Cause.STALE_KNOWN_PINS, OURS, True, GOOD, GOOD, (FORMER,), previous=(FORMER, BACKUP), mode=Mode.ENFORCE),
    ChainCase("the former pins overlap with the present ones", Cause.STALE_KNOWN_PINS, OURS, True, None, GOOD, (FORMER, BACKUP), previous=(FORMER, BACKUP), sender=APP, result=MISMATCH, mode=Mode.ENFORCE),
    # Pins that were never ours
    ChainCase("another site's pins", Cause.FOREIGN_PINS, UNKNOWN, False, GOOD, GOOD, (FOREIGN,)),
    ChainCase("another site's pins on an alien chain", Cause.FOREIGN_PINS, UNKNOWN, True, None, (ALIEN, OTHER_CA, OTHER_ROOT), (FOREIGN,)),
    ChainCase("pins of a tutorial", Cause.FOREIGN_PINS, UNKNOWN, False, None, GOOD, ("A" * 43 + "=",)),
    ChainCase("pins of a tutorial, and no policy", Cause.FOREIGN_PINS, UNKNOWN, None, None, GOOD, ("A" * 43 + "=",), None),
    # Our key on another path
    ChainCase("the pin is served, the client went by the new root", Cause.OTHER_TRUST_PATH, OURS, True, GOOD, NEW_PATH),
    ChainCase("the same, and the leaf key is named as ours", Cause.OTHER_TRUST_PATH, OURS, True, GOOD, NEW_PATH, own=(LEAF,)),
    ChainCase("the same, for a private CA that clients trust", Cause.OTHER_TRUST_PATH, OURS, True, (UNDER_CORPORATE, CORPORATE_CA, CORPORATE_ROOT), (UNDER_CORPORATE, cross_sign(CORPORATE_CA, PROXY_ROOT), PROXY_ROOT), (CORPORATE_ROOT,), (CORPORATE_ROOT, BACKUP)),
    ChainCase("the server sends the cross-sign, the client stops at the new root", Cause.OTHER_TRUST_PATH, OURS, True, (LEAF, BY_NEW, NEW_BY_OLD, OLD_ROOT), NEW_PATH),
    ChainCase("our leaf by an intermediate that was not served", Cause.OTHER_TRUST_PATH, OURS, True, (LEAF, BY_OLD), (LEAF, cross_sign(BY_OLD, OTHER_CA), OTHER_CA, OTHER_ROOT), own=(LEAF,)),
    ChainCase("Android sends the served chain twice", Cause.OTHER_TRUST_PATH, OURS, True, GOOD, GOOD, sender=ANDROID, result=MISMATCH),
    ChainCase("without a policy, by what the client knew", Cause.OTHER_TRUST_PATH, UNKNOWN, None, GOOD, NEW_PATH, expected=None),
    ChainCase("a wildcard certificate covers the host", Cause.OTHER_TRUST_PATH, OURS, True, (WILDCARD, BY_OLD, OLD_ROOT), (WILDCARD, BY_NEW, NEW_ROOT)),
    ChainCase("a client that holds the intermediate as its trust anchor", Cause.OTHER_TRUST_PATH, OURS, True, GOOD, (LEAF, BY_OLD)),
    ChainCase("Go compares what was sent, and the pinned root was not", Cause.OTHER_TRUST_PATH, OURS, True, (LEAF, BY_OLD), None, sender=Sender.GO_HPKP),
    ChainCase("Go compares what was sent, and the pinned root was", Cause.MATCHES_EXPECTED, NOT_PINS, False, GOOD, None, sender=Sender.GO_HPKP),
    ChainCase("Android does not trust our own chain", Cause.UNTRUSTED_CHAIN, NOT_PINS, False, (LEAF, BY_OLD), (LEAF, BY_OLD), (LEAF,), (LEAF, BACKUP), sender=ANDROID, result=UNTRUSTED),
    ChainCase("iOS does not trust our own chain, whose pinned root was not sent", Cause.UNTRUSTED_CHAIN, NOT_PINS, False, None, (LEAF, BY_OLD), own=(LEAF,), sender=APP, result=UNTRUSTED),
    ChainCase("Android's clock is wrong, so it does not trust our own chain", Cause.CLOCK, NOT_PINS, False, GOOD, GOOD, date_time=NOW - 20 * YEAR, sender=ANDROID, result=UNTRUSTED, also=frozenset({Cause.UNTRUSTED_CHAIN})),
    # Our key without a pin
    ChainCase("our stray key", Cause.OWN_KEY_NOT_PINNED, OURS, True, None, (STRAY, OTHER_CA, OTHER_ROOT), own=(STRAY,)),
    ChainCase("a key of a former revision is still served", Cause.OWN_KEY_NOT_PINNED, OURS, True, None, (STRAY, OTHER_CA, OTHER_ROOT), previous=(STRAY, BACKUP)),
    ChainCase("our stray key, seen by an app", Cause.OWN_KEY_NOT_PINNED, OURS, True, None, (STRAY, OTHER_CA, OTHER_ROOT), own=(STRAY,), sender=APP, result=MISMATCH),
    ChainCase("our stray key, only pins were sent", Cause.OWN_KEY_NOT_PINNED, OURS, True, None, (UnreadableCertificate(0, NO_PEM, None, parse_pin(STRAY.pin)),), own=(STRAY,), sender=Sender.REACT_NATIVE),
    ChainCase("our expired certificate, its root no longer pinned", Cause.OWN_KEY_NOT_PINNED, OURS, False, None, (EXPIRED, BY_NEW, NEW_ROOT), own=(LEAF,), sender=Sender.RFC7469, also=frozenset({Cause.CLOCK})),
    ChainCase("a pinned root merely appended to our stray chain", Cause.OWN_KEY_NOT_PINNED, OURS, True, (STRAY, OTHER_CA, OLD_ROOT), (STRAY, OTHER_CA, OTHER_ROOT), own=(STRAY,)),
    # A trusted CA, a key that is not ours
    ChainCase("a key that nobody knows", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (ALIEN, OTHER_CA, OTHER_ROOT)),
    ChainCase("the same, reported by an app", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (ALIEN, OTHER_CA, OTHER_ROOT), sender=APP, result=MISMATCH),
    ChainCase("a pinned root merely appended to an alien chain", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, (ALIEN, OTHER_CA, OLD_ROOT), (ALIEN, OTHER_CA, OTHER_ROOT)),
    ChainCase("a pinned root appended, and nothing validated", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, (ALIEN, OTHER_CA, OLD_ROOT), None, sender=Sender.PROTON_BRIDGE),
    ChainCase("no policy: whose key it is cannot be told", Cause.UNKNOWN_KEY_PUBLIC_CA, UNKNOWN, None, None, (ALIEN, OTHER_CA, OTHER_ROOT), expected=None),
    ChainCase("served without its root, found in the public store", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, (ALIEN, OTHER_CA), None, sender=Sender.PROTON_BRIDGE),
    ChainCase("the client knew other pins, and no known path has an expected one", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, (ALIEN, OTHER_CA), None, (BACKUP,), sender=Sender.RFC7469),
    ChainCase("a superfluous certificate in the served chain", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, (ALIEN, PORTAL, OTHER_CA), None, sender=Sender.PROTON_BRIDGE),
    ChainCase("signed with SHA-1, so not checkable and not forged", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (SHA1_LEAF, SHA1_ROOT)),
    ChainCase("the chain came root first", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (OTHER_ROOT, OTHER_CA, ALIEN)),
    ChainCase("the chain came shuffled", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (OTHER_CA, ALIEN, OTHER_ROOT)),
    ChainCase("an expired cross-certificate beside the path", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, (ALIEN, OTHER_CA, EXPIRED_CROSS), (ALIEN, OTHER_CA, EXPIRED_CROSS), sender=ANDROID, result=MISMATCH),
    ChainCase("a root that left the public store", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (BY_DEPARTED, DEPARTED_ROOT), sender=APP, result=MISMATCH),
    ChainCase("one extension cannot be read, the names can", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (ODD_EXTENSION, OTHER_CA, OTHER_ROOT), sender=APP, result=MISMATCH),
    # Paths that no client validates
    ChainCase("issued by an ordinary leaf, said to be Chromium's", Cause.IMPLAUSIBLE, UNKNOWN, None, None, (LEAF.issue(HOST), LEAF, BY_OLD, OLD_ROOT)),
    ChainCase("issued by an ordinary leaf, sender unknown", Cause.UNTRUSTED_CHAIN, NOT_PINS, None, None, (STRAY.issue(HOST), STRAY, OTHER_CA, OTHER_ROOT), sender=Sender.RFC7469),
    ChainCase("a CA for mail alone, and the app validated the path", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (BY_MAIL_CA, MAIL_CA, OTHER_ROOT), sender=APP, result=MISMATCH),
    ChainCase("a CA for mail alone, sender unknown", Cause.UNTRUSTED_CHAIN, NOT_PINS, None, None, (BY_MAIL_CA, MAIL_CA, OTHER_ROOT), sender=Sender.RFC7469),
    ChainCase("no signature joins the reported path", Cause.IMPLAUSIBLE, UNKNOWN, None, None, (FORGED, BY_OLD, OLD_ROOT)),
    # Dates
    ChainCase("expired for a year", Cause.CLOCK, NOT_PINS, False, None, (LONG_EXPIRED, OTHER_CA, OTHER_ROOT), sender=APP, result=UNTRUSTED, also=frozenset({Cause.UNTRUSTED_CHAIN})),
    ChainCase("expired for a year, and the app says that it validated the path", Cause.IMPLAUSIBLE, UNKNOWN, None, None, (LONG_EXPIRED, OTHER_CA, OTHER_ROOT), sender=APP, result=MISMATCH),
    ChainCase("not valid for another year", Cause.CLOCK, NOT_PINS, False, None, (NOT_YET, OTHER_CA, OTHER_ROOT), sender=APP, result=UNTRUSTED),
    ChainCase("expired beyond any time zone", Cause.CLOCK, NOT_PINS, False, None, (A_DAY_LATE, OTHER_CA, OTHER_ROOT), sender=ANDROID),
    ChainCase("expired only if the clock's zone is right", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (HALF_A_DAY_LATE, OTHER_CA, OTHER_ROOT), sender=APP),
    ChainCase("a device that thinks it is 1970", Cause.CLOCK, NOT_PINS, False, None, (ALIEN, OTHER_CA, OTHER_ROOT), date_time=datetime(1970, 1, 1, tzinfo=NOW.tzinfo), sender=APP),
    ChainCase("a device at the beginning of time", Cause.CLOCK, NOT_PINS, False, None, (ALIEN, OTHER_CA, OTHER_ROOT), date_time=datetime.min.replace(tzinfo=NOW.tzinfo), sender=APP),
    ChainCase("a device at the end of time", Cause.CLOCK, NOT_PINS, False, None, (ALIEN, OTHER_CA, OTHER_ROOT), date_time=datetime.max.replace(tzinfo=NOW.tzinfo), sender=APP),
    ChainCase("no date: ours stands in", Cause.CLOCK, NOT_PINS, False, None, (LONG_EXPIRED, OTHER_CA, OTHER_ROOT), date_time=None, sender=APP),
    ChainCase("an expired chain of a proxy", Cause.CLOCK, NOT_PINS, False, None, (PROXY_ROOT.issue(HOST, not_before=NOW - 2 * YEAR, not_after=NOW - YEAR), PROXY_ROOT), sender=APP, also=frozenset({Cause.INTERCEPTION_PRODUCT, Cause.PRIVATE_ROOT})),
    # Names
    ChainCase("another virtual host", Cause.NAME_MISMATCH, NOT_PINS, False, None, (OTHER_CA.issue("other.example.net"), OTHER_CA, OTHER_ROOT), sender=APP, result=UNTRUSTED),
    ChainCase("another name, and the app says that it validated the path", Cause.IMPLAUSIBLE, UNKNOWN, None, None, (OTHER_CA.issue("other.example.net"), OTHER_CA, OTHER_ROOT), sender=APP, result=MISMATCH),
    ChainCase("a captive portal's known key", Cause.NAME_MISMATCH, NOT_PINS, False, None, (PORTAL, OTHER_CA, OTHER_ROOT), sender=APP, result=UNTRUSTED),
    ChainCase("a wildcard one level too deep", Cause.NAME_MISMATCH, NOT_PINS, False, None, (OTHER_CA.issue("*.example.com", names=["*.example.com"]), OTHER_CA, OTHER_ROOT), host="a.www.example.com", sender=APP),
    ChainCase("the common name counts where there is no other", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (NAMELESS, OTHER_CA, OTHER_ROOT)),
    # Chains that do not validate
    ChainCase("the app says that the chain is not trusted", Cause.UNTRUSTED_CHAIN, NOT_PINS, False, None, (BY_PROXY, PROXY_ROOT), sender=APP, result=UNTRUSTED, also=frozenset({Cause.INTERCEPTION_PRODUCT, Cause.PRIVATE_ROOT})),
    ChainCase("the app does not trust a chain that we would", Cause.UNTRUSTED_CHAIN, NOT_PINS, False, None, (ALIEN, OTHER_CA, OTHER_ROOT), sender=APP, result=UNTRUSTED),
    ChainCase("the server forgot its intermediate", Cause.UNTRUSTED_CHAIN, NOT_PINS, None, (ALIEN,), None, (BACKUP,), sender=Sender.RFC7469),
    ChainCase("a self-signed leaf, refused by a program that always enforces", Cause.UNTRUSTED_CHAIN, NOT_PINS, True, (SELF_SIGNED,), None, sender=Sender.GO_HPKP),
    ChainCase("an impostor with the name of the old root", Cause.PRIVATE_ROOT, INTERCEPTED, True, None, (FORGED, BY_IMPOSTOR, IMPOSTOR), sender=APP, result=MISMATCH),
    ChainCase("a pinned name, another key, nothing signed", Cause.UNTRUSTED_CHAIN, NOT_PINS, None, (FORGED, BY_OLD, OLD_ROOT), None, (BACKUP,), sender=Sender.RFC7469),
    # Interception
    ChainCase("a known product, seen by an app", Cause.INTERCEPTION_PRODUCT, INTERCEPTED, True, None, (BY_PROXY, PROXY_ROOT), sender=APP, result=MISMATCH),
    ChainCase("a known product, sender unknown", Cause.INTERCEPTION_PRODUCT, INTERCEPTED, None, None, (BY_PROXY, PROXY_ROOT), sender=Sender.RFC7469),
    ChainCase("a company's own root, seen by an app", Cause.PRIVATE_ROOT, INTERCEPTED, True, None, (UNDER_CORPORATE, CORPORATE_CA, CORPORATE_ROOT), sender=APP, result=MISMATCH),
    ChainCase("a root in no store known here, reported by Chromium, which ships it", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, None, (UNDER_CORPORATE, CORPORATE_CA, CORPORATE_ROOT)),
    ChainCase("a validated chain that ends below its root", Cause.PRIVATE_ROOT, INTERCEPTED, True, None, (UNDER_CORPORATE, CORPORATE_CA), sender=APP, result=MISMATCH),
    # Keys known to be bad
    ChainCase("a root whose private key is public", Cause.KNOWN_BAD_KEY, HOSTILE, True, None, (BY_LEAKED, LEAKED_ROOT), sender=APP, result=MISMATCH),
    ChainCase("the same, without a policy", Cause.KNOWN_BAD_KEY, HOSTILE, None, None, (BY_LEAKED, LEAKED_ROOT), expected=None, sender=APP),
    ChainCase("a bad root merely appended proves nothing", Cause.UNKNOWN_KEY_PUBLIC_CA, HOSTILE, True, (ALIEN, OTHER_CA, LEAKED_ROOT), None, sender=Sender.PROTON_BRIDGE),
    # Nothing to go by
    ChainCase("no chain at all", Cause.NO_EVIDENCE, UNKNOWN, None, sender=Sender.GO_HPKP),
    ChainCase("empty chains", Cause.NO_EVIDENCE, UNKNOWN, None, (), ()),
    ChainCase("an unreadable leaf", Cause.NO_EVIDENCE, UNKNOWN, None, None, (b"no certificate", BY_OLD, NEW_ROOT), sender=APP),
    ChainCase("only pins were sent, none of them ours", Cause.NO_EVIDENCE, UNKNOWN, True, None, (UnreadableCertificate(0, NO_PEM, None, parse_pin(ALIEN.pin)),), sender=Sender.REACT_NATIVE),
    # Reports that their sender does not make
    ChainCase("Chromium would not report a proxy's root", Cause.IMPLAUSIBLE, UNKNOWN, None, None, (BY_PROXY, PROXY_ROOT)),
    ChainCase("Chromium would not report a self-signed leaf", Cause.IMPLAUSIBLE, UNKNOWN, None, None, (SELF_SIGNED,)),
    ChainCase("the form is wrong", Cause.IMPLAUSIBLE, UNKNOWN, None, None, (ALIEN, OTHER_CA, OTHER_ROOT), contradictions=("the port is 0",)),
    # Odd certificates keep their pins
    ChainCase("serial number zero", Cause.UNTRUSTED_CHAIN, NOT_PINS, True, (certificate_with_serial_zero(),), None, sender=Sender.GO_HPKP),
    ChainCase("an RSASSA-PSS key", Cause.UNTRUSTED_CHAIN, NOT_PINS, True, (pss_certificate(),), None, sender=Sender.GO_HPKP),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_chain_is_judged_as_its_case_says(case: ChainCase) -> None:
    judgement = case.judged()
    assert (judgement.cause, judgement.side, judgement.locks_out) == (case.cause, case.side, case.locks_out), judgement
    assert case.also <= {reason.cause for reason in judgement.also}
    assert judgement.why.endswith(".")
    assert judgement.locks_out_why.endswith(".")


def test_the_table_has_at_least_sixty_cases_and_every_cause() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60
    # By its pins alone: test_control.py; by the registry of releases: test_releases.py.
    assert {case.cause for case in CASES} == set(Cause) - {Cause.CONTROL} - OF_RELEASES


def test_a_mixed_up_order_is_repaired_and_said() -> None:
    shuffled = next(case for case in CASES if case.name == "the chain came shuffled").judged()
    assert shuffled.failing == 1
    assert any("out of order" in note for note in shuffled.notes)
    assert [finding.on_path for finding in shuffled.validated] == [True, True, True]


def test_a_superfluous_certificate_is_named() -> None:
    judgement = next(case for case in CASES if case.name.startswith("a superfluous")).judged()
    assert any(note.endswith("to the leaf: certificates 1.") for note in judgement.notes)
    assert [finding.on_path for finding in judgement.served] == [True, False, True]


def test_a_signature_too_old_to_check_is_said_and_not_called_forged() -> None:
    judgement = next(case for case in CASES if case.name.startswith("signed with SHA-1")).judged()
    assert not judgement.path_checkable
    assert any("SHA-1" in note for note in judgement.notes)


def test_two_roots_with_one_key_are_two_certificates() -> None:
    both = ChainCase("", Cause.OTHER_TRUST_PATH, OURS, True, (LEAF, BY_NEW, NEW_BY_OLD, OLD_ROOT), NEW_PATH).judged()
    assert both.served[2].pin == both.validated[2].pin
    assert new_key() is not None
    assert NEW_BY_OLD.der != NEW_ROOT.der


def test_pins_without_certificates_are_said() -> None:
    judgement = next(case for case in CASES if case.name.startswith("our stray key, only pins")).judged()
    assert "Pins only, no certificate: 0." in judgement.notes
    assert not any("cannot be parsed" in note for note in judgement.notes)


def test_the_member_that_holds_the_judged_chain_is_named() -> None:
    untrusted = next(case for case in CASES if case.name == "the app says that the chain is not trusted").judged()
    assert untrusted.judged_chain == "validated"
    assert [finding.failing for finding in untrusted.validated] == [False, True]
    assert any("did not validate; the client only received it" in note for note in untrusted.notes)
    served = next(
        case for case in CASES if case.name == "a self-signed leaf, refused by a program that always enforces"
    )
    assert served.judged().judged_chain == "served"
    assert next(case for case in CASES if case.name == "no chain at all").judged().judged_chain is None
