"""``hpkp pin``: the pins of certificates, PKCS #7, requests and keys, and what speaks against pinning them."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.catalog import load_known_certificates
from app.catalog.load import load_catalog
from app.cli.acme_directories import find_lineages
from app.cli.lineage import lineage_items
from app.cli.live_items import live_items, read_target
from app.cli.pin_items import PinItem, as_plain, print_item
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, err, fail, print_json, read_settings
from app.hpkp.catalog import Catalog
from app.hpkp.errors import HpkpError, InvalidKey
from app.hpkp.key_description import KeyDescription, describe_key
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.keys import HeldKey, find_keys
from app.service import now

FilesArgument = Annotated[
    list[str],
    typer.Argument(
        help="Files in PEM or DER, - for standard input, directories of ACME clients, or HOST[:PORT] to look at a live "
        "chain.",
        metavar="FILE",
    ),
]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What keys are described by."""

    known: KnownCertificates
    catalog: Catalog
    at: datetime

    def describe(self, key: HeldKey) -> KeyDescription:
        """Describe one key."""
        return describe_key(key, known=self.known, catalog=self.catalog, at=self.at)


def pin(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Print the pin of every certificate (also in PKCS #7), request, public or private key, and what speaks against it.

    The pin is the base64 of the SHA-256 of the SubjectPublicKeyInfo (RFC 7469 section 2.4). A chain gives one pin for
    each certificate. A warning tells where pinning a key is a bad idea: an intermediate that its CA changes or has
    retired, a compromised key, a pin out of a tutorial. An encrypted private key asks for its passphrase.

    Of the directory of an ACME client (certbot live/NAME or archive/NAME, dehydrated certs/NAME, acme.sh NAME, lego
    certificates) every generation is told: previous, current, or next for a key made ahead; whether its key is that of
    the generation before; and whether certificate and key belong together.

    Of HOST, HOST:PORT or https://HOST the chains are told that are served at all its addresses, whatever they are.

    Exit code 0: all was read. 1: files of a lineage do not belong together. 2: something could not be read.
    """
    knowledge = _load_knowledge()
    found: list[PinItem] = []
    faults = 0
    for argument in files:
        try:
            for item in items_of(argument, knowledge):
                if isinstance(item, PinItem):
                    found.append(item)
                else:
                    faults += _tell(argument, item)
        except (HpkpError, OSError) as error:
            faults += _tell(argument, error)
    if as_json:
        print_json([as_plain(item) for item in found])
    else:
        for item in found:
            print_item(item)
    if any(item.contradicts_itself for item in found):
        raise typer.Exit(NO)
    if faults:
        raise typer.Exit(CANNOT_TELL)


def items_of(argument: str, knowledge: Knowledge) -> Iterator[PinItem | InvalidKey]:
    """Yield everything with a pin that one argument names, and the reason in place of what cannot be read.

    Raises HpkpError or OSError, which end this argument.
    """
    if argument != "-" and Path(argument).is_dir():
        for lineage in find_lineages(Path(argument)):
            yield from lineage_items(lineage, knowledge.describe, _asker)
        return
    if argument != "-" and not Path(argument).exists() and (target := read_target(argument)):
        yield from live_items(target, knowledge.describe)
        return
    for position, found in enumerate(find_keys(_read(argument), passphrase=_asker(argument))):
        yield PinItem(argument, position, knowledge.describe(found)) if isinstance(found, HeldKey) else found


def _load_knowledge() -> Knowledge:
    settings = read_settings()
    try:
        return Knowledge(
            load_known_certificates(settings.trust_anchors, settings.known_certificates),
            load_catalog(settings.catalog),
            now(),
        )
    except (OSError, ValueError) as error:
        fail(str(error))


def _tell(argument: str, error: HpkpError | OSError) -> int:
    """Print what could not be read, and count it."""
    err.print(f"error: {argument}: {_reason(argument, error)}", markup=False, style="red")
    return 1


def _reason(argument: str, error: HpkpError | OSError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    where = "" if error.filename is None or str(error.filename) == argument else f"{error.filename}: "
    return f"{where}{error.strerror or error}"


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _asker(name: str) -> Callable[[], bytes]:
    return lambda: str(typer.prompt(f"Passphrase of {name}", hide_input=True, err=True)).encode()
