"""A private key pasted by mistake is refused wherever it stands, and no part of it comes back in the reason."""

import base64
import json
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.outcomes import Outcome
from app.senders.private_keys import find_private_key, is_private_key
from tests.support.authority import new_key
from tests.support.senders.submissions import accepted, body_with, read, refused, site

FORMATS = {
    "PKCS #8": ("p256", PrivateFormat.PKCS8, b""),
    "PKCS #8 of RSA": ("rsa2048", PrivateFormat.PKCS8, b""),
    "PKCS #8 of Ed25519": ("ed25519", PrivateFormat.PKCS8, b""),
    "encrypted PKCS #8": ("p384", PrivateFormat.PKCS8, b"passphrase"),
    "SEC 1": ("p256", PrivateFormat.TraditionalOpenSSL, b""),
    "PKCS #1": ("rsa2048", PrivateFormat.TraditionalOpenSSL, b""),
}


def encoded(form: str, encoding: Encoding) -> bytes:
    kind, private_format, passphrase = FORMATS[form]
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return new_key(kind).private_bytes(encoding, private_format, encryption)


def pem_of(form: str) -> str:
    return encoded(form, Encoding.PEM).decode("ascii")


def bare_of(form: str) -> str:
    return base64.b64encode(encoded(form, Encoding.DER)).decode("ascii")


def bodies_with(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield bodies that hold a text at all kinds of places, each with the pointer to it."""
    for member in ("hostname", "noted-hostname", "app-version", "something-else", "date-time"):
        yield f"/{member}", body_with({member: text})
    for member in ("served-certificate-chain", "validated-certificate-chain", "known-pins"):
        yield f"/{member}", body_with({member: text})
        yield f"/{member}/1", body_with({member: [site().leaf.pem, text]})
        yield f"/{member}/0/a~1b~0c/0", body_with({member: [{"a/b~c": [text]}]})
    yield "", body_with({text: 1})
    yield "/outer", body_with({"outer": {text: 1}})


def test_the_same_bodies_with_a_harmless_text_are_not_refused_for_a_private_key() -> None:
    public = site().leaf.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    for _, body in bodies_with(public):
        assert "private key" not in getattr(read(body), "reason", "")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("write", [pem_of, bare_of], ids=["PEM", "bare base64"])
def test_a_private_key_is_refused_at_its_place_and_not_repeated(write: Callable[[str], str], form: str) -> None:
    text = write(form)
    for pointer, body in bodies_with(text):
        refusal = refused(body)
        assert refusal.outcome is Outcome.NOT_A_REPORT
        assert "private key" in refusal.reason
        assert refusal.pointer == pointer
        assert not any(line in refusal.reason for line in text.splitlines()[-3:] if len(line) > 8)


@pytest.mark.parametrize(
    "disguise",
    [
        pytest.param(lambda body: body.replace(b"PRIVATE", rb"PRI\u0056ATE"), id="one escaped letter"),
        pytest.param(lambda body: body.replace(b"PRIVATE KEY", rb"PRIVATE\u0020KEY"), id="escaped blank"),
        pytest.param(lambda body: body.replace(b"-----BEGIN", rb"\u002d----BEGIN"), id="escaped dash"),
        pytest.param(lambda body: body.replace(rb"\n", rb"\u000a"), id="escaped newlines"),
        pytest.param(lambda body: body.replace(b"/", rb"\/"), id="escaped slashes"),
        pytest.param(lambda body: body.replace(rb"\n", rb"\r\n"), id="CRLF"),
        pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="byte order mark"),
    ],
)
def test_the_spelling_of_the_json_does_not_hide_a_private_key(disguise: Callable[[bytes], bytes]) -> None:
    body = disguise(body_with({"something-else": pem_of("PKCS #8")}))
    assert refused(body).pointer == "/something-else"


@pytest.mark.parametrize("form", FORMATS)
def test_bare_base64_is_found_in_other_spellings(form: str) -> None:
    bare = bare_of(form)
    urlsafe = bare.replace("+", "-").replace("/", "_").rstrip("=")
    wrapped = "\r\n".join(bare[start : start + 9] for start in range(0, len(bare), 9))
    for text in (urlsafe, wrapped, f"\n  {bare}\n"):
        assert refused(body_with({"something-else": text})).pointer == "/something-else"
    escaped = body_with({"something-else": bare}).replace(bare.encode(), b"\\u004d" + bare[1:].encode())
    assert refused(escaped).pointer == "/something-else"


@pytest.mark.parametrize("write", [pem_of, bare_of], ids=["PEM", "bare base64"])
def test_a_private_key_in_a_member_that_is_sent_again_is_refused_because_the_raw_body_would_be_kept(
    write: Callable[[str], str],
) -> None:
    first = b'"hostname": ' + json.dumps(write("SEC 1")).encode() + b', "hostname"'
    refusal = refused(body_with().replace(b'"hostname"', first, 1))
    assert refusal.outcome is Outcome.NOT_A_REPORT
    assert "private key" in refusal.reason


@pytest.mark.parametrize("label", ["CERTIFICATE", "X509 CERTIFICATE", "PKCS8"])
def test_a_private_key_under_another_label_is_refused(label: str) -> None:
    block = f"-----BEGIN {label}-----\n{bare_of('PKCS #8')}\n-----END {label}-----\n"
    refusal = refused(body_with({"served-certificate-chain": [site().leaf.pem, block]}))
    assert refusal.pointer == "/served-certificate-chain/1"
    assert refused(body_with({"served-certificate-chain": block})).pointer == "/served-certificate-chain"


def test_a_key_of_dsa_begins_as_the_others_do() -> None:
    key = dsa.generate_private_key(key_size=1024)
    for private_format in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        der = key.private_bytes(Encoding.DER, private_format, NoEncryption())
        assert is_private_key(base64.b64encode(der).decode())


@pytest.mark.parametrize("head", ["MIIP+wIBADA", "MIIP-wIBADA", "MIIP/wIBADA", "MIIP_wIBADA"])
def test_both_alphabets_of_base64_are_read(head: str) -> None:
    assert is_private_key(head + "A" * 40)


def test_certificates_and_pins_are_not_taken_for_private_keys() -> None:
    issued = [site().leaf, site().intermediate, site().root]
    assert not any(is_private_key(base64.b64encode(each.der).decode()) for each in issued)
    assert not any(is_private_key(base64.b64encode(each.spki).decode()) for each in issued)
    pins = [base64.b64encode(bytes((0x30, number)) + bytes(30)).decode() for number in range(256)]
    assert not any(map(is_private_key, pins))
    bare = [base64.b64encode(each.der).decode() for each in issued]
    assert accepted(body_with({"validated-certificate-chain": bare, "known-pins": pins[:64]})).validated_chain


def test_looking_for_the_place_of_a_key_takes_no_more_memory_than_the_body_explains() -> None:
    value: object = [["x"]] * 40_000
    for _ in range(100):
        value = [value]
    body = b'{"padding":"PRIVATE KEY","padding":' + json.dumps(value, separators=(",", ":")).encode() + b"}"
    decoded = json.loads(body)
    tracemalloc.start()
    try:
        assert find_private_key(body, decoded) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * len(body)


@pytest.mark.parametrize("place", [["a", 1, "b"], ["a", 0], ["a"]])
def test_the_place_of_a_key_is_told_from_the_outside_in(place: list[str | int]) -> None:
    value: object = "PRIVATE KEY"
    for step in reversed(place):
        value = {step: value} if isinstance(step, str) else ["x"] * step + [value]
    assert find_private_key(json.dumps(value).encode(), value) == place
