"""The keys that a host shows at all its addresses, for ``hpkp pin``."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from app.cli.pin_items import PinItem
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.hpkp.key_description import KeyDescription
from app.hpkp.x509.certificate import Chain
from app.hpkp.x509.keys import HeldKey, held_certificate
from app.probe import ProbeOptions, probe

_HOST = re.compile(r"(?:https://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(?::(?P<port>\d{1,5}))?/?")
_SUFFIXES = frozenset([".pem", ".crt", ".cer", ".der", ".key", ".csr", ".req", ".p7b", ".p7c", ".pub", ".txt"])


def read_target(argument: str) -> tuple[str, int] | None:
    """Read ``host``, ``host:port`` or ``https://host``; None for what rather names a file."""
    match = _HOST.fullmatch(argument)
    if match is None or (port := int(match["port"] or 443)) not in range(1, 65536):
        return None
    told = match["port"] is not None or argument.startswith("https://")
    if told or ("." in match["host"] and Path(argument).suffix.lower() not in _SUFFIXES):
        return match["host"], port
    return None


def live_items(target: tuple[str, int], describe: Callable[[HeldKey], KeyDescription]) -> Iterator[PinItem]:
    """Connect to a host at all its addresses and yield each distinct chain. Raises HpkpError where one shows none."""
    name, port = target
    host = canonical_host(name)
    seen = asyncio.run(probe(host, ProbeOptions(port=port, paths=(), private_addresses=True)))
    if seen.fault is not None:
        raise HpkpError(seen.fault)
    chains: dict[Chain, list[str]] = {}
    for endpoint in seen.endpoints:
        for chain in endpoint.chains:
            chains.setdefault(chain, []).append(endpoint.address)
    for chain, addresses in chains.items():
        for position, element in enumerate(chain):
            yield PinItem(f"{host}:{port} at {', '.join(addresses)}", position, describe(held_certificate(element)))
    if unseen := [f"{e.address}: {'; '.join(e.faults)}" for e in seen.endpoints if not e.chains]:
        raise HpkpError("no chain was shown by " + ", ".join(unseen))
