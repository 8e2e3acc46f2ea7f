"""``hpkp pin``: the pins of certificates, PKCS #7, requests and keys, and what speaks against pinning them."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.acme_directories import find_lineages
from app.cli.app_forms import entry_of, write_layer
from app.cli.lineage import lineage_items
from app.cli.pin_items import PinItem, print_item, serialize
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, err, fail, print_json, read_settings
from app.clock import now
from app.hpkp.app_pins.forms import Form, PinMode
from app.hpkp.app_pins.model import PinLayer, carry
from app.hpkp.catalog import Catalog
from app.hpkp.errors import HpkpError, InvalidKey
from app.hpkp.hosts import canonical_host
from app.hpkp.key_description import KeyDescription, describe_key
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate_role import Role
from app.hpkp.x509.keys import HeldKey, find_keys

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


def pin(
    files: FilesArgument,
    form: Annotated[Form | None, typer.Option("--for", help="Write the pins as an app's configuration.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The host, for --for.")] = None,
    include_subdomains: Annotated[
        bool, typer.Option("--include-subdomains", help="The pins are for subdomains too, for --for.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the pins of certificates, CSRs, and keys.

    Also of certificates in PKCS #7, and of public keys; with warnings about keys that are unsafe to pin.

    The pin is the base64 of the SHA-256 of the SubjectPublicKeyInfo (RFC 7469 section 2.4). A chain gives one pin for
    each certificate. A warning says why pinning a key is a bad idea: an intermediate that its CA changes or has
    retired, a compromised key, a pin out of a tutorial. An encrypted private key asks for its passphrase.

    For the directory of an ACME client (certbot live/NAME or archive/NAME, dehydrated certs/NAME, acme.sh NAME, lego
    certificates), lists every generation: previous, current, or next (a key without a certificate yet); whether its key
    is that of the generation before; and whether certificate and key belong together.

    For HOST, HOST:PORT or https://HOST, prints the chains served at all its addresses.

    With --for the pins of leaves, requests and keys are written in the form of an app's configuration, as `hpkp app
    config` does; if there are only CA certificates, theirs.

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
    if form is not None:
        if faults:
            raise typer.Exit(CANNOT_TELL)
        _write_form(found, form, name, include_subdomains=include_subdomains, as_json=as_json)
        return
    if as_json:
        print_json([serialize(item) for item in found])
    else:
        for item in found:
            print_item(item)
    if any(item.contradicts_itself for item in found):
        raise typer.Exit(NO)
    if faults:
        raise typer.Exit(CANNOT_TELL)


def _write_form(found: list[PinItem], form: Form, name: str | None, *, include_subdomains: bool, as_json: bool) -> None:
    """Write the pins of what is not a CA's, because a chain that is given as a file names its CAs besides."""
    own = [item for item in found if item.description.role not in _CA_ROLES] or found
    if not own:
        fail("there is no pin to write")
    if name is None:
        fail("give the --name of the host")
    pins_are = "leaf" if own is not found or own[0].description.role not in _CA_ROLES else "ca"
    try:
        named = canonical_host(name)
    except HpkpError as error:
        fail(str(error))
    entry = entry_of(
        named,
        carry(item.description.key.pin for item in own),
        form,
        include_subdomains=include_subdomains,
        pins_are=pins_are,
        mode=PinMode.ENFORCE,
    )
    write_layer(PinLayer(form, (entry,)), form, as_json=as_json)


_CA_ROLES = (Role.INTERMEDIATE, Role.TRUST_ANCHOR)


def items_of(argument: str, knowledge: Knowledge) -> Iterator[PinItem | InvalidKey]:
    """Yield everything with a pin that one argument names, and the reason in place of what cannot be read.

    Raises HpkpError or OSError, which end this argument.
    """
    from app.cli.live_items import live_items, read_target

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
    from app.catalog import load_known_certificates
    from app.catalog.load import load_catalog

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
