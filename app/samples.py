"""Synthetic reports: freshly made chains that show one cause each, in the exact form of a real sender.

::

    make_site(host) ──> SampleSite: leaf, one intermediate key under two roots, pins
                          └─ report(scenario) ──> body as Chromium or TrustKit would send it
"""

import base64
import json
import textwrap
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.hpkp.hosts import Host
from app.hpkp.pins import Pin, pin_of_spki
from app.hpkp.spki import spki_of_certificate


class Scenario(StrEnum):
    """What a sample shows; named after the cause it is judged as when the sample's pins are the expected ones."""

    MATCHES_EXPECTED = "matches_expected"
    OTHER_TRUST_PATH = "other_trust_path"
    OWN_KEY_NOT_PINNED = "own_key_not_pinned"
    STALE_KNOWN_PINS = "stale_known_pins"
    PRIVATE_ROOT = "private_root"
    CLOCK = "clock"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class _Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pin(self) -> Pin:
        return pin_of_spki(spki_of_certificate(self.der))


@dataclass(frozen=True, slots=True)
class SampleSite:
    """A host with its chains: one intermediate key, certified by a pinned old root and by a new root.

    ``stray`` is a certificate of the host's with a key that is not pinned, as an overlooked server shows it;
    ``intercepted`` one that a proxy made, ``expired`` another of the same proxy's, a year old.
    """

    host: Host
    leaf: _Issued
    by_old_root: _Issued
    by_new_root: _Issued
    old_root: _Issued
    new_root: _Issued
    stray: _Issued
    intercepted: _Issued
    expired: _Issued
    proxy_root: _Issued
    backup: Pin
    former: Pin
    pins: tuple[Pin, Pin] = field(init=False)

    def __post_init__(self) -> None:
        """Pin the old root and a backup key."""
        object.__setattr__(self, "pins", (self.old_root.pin, self.backup))

    @property
    def public_roots_pem(self) -> str:
        """The two roots that a client trusts, in PEM."""
        return _pem(self.old_root.der, newline="\n") + _pem(self.new_root.der, newline="\n")

    def chains(self, scenario: Scenario) -> tuple[list[_Issued], list[_Issued]]:
        """Return the served and the validated chain of a scenario."""
        served = [self.leaf, self.by_old_root, self.old_root]
        match scenario:
            case Scenario.OTHER_TRUST_PATH:
                return served, [self.leaf, self.by_new_root, self.new_root]
            case Scenario.OWN_KEY_NOT_PINNED:
                return [self.stray, self.by_new_root], [self.stray, self.by_new_root, self.new_root]
            case Scenario.PRIVATE_ROOT:
                return [self.intercepted], [self.intercepted, self.proxy_root]
            case Scenario.CLOCK:
                return [self.expired], [self.expired, self.proxy_root]
            case Scenario.NO_EVIDENCE:
                return [], []
        return served, served

    def report(self, scenario: Scenario, *, at: datetime, app: "SampleApp | None" = None) -> bytes:
        """Return the body of a report sent at ``at``: from Chromium, or from TrustKit in an app."""
        served, validated = self.chains(scenario)
        known = (self.former,) if scenario is Scenario.STALE_KNOWN_PINS else self.pins
        form = _chromium if app is None else _trustkit
        return form(self.host, known, served, validated, at, app)


@dataclass(frozen=True, slots=True)
class SampleApp:
    """An installed app that reports through TrustKit."""

    bundle_id: str
    version: str
    install_id: str


def make_site(host: Host, *, at: datetime) -> SampleSite:
    """Make the keys and certificates of a sample host, valid around ``at``."""
    old_root = _issue("Sample Root X1", None, at, ca=True)
    new_root = _issue("Sample Root X2", None, at, ca=True)
    by_old_root = _issue("Sample Intermediate", old_root, at, ca=True)
    by_new_root = _issue("Sample Intermediate", new_root, at, ca=True, key=by_old_root.key)
    proxy_root = _issue("Sample Interception Proxy", None, at, ca=True)
    return SampleSite(
        host=host,
        leaf=_issue(host, by_old_root, at),
        by_old_root=by_old_root,
        by_new_root=by_new_root,
        old_root=old_root,
        new_root=new_root,
        stray=_issue(host, by_new_root, at),
        intercepted=_issue(host, proxy_root, at),
        expired=_issue(host, proxy_root, at - timedelta(days=365)),
        proxy_root=proxy_root,
        backup=_issue(host, None, at).pin,
        former=_issue(host, None, at).pin,
    )


def _issue(
    name: str, issuer: _Issued | None, at: datetime, *, ca: bool = False, key: ec.EllipticCurvePrivateKey | None = None
) -> _Issued:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
            *([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sample Certificates")] if ca else []),
        ]
    )
    lifetime = timedelta(days=3650 if ca else 90)
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
    return _Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _pem(der: bytes, *, newline: str, final_newline: bool = True) -> str:
    """Write PEM as a sender does: 64 columns, its own newline inside, LF around."""
    lines = newline.join(textwrap.wrap(base64.b64encode(der).decode("ascii"), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----" + "\n" * final_newline


def _chromium(
    host: str, known: tuple[Pin, ...], served: list[_Issued], validated: list[_Issued], at: datetime, _: Any
) -> bytes:
    moment = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
    report = {
        "date-time": moment,
        "effective-expiration-date": moment,
        "hostname": host,
        "include-subdomains": False,
        "known-pins": [pin.directive for pin in known],
        "noted-hostname": host,
        "port": 443,
        "served-certificate-chain": [_pem(issued.der, newline="\n") for issued in served],
        "validated-certificate-chain": [_pem(issued.der, newline="\n") for issued in validated],
    }
    return json.dumps(report, separators=(",", ":")).encode()


def _trustkit(
    host: str,
    known: tuple[Pin, ...],
    _served: list[_Issued],
    validated: list[_Issued],
    at: datetime,
    app: SampleApp | None,
) -> bytes:
    assert app is not None
    report = {
        "app-bundle-id": app.bundle_id,
        "app-version": app.version,
        "app-platform": "IOS",
        "app-platform-version": "18.1.0",
        "app-vendor-id": app.install_id,
        "trustkit-version": "3.0.7",
        "date-time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "hostname": host,
        "port": 0,
        "noted-hostname": host,
        "include-subdomains": False,
        "enforce-pinning": False,
        "validated-certificate-chain": [_pem(issued.der, newline="\r\n", final_newline=False) for issued in validated],
        "known-pins": [pin.directive for pin in known],
        "validation-result": 1,
        "known-pins-expiration-date": None,
    }
    return json.dumps(report).encode()
