"""Keys as operators hold them (certificates, PKCS #7, requests, public and private keys) and their pins.

::

    PEM, DER, PKCS #7, PKCS #12 ──find_keys──> HeldKey(kind, pin, certificate?) | InvalidKey …

Certificates, requests and public keys carry their SubjectPublicKeyInfo; it is taken as it stands. A private key has
none, so one is made: from the algorithm that stands in the PKCS #8 structure (RFC 5958 section 2), which for
RSASSA-PSS is another one than the library would write, and the public key's bits.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)

from app.hpkp.errors import InvalidCertificate, InvalidKey
from app.hpkp.pins import Pin, pin_of_spki
from app.hpkp.x509.certificate import Certificate, Element, UnreadableCertificate, read_certificate
from app.hpkp.x509.file_forms import explain_form, unwrap
from app.hpkp.x509.pem import CERTIFICATE_LABELS, PemBlock, decode_text, pem_blocks
from app.hpkp.x509.pkcs7 import PKCS7_LABELS, certificates_of_pkcs7
from app.hpkp.x509.pkcs12 import is_pkcs12, open_pkcs12
from app.hpkp.x509.spki import algorithm_of_private_key, is_signed_data, make_spki, spki_of_signing_request, split_spki

_CRL_LABEL = "X509 CRL"
_KEYLESS = frozenset({"EC PARAMETERS", "DH PARAMETERS", "DSA PARAMETERS", _CRL_LABEL})
"""Blocks that stand beside keys in a server's file."""

_CRL = "a certificate revocation list (CRL) has no key (RFC 5280 section 5.1); give the certificate of its issuer"

Passphrase = Callable[[], bytes]
"""Asked only when a private key is encrypted."""


class KeyKind(StrEnum):
    """What held the key."""

    CERTIFICATE = "certificate"
    REQUEST = "certification request"
    PUBLIC = "public key"
    PRIVATE = "private key"


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One key with its pin; ``certificate`` where it stood in one that could be read."""

    kind: KeyKind
    pin: Pin
    certificate: Certificate | None = None
    note: str = ""
    subject: str = ""
    """Of a request or a certificate; an RFC 4514 string, empty where there is none or it cannot be read."""
    names: tuple[str, ...] = ()
    """The DNS names of a request, the names of a certificate."""


def find_keys(data: bytes, *, passphrase: Passphrase) -> tuple[HeldKey | InvalidKey, ...]:
    """Read every key in a file, PEM or DER, in order; in place of one that cannot be read stands the reason.

    Raises InvalidKey, saying what was found instead, where there is nothing that could have a key.
    """
    data = unwrap(data)
    text = decode_text(data)
    if "-----BEGIN " in text:
        blocks = tuple(pem_blocks(text))
        found: list[HeldKey | InvalidKey] = []
        for number, block in enumerate(blocks, 1):
            try:
                found.extend(() if block.label in _KEYLESS else _read_block(block, passphrase))
            except InvalidKey as error:
                where = f"block {number} of {len(blocks)}: " if len(blocks) > 1 else ""
                # In its place, and not instead of all: one broken block must not hide the rest of a bundle.
                found.append(InvalidKey(f"{where}{error}"))
        if found:
            return tuple(found)
        if blocks:
            raise _holds_no_key(blocks[0])
    if is_signed_data(data):
        return _of_pkcs7(data)
    if is_pkcs12(data):
        return _of_pkcs12(data, passphrase)
    return (_read_der(data, passphrase),)


def read_keys(data: bytes, *, passphrase: Passphrase) -> tuple[HeldKey, ...]:
    """Read every key as `find_keys` does. Raises InvalidKey where there is none or one cannot be read."""
    found = find_keys(data, passphrase=passphrase)
    if fault := next((item for item in found if isinstance(item, InvalidKey)), None):
        raise fault
    return tuple(item for item in found if isinstance(item, HeldKey))


def _holds_no_key(block: PemBlock) -> InvalidKey:
    """Make the error for a PEM block that has no key to pin."""
    if block.label == _CRL_LABEL:
        return InvalidKey(_CRL)
    return InvalidKey(f"a PEM block {block.label} holds no key that can be pinned")


def _read_block(block: PemBlock, passphrase: Passphrase) -> tuple[HeldKey, ...]:
    """Read the keys of a PEM block. Raises InvalidKey, naming the block, if one cannot be read."""
    try:
        # Windows writes PKCS #7 under the label of a certificate as well.
        if block.label in PKCS7_LABELS or (block.label in CERTIFICATE_LABELS and is_signed_data(block.decode())):
            return _of_pkcs7(block.decode())
        return (_read_single(block, passphrase),)
    except InvalidKey:
        raise
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKey(f"the PEM block {block.label} cannot be read: {error}") from None


def _read_single(block: PemBlock, passphrase: Passphrase) -> HeldKey:
    """Read the key of a block that holds one, by its label; raises what the reader raises."""
    if block.label in CERTIFICATE_LABELS:
        return _of_certificate(block.decode())
    if block.label.endswith("CERTIFICATE REQUEST"):
        return _of_request(block.decode())
    if block.label == "PUBLIC KEY":
        return _of_public_key(block.decode())
    # PKCS #1, which holds no algorithm, unlike the SubjectPublicKeyInfo above.
    if block.label == "RSA PUBLIC KEY":
        return _of_rsa_public_key(block.decode())
    if block.label == "OPENSSH PRIVATE KEY":
        raise InvalidKey(explain_form(block.text.encode()) or block.label)
    if block.label.endswith("PRIVATE KEY"):
        return _of_private_key(
            lambda word: load_pem_private_key(block.text.encode(), word), _plain_der(block), passphrase
        )
    raise _holds_no_key(block)


def _of_pkcs7(der: bytes) -> tuple[HeldKey, ...]:
    """Return the keys of all certificates, in the order of the file. Raises InvalidKey."""
    return tuple(_of_certificate(certificate) for certificate in certificates_of_pkcs7(der))


def _of_pkcs12(data: bytes, passphrase: Passphrase) -> tuple[HeldKey, ...]:
    """Return the certificates' keys, or that of the private key if it comes without a certificate."""
    certificates, key = open_pkcs12(data, passphrase=passphrase)
    if certificates:
        return tuple(map(_of_certificate, certificates))
    if key is None:
        raise InvalidKey("the PKCS #12 contains neither a certificate nor a private key")
    # The library hands out a loaded key and not its DER, so the algorithm that it states is lost here.
    return (HeldKey(KeyKind.PRIVATE, pin_of_spki(_spki_of(key))),)


def _read_der(data: bytes, passphrase: Passphrase) -> HeldKey:
    """Try what DER can be, from the most telling shape to the least."""
    attempts: Iterable[Callable[[], HeldKey]] = (
        lambda: _of_certificate(data),
        lambda: _of_request(data),
        lambda: _of_public_key(data),
        lambda: _of_rsa_public_key(data),
        lambda: _of_private_key(lambda word: load_der_private_key(data, word), data, passphrase),
    )
    for attempt in attempts:
        try:
            return attempt()
        except (ValueError, UnsupportedAlgorithm):
            continue
    # Only to explain: a CRL is easily confused with a certificate.
    if _is_crl(data):
        raise InvalidKey(_CRL)
    raise InvalidKey(
        explain_form(data)
        or "neither PEM nor DER of a certificate, PKCS #7, PKCS #12, certification request, public or private key"
    )


def _is_crl(data: bytes) -> bool:
    """Whether the bytes are a certificate revocation list in DER."""
    try:
        x509.load_der_x509_crl(data)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False
    return True


def _of_certificate(der: bytes) -> HeldKey:
    """Return the key of a certificate in DER. Raises InvalidCertificate if not even its key can be read."""
    return held_certificate(read_certificate(der))


def held_certificate(element: Element) -> HeldKey:
    """Return the key of a certificate. Raises InvalidCertificate where not even its key can be read."""
    if isinstance(element, Certificate):
        return HeldKey(KeyKind.CERTIFICATE, element.pin, element, subject=element.subject, names=element.names)
    return HeldKey(KeyKind.CERTIFICATE, _pin_of_unreadable(element), note=element.reason)


def _pin_of_unreadable(element: UnreadableCertificate) -> Pin:
    """Return the pin of a certificate that cannot be read otherwise. Raises InvalidCertificate without one."""
    if element.pin is None:
        raise InvalidCertificate(element.reason)
    return element.pin


def _of_request(der: bytes) -> HeldKey:
    """Take the key of a request as encoded; subject and names only tell which request it is."""
    pin = pin_of_spki(spki_of_signing_request(der))
    subject, names = "", tuple[str, ...]()
    # A request that the library refuses keeps its pin, because the bytes were sliced before.
    with suppress(ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        request = x509.load_der_x509_csr(der)
        subject = request.subject.rfc4514_string()
        names = _names_asked_for(request)
    return HeldKey(KeyKind.REQUEST, pin, subject=subject, names=names)


def _names_asked_for(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    """Return the DNS names of a request; none if its extensions cannot be read."""
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(names.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()


def _of_public_key(der: bytes) -> HeldKey:
    """Return the key of a SubjectPublicKeyInfo, hashed as it stands. Raises InvalidCertificate for other DER."""
    split_spki(der)
    return HeldKey(KeyKind.PUBLIC, pin_of_spki(der))


def _of_rsa_public_key(der: bytes) -> HeldKey:
    """Read an RSAPublicKey (RFC 8017 appendix A.1.1), which states no algorithm: it is taken as plain RSA."""
    key = load_der_public_key(der)
    return _of_public_key(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _plain_der(block: PemBlock) -> bytes:
    """Return the DER of an unencrypted private key, or nothing."""
    encrypted = block.label.startswith("ENCRYPTED") or "ENCRYPTED" in block.content
    return b"" if encrypted else block.decode()


def _of_private_key(load: Callable[[bytes | None], PrivateKeyTypes], der: bytes, passphrase: Passphrase) -> HeldKey:
    """Load a private key and make its pin.

    ``load`` is the library's loader with its data bound; ``der`` is the key unencrypted, empty if it cannot be had.
    Raises what the loader raises.
    """
    note = ""
    try:
        key = load(None)
    except TypeError:  # the library's way to say that it is encrypted
        key, der = load(passphrase()), b""
        note = (
            "encrypted, so taken as plain RSA or a named curve; for RSASSA-PSS or explicit parameters use the "
            "certificate or public key"
        )
    spki = _spki_of(key)
    # The algorithm as the key states it: for RSASSA-PSS the library writes another, which gives a pin that no client
    # computes (decision record 1).
    if der and (algorithm := algorithm_of_private_key(der)):
        spki = make_spki(algorithm, split_spki(spki)[1])
    return HeldKey(KeyKind.PRIVATE, pin_of_spki(spki), note=note)


def _spki_of(key: PrivateKeyTypes) -> bytes:
    """Return the SubjectPublicKeyInfo as the library writes it, always as plain RSA or a named curve."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
