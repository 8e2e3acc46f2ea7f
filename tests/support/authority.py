"""The maker of test certificates: boring defaults, so that a test says only what differs."""

import base64
import functools
import hashlib
import ssl
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict, Unpack

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.openssl import run_openssl

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""The default validation time of the tests."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_LEAF_BEFORE, _LEAF_AFTER = timedelta(days=30), timedelta(days=60)
_CA_EITHER_SIDE = timedelta(days=5 * 365)
_MAX_COMMON_NAME = 64  # ub-common-name of RFC 5280
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def new_key(kind: str = "p256") -> PrivateKey:
    """Make a private key: "p256", "p384", "rsa2048" or "ed25519"."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa2048":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"unknown kind of key: {kind!r}")


class IssueOptions(TypedDict, total=False):
    """What `Issued.issue` takes besides the name."""

    names: Sequence[str] | None
    key: PrivateKey | None
    ca: bool
    organization: str | None
    not_before: datetime | None
    not_after: datetime | None
    serial: int | None
    path_length: int | None
    extensions: Sequence[x509.ExtensionType]
    critical: bool


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        """The certificate in PEM: 64 columns, LF, trailing newline."""
        return pem_with(self.der)

    @property
    def spki(self) -> bytes:
        """The DER SubjectPublicKeyInfo, as cryptography encodes it anew."""
        return self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pin(self) -> str:
        """The base64 of the SHA-256 of the SubjectPublicKeyInfo."""
        return base64.b64encode(hashlib.sha256(self.spki).digest()).decode("ascii")

    def issue(
        self,
        name: str = "www.example.com",
        *,
        names: Sequence[str] | None = None,
        key: PrivateKey | None = None,
        ca: bool = False,
        organization: str | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        serial: int | None = None,
        path_length: int | None = None,
        extensions: Sequence[x509.ExtensionType] = (),
        critical: bool = False,
    ) -> "Issued":
        """Issue a certificate signed by this one; with `ca`, an intermediate.

        A leaf's DNS names are `names`, or else just `name`; an empty `names` leaves the extension out.
        Each of `extensions` replaces the default extension of its kind, or is added; `critical` is for those.
        """
        subject_key = key or new_key()
        certificate = _certificate(
            _subject(name, organization),
            subject_key,
            issuer=self.certificate.subject,
            signer=self.key,
            names=names if names is not None else () if ca else (name,),
            ca=ca,
            not_before=not_before,
            not_after=not_after,
            serial=serial,
            path_length=path_length,
            extensions=extensions,
            critical=critical,
        )
        return Issued(certificate, subject_key)


def make_root(
    name: str = "Test Root",
    *,
    organization: str | None = "Test Trust Services",
    key: PrivateKey | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> Issued:
    """Make a self-signed CA."""
    key = key or new_key()
    subject = _subject(name, organization)
    certificate = _certificate(
        subject, key, issuer=subject, signer=key, ca=True, not_before=not_before, not_after=not_after
    )
    return Issued(certificate, key)


def self_signed(name: str = "www.example.com", *, key: PrivateKey | None = None) -> Issued:
    """Make a self-signed leaf."""
    key = key or new_key()
    subject = _subject(name, None)
    return Issued(_certificate(subject, key, issuer=subject, signer=key, names=(name,)), key)


def cross_sign(
    root: Issued, by: Issued, *, not_before: datetime | None = None, not_after: datetime | None = None
) -> Issued:
    """Make another certificate for the root's key and subject, issued by `by`."""
    certificate = _certificate(
        root.certificate.subject,
        root.key,
        issuer=by.certificate.subject,
        signer=by.key,
        ca=True,
        not_before=not_before,
        not_after=not_after,
    )
    return Issued(certificate, root.key)


@dataclass(frozen=True, slots=True)
class Site:
    """A leaf with the chain above it."""

    leaf: Issued
    intermediate: Issued
    root: Issued

    @property
    def served(self) -> list[str]:
        """The chain as the server sends it: leaf and intermediate, in PEM."""
        return [self.leaf.pem, self.intermediate.pem]

    @property
    def validated(self) -> list[str]:
        """The chain as the client builds it: leaf, intermediate and root, in PEM."""
        return [*self.served, self.root.pem]


def make_site(name: str = "www.example.com", **kwargs: Unpack[IssueOptions]) -> Site:
    """Make a root, an intermediate and a leaf; the keyword arguments are for the issuing of the leaf."""
    root = make_root()
    intermediate = root.issue("Test Intermediate", ca=True, organization="Test Trust Services")
    return Site(intermediate.issue(name, **kwargs), intermediate, root)


def pem_with(der: bytes, *, columns: int = 64, newline: str = "\n", final_newline: bool = True) -> str:
    """Encode a certificate in PEM of an odd shape; the newline stands between all lines, and at the end."""
    text = base64.b64encode(der).decode("ascii")
    body = [text[start : start + columns] for start in range(0, len(text), columns)]
    lines = ["-----BEGIN CERTIFICATE-----", *body, "-----END CERTIFICATE-----"]
    return newline.join(lines) + (newline if final_newline else "")


def cross_certificate(
    subject: Issued, by: Issued, *, not_before: datetime | None = None, not_after: datetime | None = None
) -> bytes:
    """Make the DER of another certificate for a CA's name and key, issued by `by`, with dates of its own."""
    return _certificate(
        subject.certificate.subject, subject.key, issuer=by.certificate.subject, signer=by.key, ca=True,
        not_before=not_before, not_after=not_after,
    ).public_bytes(Encoding.DER)  # fmt: skip


def sign_again(issued: Issued, by: Issued, change: Callable[[bytes], bytes] = bytes) -> bytes:
    """Change what is signed of a certificate, as bytes of the same length, and sign it again with a P-256 key."""
    assert isinstance(by.key, ec.EllipticCurvePrivateKey)
    tbs = change(issued.certificate.tbs_certificate_bytes)
    return _tlv(0x30, tbs + _ECDSA_WITH_SHA256 + _tlv(0x03, b"\x00" + by.key.sign(tbs, ec.ECDSA(hashes.SHA256()))))


_SHA256_WITH_RSA, _MD5_WITH_RSA = (bytes.fromhex(f"300d06092a864886f70d0101{end}0500") for end in ("0b", "04"))


def sign_with_md5(issued: Issued, by: Issued) -> bytes:
    """Make the certificate anew, with MD5 in place of SHA-256; `by` has an RSA key."""
    assert isinstance(by.key, rsa.RSAPrivateKey)
    tbs = issued.certificate.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _MD5_WITH_RSA)
    signature = by.key.sign(tbs, padding.PKCS1v15(), hashes.MD5())
    return _tlv(0x30, tbs + _MD5_WITH_RSA + _tlv(0x03, b"\x00" + signature))


def certificate_for_key(public_key: rsa.RSAPublicKey, name: str, by: Issued) -> bytes:
    """Make the DER of a CA certificate for a key of which nobody needs the private one."""
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name, None))
        .issuer_name(by.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - _CA_EITHER_SIDE)
        .not_valid_after(NOW + _CA_EITHER_SIDE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(by.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def certificate_with_serial_zero() -> bytes:
    """Make the DER of a self-signed certificate of serial number 0."""
    return certificate_with_serial(0)


def certificate_with_serial(serial: int) -> bytes:
    """Make the DER of a self-signed certificate of any serial number; cryptography's builder refuses 0 and below."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("www.example.com", None)
    certificate = _certificate(subject, key, issuer=subject, signer=key, names=("www.example.com",), serial=5)
    version = bytes.fromhex("a003020102")
    encoded = serial.to_bytes((8 + (serial + (serial < 0)).bit_length()) // 8, "big", signed=True)
    inner = certificate.tbs_certificate_bytes.replace(version + b"\x02\x01\x05", version + _tlv(0x02, encoded), 1)
    tbs = _tlv(0x30, inner[_header_length(inner) :])
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return _tlv(0x30, tbs + _ECDSA_WITH_SHA256 + _tlv(0x03, b"\x00" + signature))


def _header_length(der: bytes) -> int:
    """Return how many bytes the tag and length of an element take."""
    return 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)


@functools.cache
def pss_certificate() -> bytes:
    """Make the DER of a self-signed certificate whose key is id-RSASSA-PSS with explicit parameters."""
    with tempfile.TemporaryDirectory() as directory:
        run = _OpenSSL(Path(directory))
        options = ("rsa_keygen_bits:2048", "rsa_pss_keygen_md:sha256", "rsa_pss_keygen_mgf1_md:sha256")
        pkeyopts = [word for option in options for word in ("-pkeyopt", option)]
        run("genpkey", "-algorithm", "RSA-PSS", *pkeyopts, "-out", "leaf.key")
        run.request("leaf", "www.example.com")
        return run.sign("leaf", by="leaf", profile="leaf")


@functools.cache
def explicit_ec_certificate() -> bytes:
    """Make the DER of a self-signed certificate whose P-256 key spells the curve's parameters out."""
    with tempfile.TemporaryDirectory() as directory:
        run = _OpenSSL(Path(directory))
        curve = ("-name", "prime256v1", "-param_enc", "explicit")
        run("ecparam", *curve, "-genkey", "-noout", "-out", "leaf.key")
        run.request("leaf", "www.example.com")
        return run.sign("leaf", by="leaf", profile="leaf")


@functools.cache
def sha1_signed(name: str = "www.example.com") -> tuple[bytes, bytes]:
    """Make a leaf that an RSA root signed using SHA-1: the DER of the leaf and of the root."""
    with tempfile.TemporaryDirectory() as directory:
        run = _OpenSSL(Path(directory), name)
        run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "root.key")
        run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "leaf.key")
        run.request("root", "Test SHA-1 Root")
        run.request("leaf", name)
        root = run.sign("root", by="root", profile="root")
        return run.sign("leaf", by="root", profile="leaf", digest="sha1"), root


def _subject(name: str, organization: str | None) -> x509.Name:
    """Make a distinguished name; a common name is cut to the length that X.509 allows."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name[:_MAX_COMMON_NAME])]
    if organization is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _validity(ca: bool, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Fill in a validity; where only one end is given, the other keeps out of its way."""
    before, after = (_CA_EITHER_SIDE, _CA_EITHER_SIDE) if ca else (_LEAF_BEFORE, _LEAF_AFTER)
    if start is None:
        start = NOW - before if end is None or end > NOW - before else end - before - after
    if end is None:
        end = NOW + after if start < NOW + after else start + before + after
    return start, end


def _certificate(
    subject: x509.Name,
    key: PrivateKey,
    *,
    issuer: x509.Name,
    signer: PrivateKey,
    names: Sequence[str] = (),
    ca: bool = False,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    serial: int | None = None,
    path_length: int | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
    critical: bool = False,
) -> x509.Certificate:
    """Build and sign a certificate."""
    start, end = _validity(ca, not_before, not_after)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    defaults: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=ca, path_length=path_length), True),
        (_key_usage(ca), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    if not ca:
        defaults.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    if names:
        defaults.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False))
    given = {extension.oid for extension in extensions}
    for default, usually_critical in defaults:
        if default.oid not in given:
            builder = builder.add_extension(default, usually_critical)
    for extension in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _key_usage(ca: bool) -> x509.KeyUsage:
    """Let a CA sign certificates and lists, and a leaf sign handshakes."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _tlv(tag: int, content: bytes) -> bytes:
    """Encode one DER element."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


_CONFIGURATION = """\
[req]
distinguished_name = nothing
string_mask = utf8only
[nothing]
[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
policy = anything
[anything]
organizationName = optional
commonName = supplied
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = DNS:{name}
"""


@dataclass(frozen=True, slots=True)
class _OpenSSL:
    """The openssl command line in a directory of its own, with a configuration of its own."""

    directory: Path
    name: str = "www.example.com"

    def __post_init__(self) -> None:
        """Write what `openssl ca` wants to find."""
        (self.directory / "openssl.cnf").write_text(_CONFIGURATION.format(name=self.name))
        (self.directory / "index.txt").touch()

    def __call__(self, *arguments: str) -> None:
        """Run a command, and fail with what it said."""
        run_openssl(*arguments, directory=self.directory, configuration=str(self.directory / "openssl.cnf"))

    def request(self, stem: str, name: str) -> None:
        """Make a certificate request for the key of that stem."""
        self("req", "-new", "-key", f"{stem}.key", "-subj", f"/CN={name}", "-out", f"{stem}.csr")

    def sign(self, stem: str, *, by: str, profile: str, digest: str = "sha256") -> bytes:
        """Sign a request with dates of our own, which only `openssl ca` can set in every OpenSSL 3."""
        start, end = (f"{moment:%Y%m%d%H%M%SZ}" for moment in _validity(profile == "root", None, None))
        issuer = ("-selfsign",) if by == stem else ("-cert", f"{by}.pem")
        self(
            "ca", "-batch", "-notext", "-keyfile", f"{by}.key", *issuer, "-md", digest,
            "-startdate", start, "-enddate", end, "-extensions", profile,
            "-in", f"{stem}.csr", "-out", f"{stem}.pem",
        )  # fmt: skip
        return ssl.PEM_cert_to_DER_cert((self.directory / f"{stem}.pem").read_text(encoding="ascii"))
