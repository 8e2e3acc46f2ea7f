"""Looks at what a host serves: the chain and the pinning fields, at every address.

A name is resolved once, and only the addresses found then are connected to; addresses that are not public are refused
unless allowed, so that no request makes the service scan an internal network.

::

    host ──resolve──> addresses ──TLS (SNI, both kinds of keys)──> chain ──HTTP, path by path──> field values

The TLS connection is not verified: what is served is taken as it is, and judged elsewhere.
"""

import _ssl
import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.hpkp.addresses import is_public
from app.hpkp.hosts import Host
from app.hpkp.probe_result import Answer, Endpoint, Probe
from app.hpkp.x509.certificate import Chain, read_certificate
from app.outbound import FAILURES, MOST_ADDRESSES, Reply, connected, exchange, reason_of, resolve

MISSING_PATH = "/hpkp-probe-for-a-page-that-is-not-there"
"""Asked for to see an error page."""

_MOST_CERTIFICATES = 32
_MOST_VALUES, _LONGEST_VALUE = 4, 8192
_USER_AGENT = "hpkp-collector probe"


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How to look. ``timeout`` in seconds, for each connection from its beginning to its end.

    Without ``paths`` nothing is asked for, and the chain alone is seen.
    """

    port: int = 443
    paths: Sequence[str] = ("/", MISSING_PATH)
    timeout: float = 10.0
    private_addresses: bool = False
    """Whether addresses that are not public may be connected to."""


async def probe(host: Host, options: ProbeOptions) -> Probe:
    """Look at a host now. Whatever goes wrong is told in the answer; never raises."""
    at = datetime.now(UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # as it is kept
    try:
        async with asyncio.timeout(options.timeout):
            addresses = await resolve(host, options.port)
    except TimeoutError:
        return Probe(host, options.port, at, fault=f"the name was not resolved within {options.timeout:g} seconds")
    except OSError as error:
        return Probe(host, options.port, at, fault=f"the name cannot be resolved: {error.strerror or error}")
    endpoints = await asyncio.gather(
        *(_probe_address(address, host, options) for address in addresses[:MOST_ADDRESSES])
    )
    beyond = [Endpoint(address, faults=("not probed: too many addresses",)) for address in addresses[MOST_ADDRESSES:]]
    return Probe(host, options.port, at, (*endpoints, *beyond))


@dataclass(slots=True)
class _Seen:
    """What is gathered about one address."""

    chains: list[Chain] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add_chain(self, chain: Chain) -> None:
        if chain and chain not in self.chains:
            self.chains.append(chain)


async def _probe_address(address: str, host: Host, options: ProbeOptions) -> Endpoint:
    if not options.private_addresses and not is_public(address):
        return Endpoint(address, faults=("not a public address; not connected to",))
    seen = _Seen()
    for path in options.paths or (None,):
        try:
            async with connected(address, host, options.port, _context(), seconds=options.timeout) as (reader, writer):
                seen.add_chain(_served_chain(writer))
                if path is not None:
                    seen.answers.append(await _ask(reader, writer, host, options.port, path))
        except FAILURES as error:
            seen.faults.append(f"{path or 'connecting'}: {reason_of(error, options.timeout)}")
            if not seen.chains:
                break
    if seen.chains:
        for ciphers in _KINDS_OF_KEYS:
            with suppress(*FAILURES):  # the server has no such key, or speaks TLS 1.3 alone
                async with connected(address, host, options.port, _context(ciphers), seconds=options.timeout) as made:
                    seen.add_chain(_served_chain(made[1]))
    return Endpoint(address, tuple(seen.chains), tuple(seen.answers), tuple(dict.fromkeys(seen.faults)))


_KINDS_OF_KEYS = ("aECDSA", "aRSA")
"""Cipher suites of TLS 1.2 by the server key that they need: a server may hold a certificate for each."""


def _context(ciphers: str | None = None) -> ssl.SSLContext:
    """Return a context that takes whatever is served, old versions and small keys too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(f"{ciphers or 'ALL'}:@SECLEVEL=0")
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _served_chain(writer: asyncio.StreamWriter) -> Chain:
    """Return the certificates as the server sent them."""
    connection = writer.get_extra_info("ssl_object")
    served: list[bytes]
    if hasattr(connection, "get_unverified_chain"):
        served = connection.get_unverified_chain()
    else:  # before Python 3.13 only the object inside can tell
        served = [item.public_bytes(_ssl.ENCODING_DER) for item in connection._sslobj.get_unverified_chain() or ()]
    return tuple(read_certificate(der, position=i) for i, der in enumerate(served[:_MOST_CERTIFICATES]))


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: Host, port: int, path: str) -> Answer:
    """Ask for a path and read the head of the answer; the body is left unread."""
    named = host if port == 443 else f"{host}:{port}"
    fields = [("Host", named), ("User-Agent", _USER_AGENT), ("Accept", "*/*"), ("Connection", "close")]
    reply = await exchange(reader, writer, "GET", path, fields)
    return Answer(
        path, reply.status, _values(reply, b"public-key-pins"), _values(reply, b"public-key-pins-report-only")
    )


def _values(reply: Reply, name: bytes) -> tuple[str, ...]:
    found = [value.decode("latin-1") for key, value in reply.headers if key == name]
    return tuple(value[:_LONGEST_VALUE] for value in found[:_MOST_VALUES])
