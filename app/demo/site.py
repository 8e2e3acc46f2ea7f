"""A sample host with its keys and chains, and the incidents that they make possible."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.demo.forms import FORMS, pem
from app.demo.incident import Incident, SampleApp
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin, pin_of_spki
from app.hpkp.report import Sender
from app.hpkp.x509.spki import spki_of_certificate


class SampleKind(StrEnum):
    """What a sample shows; named after the cause it is judged as when the sample's pins are the expected ones."""

    MATCHES_EXPECTED = "matches_expected"
    OTHER_TRUST_PATH = "other_trust_path"
    OWN_KEY_NOT_PINNED = "own_key_not_pinned"
    STALE_KNOWN_PINS = "stale_known_pins"
    PRIVATE_ROOT = "private_root"
    CLOCK = "clock"
    NO_EVIDENCE = "no_evidence"


_ERRORS_FOR_BROWSERS = frozenset({SampleKind.PRIVATE_ROOT, SampleKind.CLOCK})
"""Chromium reports neither roots that the user installed nor connections with a certificate error."""


def is_sent_by(sender: Sender, kind: SampleKind) -> bool:
    """Whether this sender ever reports what the sample shows."""
    return sender is not Sender.CHROMIUM or kind not in _ERRORS_FOR_BROWSERS


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pin(self) -> Pin:
        """The pin of its key."""
        return pin_of_spki(spki_of_certificate(self.der))


@dataclass(frozen=True, slots=True)
class SampleSite:
    """A host with its chains: one intermediate key, certified by a pinned old root and by a new root.

    ``stray`` is a certificate of the host's with a key that is not pinned, as an overlooked server shows it;
    ``intercepted`` one that a proxy made, ``expired`` another of the same proxy's, a year old.
    """

    host: Host
    leaf: Issued
    by_old_root: Issued
    by_new_root: Issued
    old_root: Issued
    new_root: Issued
    stray: Issued
    intercepted: Issued
    expired: Issued
    proxy_root: Issued
    backup: Pin
    previous: Pin
    pins: tuple[Pin, Pin] = field(init=False)

    def __post_init__(self) -> None:
        """Pin the old root and a backup key."""
        object.__setattr__(self, "pins", (self.old_root.pin, self.backup))

    @property
    def public_roots_pem(self) -> str:
        """The two roots that a client trusts, in PEM."""
        return pem(self.old_root.der) + pem(self.new_root.der)

    def chains(self, kind: SampleKind) -> tuple[list[Issued], list[Issued]]:
        """Return the served and the validated chain of a kind of sample."""
        served = [self.leaf, self.by_old_root, self.old_root]
        match kind:
            case SampleKind.OTHER_TRUST_PATH:
                return served, [self.leaf, self.by_new_root, self.new_root]
            case SampleKind.OWN_KEY_NOT_PINNED:
                return [self.stray, self.by_new_root], [self.stray, self.by_new_root, self.new_root]
            case SampleKind.PRIVATE_ROOT:
                return [self.intercepted], [self.intercepted, self.proxy_root]
            case SampleKind.CLOCK:
                return [self.expired], [self.expired, self.proxy_root]
            case SampleKind.NO_EVIDENCE:
                return [], []
        return served, served

    def incident(self, kind: SampleKind, *, at: datetime, app: SampleApp | None = None) -> Incident:
        """Return what happened at ``at`` in a kind of sample."""
        served, validated = self.chains(kind)
        return Incident(
            hostname=self.host,
            noted_hostname=self.host,
            known_pins=(self.previous,) if kind is SampleKind.STALE_KNOWN_PINS else self.pins,
            served=[issued.der for issued in served],
            validated=[issued.der for issued in validated],
            at=at,
            app=app or SampleApp(),
            trusted=kind is not SampleKind.CLOCK,
        )

    def report(
        self, kind: SampleKind, *, at: datetime, sender: Sender = Sender.CHROMIUM, app: SampleApp | None = None
    ) -> bytes:
        """Return the body of a report of a kind of sample, in the form of a sender."""
        return FORMS[sender].sample(self.incident(kind, at=at, app=app)).body


def make_site(host: Host, *, at: datetime) -> SampleSite:
    """Make the keys and certificates of a sample host, valid around ``at``."""
    old_root = issue("Sample Root X1", None, at, ca=True)
    new_root = issue("Sample Root X2", None, at, ca=True)
    by_old_root = issue("Sample Intermediate", old_root, at, ca=True)
    by_new_root = issue("Sample Intermediate", new_root, at, ca=True, key=by_old_root.key)
    proxy_root = issue("Sample Interception Proxy", None, at, ca=True)
    return SampleSite(
        host=host,
        leaf=issue(host, by_old_root, at),
        by_old_root=by_old_root,
        by_new_root=by_new_root,
        old_root=old_root,
        new_root=new_root,
        stray=issue(host, by_new_root, at),
        intercepted=issue(host, proxy_root, at),
        expired=issue(host, proxy_root, at - timedelta(days=365)),
        proxy_root=proxy_root,
        backup=issue(host, None, at).pin,
        previous=issue(host, None, at).pin,
    )


def issue(
    name: str,
    issuer: Issued | None,
    at: datetime,
    *,
    ca: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
    lifetime: timedelta = timedelta(days=90),
) -> Issued:
    """Issue a certificate, self-signed without an issuer; a leaf is valid half its lifetime either side of ``at``."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
            *([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sample Certificates")] if ca else []),
        ]
    )
    lifetime = timedelta(days=3650) if ca else lifetime
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - lifetime / 2)
        .not_valid_after(at + lifetime / 2)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)
