"""Certificates and keys in the forms in which tools, CAs and platforms hand them out, and what others are."""

import base64
import gzip
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)

from app.hpkp.errors import InvalidCertificate, InvalidKey
from app.hpkp.x509.certificate import pins_of
from app.hpkp.x509.chain_files import read_chain_file
from app.hpkp.x509.keys import find_keys, read_keys
from tests.support.authority import make_site

SITE = make_site()
LEAF, ISSUER = SITE.leaf, SITE.intermediate
CHAIN = (LEAF.pem + ISSUER.pem).encode()
PINS = [LEAF.pin, ISSUER.pin]


def _never() -> bytes:
    raise AssertionError("no passphrase is needed")


def _in_one_line(data: bytes) -> bytes:
    return data.decode().replace("\n", "\\n").encode()


def _pkcs12(protection: KeySerializationEncryption) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"site", LEAF.key, LEAF.certificate, [ISSUER.certificate], protection)


WRAPPED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("base64 of PEM, as in a Kubernetes secret", base64.b64encode),
    ("base64 in lines", base64.encodebytes),
    ("a variable with escaped line breaks", _in_one_line),
    ("JSON with escaped line breaks", lambda data: b'{"cert": "' + _in_one_line(data) + b'"}'),
    ("escaped line breaks of Windows", lambda data: data.decode().replace("\n", "\\r\\n").encode()),
]


@pytest.mark.parametrize(("form", "wrap"), WRAPPED, ids=[form for form, _ in WRAPPED])
def test_pem_in_a_wrapping_is_read(form: str, wrap: Callable[[bytes], bytes]) -> None:
    data = wrap(CHAIN)
    assert [str(key.pin) for key in read_keys(data, passphrase=_never)] == PINS
    assert [str(pin) for pin in _pins(data)] == PINS


def _pins(data: bytes) -> list[str]:
    return [str(element.pin) for element in read_chain_file(data)]


def test_a_chain_file_may_be_der_base64_or_pkcs7() -> None:
    der = LEAF.certificate.public_bytes(Encoding.DER)
    assert _pins(der) == _pins(base64.b64encode(der)) == [LEAF.pin]
    for encoding in (Encoding.DER, Encoding.PEM):
        assert _pins(pkcs7.serialize_certificates([LEAF.certificate, ISSUER.certificate], encoding)) == PINS
        # A SET has no order: the leaf is put first, wherever it was.
        assert _pins(pkcs7.serialize_certificates([ISSUER.certificate, LEAF.certificate], encoding)) == PINS


def test_a_key_in_a_combined_file_is_not_part_of_the_chain() -> None:
    key = LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert frozenset(map(str, pins_of(read_chain_file(key + CHAIN)))) == frozenset(PINS)


@pytest.mark.parametrize("word", [None, b"", b"secret"])
def test_pkcs12_is_opened_and_asks_only_if_it_has_to(word: bytes | None) -> None:
    asked: list[str] = []

    def passphrase() -> bytes:
        asked.append("asked")
        return b"secret"

    data = _pkcs12(BestAvailableEncryption(word) if word else NoEncryption())
    assert [str(key.pin) for key in read_keys(data, passphrase=passphrase)] == PINS
    assert asked == (["asked"] if word else [])


def test_pkcs12_without_a_certificate_gives_the_pin_of_its_key() -> None:
    data = pkcs12.serialize_key_and_certificates(b"key", LEAF.key, None, None, NoEncryption())
    assert [str(key.pin) for key in read_keys(data, passphrase=_never)] == [LEAF.pin]


def test_pkcs12_with_another_password_is_an_error_that_says_so() -> None:
    with pytest.raises(InvalidKey, match="PKCS #12 cannot be opened: Invalid password"):
        find_keys(_pkcs12(BestAvailableEncryption(b"secret")), passphrase=lambda: b"wrong")


def test_pkcs12_in_place_of_a_chain_names_the_command_that_takes_the_certificates_out() -> None:
    """A deployment hook cannot ask for a password, and a private key is not sent around for a check."""
    with pytest.raises(InvalidCertificate, match="openssl pkcs12 -in FILE -nokeys"):
        read_chain_file(_pkcs12(NoEncryption()))


OTHERS = [
    (b"", "it is empty"),
    (b" \n", "it is empty"),
    (gzip.compress(CHAIN), "gunzip"),
    (b"PK\x03\x04" + bytes(40), "ZIP archive"),
    (b"\xfe\xed\xfe\xed\x00\x00\x00\x02" + bytes(40), "keytool -exportcert"),
    (b"\xce\xce\xce\xce\x00\x00\x00\x02" + bytes(40), "keytool -exportcert"),
    (b"ssh-ed25519 AAAAC3Nz user@host\n", "SSH key"),
    (b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n", "SSH key"),
    (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "SSH key"),
    (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n", "SSH key"),
    (b'{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}', "JSON Web Key"),
    (b"apiVersion: v1\nkind: Secret\ndata:\n  tls.crt: LS0t\n", "kubectl get secret"),
    (b'{"apiVersion":"v1","data":{"tls.crt":"LS0t"},"kind":"Secret"}', "kubectl get secret"),
    (b"<!DOCTYPE html><html><body>Log in</body></html>", "HTML page"),
    (b"<md:EntityDescriptor><ds:X509Certificate>MIIB</ds:X509Certificate></md:EntityDescriptor>", "XML"),
]


@pytest.mark.parametrize(("data", "what"), OTHERS)
def test_what_is_not_read_is_named_with_what_to_do(data: bytes, what: str) -> None:
    found = _reason(data)
    assert what in found
    if "OPENSSH" not in data.decode("latin-1"):
        with pytest.raises(InvalidCertificate, match=what):
            read_chain_file(data)


def _reason(data: bytes) -> str:
    """Return why a file has no key, whether that is said of the whole or of its one block."""
    try:
        return " ".join(map(str, find_keys(data, passphrase=_never)))
    except InvalidKey as error:
        return str(error)


@pytest.mark.parametrize(
    "data",
    [
        LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        LEAF.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        b"no certificate",
        b"A" * 400,
        bytes(range(256)) * 4,
    ],
)
def test_a_file_without_a_certificate_is_no_chain(data: bytes) -> None:
    with pytest.raises(InvalidCertificate, match="no certificate in PEM, DER or PKCS #7"):
        read_chain_file(data)


def test_odd_texts_are_explained_in_bounded_time() -> None:
    """The patterns look at the beginning alone: what follows may be of any length."""
    for data in (b"A" * 2_000_000, b"{" * 2_000_000, b"<" * 2_000_000, b" " * 2_000_000 + b"!", b"AAAA\n" * 400_000):
        with pytest.raises(InvalidCertificate):
            read_chain_file(data)
