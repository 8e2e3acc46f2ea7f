"""``hpkp backup-key``: a key and request to keep offline."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from app.cli.terminal import JsonOption, err, fail, out, print_json
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.hpkp.pins import pin_of_spki
from app.hpkp.x509.spki import spki_of_signing_request


class KeyType(StrEnum):
    """Kinds of key that every CA certifies."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA4096 = "rsa4096"


def backup_key(
    host: Annotated[str, typer.Argument(help="The host that the key is for.", metavar="HOST")],
    names: Annotated[list[str] | None, typer.Option("--name", help="A further name for the request.")] = None,
    key_type: Annotated[KeyType, typer.Option("--type", help="Kind of key.")] = KeyType.P256,
    directory: Annotated[Path, typer.Option("--out", help="Where the files go; nothing is overwritten.")] = Path(),
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for a passphrase and encrypt the key.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Generate an offline backup key and its CSR.

    Keep the key off the server. At a renewal that needs it: certbot certonly --csr HOST.backup.csr.

    A root or intermediate of the CA that you use is in your chain, so it is no Backup Pin (RFC 7469 section 2.5). A
    root of a second CA is one, if that CA issues you certificates under this root; but then every certificate of that
    CA matches too. Do not use an intermediate: CAs change them without notice.
    """
    try:
        hosts = list(dict.fromkeys(canonical_host(name) for name in (host, *(names or []))))
    except HpkpError as error:
        fail(str(error))
    key_file, request_file = directory / f"{hosts[0]}.backup.key", directory / f"{hosts[0]}.backup.csr"
    for path in (key_file, request_file):
        if path.exists():
            fail(f"{path} exists; it is not overwritten. Name another --out, or move it away.")
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        word = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
        encryption = BestAvailableEncryption(str(word).encode())
    key = _make_key(key_type)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pin = pin_of_spki(spki_of_signing_request(request.public_bytes(Encoding.DER)))
    try:
        _write_new(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), mode=0o600)
        _write_new(request_file, request.public_bytes(Encoding.PEM), mode=0o644)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    if as_json:
        print_json({"host": hosts[0], "names": hosts, "pin": pin, "key": key_file, "request": request_file})
        return
    out.print(pin.directive, markup=False, style="bold")
    err.print(
        f"key      {key_file}: keep it offline, and not only in one place\n"
        f"request  {request_file}\n"
        f"Add the pin to the policy: hpkp policy set {hosts[0]} --pin LIVE --pin {pin}=backup\n"
        f"When it is needed: certbot certonly --csr {request_file}, then install {key_file} next to the certificate.\n"
        "Until then renew with certbot's --reuse-key, or the live pin changes at every renewal.\n"
        "Instead of your key, the root of a second CA could be the Backup Pin, while that CA certifies you\n"
        "under it; an intermediate could not, because CAs change them, and no key of your present chain can.",
        markup=False,
    )


def _make_key(key_type: KeyType) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    match key_type:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.RSA2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case KeyType.RSA4096:
            return rsa.generate_private_key(public_exponent=65537, key_size=4096)


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that must not exist yet; from the first moment nobody else can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
