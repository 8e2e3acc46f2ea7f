"""``hpkp pin``: the pins of certificates, PKCS #7, requests and keys in files."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.terminal import CANNOT_TELL, JsonOption, err, out, print_json
from app.hpkp.errors import HpkpError
from app.hpkp.keys import HeldKey, read_keys

FilesArgument = Annotated[list[str], typer.Argument(help="Files in PEM or DER; - is standard input.")]


def pin(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Print the pin of every certificate (also in PKCS #7), request, public or private key in the files.

    The pin is the base64 of the SHA-256 of the SubjectPublicKeyInfo (RFC 7469 section 2.4). A chain gives one pin for
    each certificate. An encrypted private key asks for its passphrase. Exit code 2 where a file could not be read.
    """
    found: list[dict[str, Any]] = []
    failed = False
    for name in files:
        try:
            keys = read_keys(_read(name), passphrase=lambda name=name: _ask(name))  # type: ignore[misc]
        except (HpkpError, OSError) as error:
            failed = True
            err.print(f"error: {name}: {getattr(error, 'strerror', None) or error}", markup=False, style="red")
            continue
        found.extend(_describe(name, position, key) for position, key in enumerate(keys))
    if as_json:
        print_json(found)
    else:
        for item in found:
            _print(item)
    if failed:
        raise typer.Exit(CANNOT_TELL)


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _ask(name: str) -> bytes:
    return str(typer.prompt(f"Passphrase of {name}", hide_input=True, err=True)).encode()


def _describe(name: str, position: int, key: HeldKey) -> dict[str, Any]:
    item: dict[str, Any] = {"file": name, "position": position, "kind": key.kind.value, "pin": str(key.pin)}
    if certificate := key.certificate:
        item |= {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": list(certificate.names),
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
            "sha256": certificate.fingerprint.hex(),
        }
    return item | ({"note": key.note} if key.note else {})


def _print(item: dict[str, Any]) -> None:
    out.print(f'pin-sha256="{item["pin"]}"', markup=False, style="bold")
    out.print(f"  {item['kind']} {item['position']} of {item['file']}", markup=False)
    if "subject" in item:
        out.print(f"  subject  {item['subject']}\n  issuer   {item['issuer']}", markup=False)
        out.print(f"  valid    {item['not_before']:%Y-%m-%d} to {item['not_after']:%Y-%m-%d}", markup=False)
    if "note" in item:
        out.print(f"  note     {item['note']}", markup=False)
