r"""The forms in which operators have certificates and keys, beyond PEM and DER. Pure: bytes in, bytes or a text out.

::

    unwrap         a Kubernetes secret's base64 of PEM or DER, a variable's PEM with \n for its line breaks ──> PEM, DER
    explain_form   a file without anything readable here ──> what it is, and the command that converts it
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64

from app.hpkp.x509.pem import decode_text

_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}")
_SHORTEST_BASE64 = 64
"""Characters; the shortest public key in DER has 59, and shorter texts are more likely a word than a key."""

_BEGINNING = 65_536
"""Bytes that tell a form."""

_BINARY = (
    (b"\x1f\x8b", "it is compressed with gzip; decompress it first: gunzip FILE"),
    (b"PK\x03\x04", "it is a ZIP archive; extract the certificates from it first"),
    (b"\xfe\xed\xfe\xed", "{keystore}"),
    (b"\xce\xce\xce\xce", "{keystore}"),
)
_KEYSTORE = (
    "it is a Java KeyStore; export the certificate: keytool -exportcert -rfc -alias ALIAS -keystore FILE > cert.pem"
)
_TEXTS = (
    (
        re.compile(r"\s*(ssh-|ecdsa-sha2-|sk-ssh-|---- BEGIN SSH2|PuTTY-User-Key-File|-----BEGIN OPENSSH PRIVATE KEY)"),
        "it is an SSH key, which no TLS server uses; give the certificate of the server, or its key in PEM",
    ),
    (re.compile(r"\s*-----BEGIN PGP "), "it is an OpenPGP key, which no TLS server uses"),
    (
        re.compile(r"(?s).{0,4000}?(\"?tls\.crt\"?\s*:|kind\"?:\s*\"?Secret)"),
        "it is a Kubernetes secret; take the certificate out of it: "
        "kubectl get secret NAME -o jsonpath='{.data.tls\\.crt}' | base64 -d > cert.pem",
    ),
    (
        re.compile(r"(?s)\s*\{.{0,4000}?\"kty\"\s*:"),
        "it is a JSON Web Key (RFC 7517); convert it to PEM, or give the certificate",
    ),
    (
        re.compile(r"(?is)\s*<(!doctype html|html)\b"),
        "it is an HTML page, perhaps the error page of a download",
    ),
    (
        re.compile(r"(?s)\s*<.{0,20000}?X509Certificate>"),
        "it is XML with certificates; give the base64 text of one X509Certificate element",
    ),
)


def unwrap(data: bytes) -> bytes:
    """Return what a file contains in a form around PEM or DER, or the file itself if there is none around it."""
    text = decode_text(data)
    if "-----BEGIN " in text:
        # Environment variables and JSON hold a PEM block in one line; \n is no character of base64.
        return text.replace("\\r", "").replace("\\n", "\n").encode() if "\\n" in text else data
    text = text.strip()
    if len(text) < _SHORTEST_BASE64 or _BASE64.fullmatch(text) is None:
        return data
    try:
        decoded = a2b_base64(text)
    except Base64Error:
        return data
    # A certificate or key in DER begins with a SEQUENCE. Other text only happens to have the letters of base64.
    return decoded if decoded.startswith(b"\x30") or b"-----BEGIN " in decoded else data


def explain_form(data: bytes) -> str | None:
    """Say what a file is that contains nothing readable here, and what to do; None if its form is not known."""
    if not data.strip():
        return "it is empty"
    for start, what in _BINARY:
        if data.startswith(start):
            return what.format(keystore=_KEYSTORE)
    text = decode_text(data[:_BEGINNING])
    return next((what for pattern, what in _TEXTS if pattern.match(text)), None)
