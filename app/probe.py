"""Looks at what a host serves: the chain and the pinning fields, at every address.

The only outbound network use beside alerts. A name is resolved once, and only the addresses found then are connected
to; addresses that are not public are refused unless allowed, so that nobody makes the service look around at home.

::

    host ──resolve──> addresses ──TLS (SNI, both kinds of keys)──> chain ──HTTP, path by path──> field values

The TLS connection is not verified: what is served is taken as it is, and judged elsewhere.
"""

import _ssl
import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import h11

from app.hpkp.hosts import Host, is_address
from app.hpkp.probe_result import Answer, Endpoint, Probe
from app.hpkp.x509.certificate import Chain, read_certificate

MISSING_PATH = "/hpkp-probe-for-a-page-that-is-not-there"
"""Asked for to see an error page."""

_MOST_ADDRESSES = 16
_MOST_CERTIFICATES = 32
_MOST_VALUES, _LONGEST_VALUE = 4, 8192
_LONGEST_HEAD = 65536
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
            addresses = await _resolve(host, options.port)
    except TimeoutError:
        return Probe(host, options.port, at, fault=f"the name was not resolved within {options.timeout:g} seconds")
    except OSError as error:
        return Probe(host, options.port, at, fault=f"the name cannot be resolved: {error.strerror or error}")
    endpoints = await asyncio.gather(*(_look_at(address, host, options) for address in addresses[:_MOST_ADDRESSES]))
    beyond = [
        Endpoint(address, faults=("not looked at: too many addresses",)) for address in addresses[_MOST_ADDRESSES:]
    ]
    return Probe(host, options.port, at, (*endpoints, *beyond))


async def _resolve(host: Host, port: int) -> list[str]:
    """Return the host's addresses, IPv6 and IPv4, each once. Raises OSError."""
    if is_address(host):
        return [host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def is_public(address: str) -> bool:
    """Whether an address is one of the Internet's, also where an IPv6 address stands for an IPv4 one."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(slots=True)
class _Seen:
    """What is gathered about one address."""

    chains: list[Chain] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add_chain(self, chain: Chain) -> None:
        if chain and chain not in self.chains:
            self.chains.append(chain)


async def _look_at(address: str, host: Host, options: ProbeOptions) -> Endpoint:
    if not options.private_addresses and not is_public(address):
        return Endpoint(address, faults=("not a public address; not connected to",))
    seen = _Seen()
    for path in options.paths or (None,):
        try:
            async with _connected(address, host, options, _context()) as (reader, writer):
                seen.add_chain(_served_chain(writer))
                if path is not None:
                    seen.answers.append(await _ask(reader, writer, host, options.port, path))
        except _FAILURES as error:
            seen.faults.append(f"{path or 'connecting'}: {_reason(error, options)}")
            if not seen.chains:
                break
    if seen.chains:
        for ciphers in _KINDS_OF_KEYS:
            with suppress(*_FAILURES):  # the server has no such key, or speaks TLS 1.3 alone
                async with _connected(address, host, options, _context(ciphers)) as (_, writer):
                    seen.add_chain(_served_chain(writer))
    return Endpoint(address, tuple(seen.chains), tuple(seen.answers), tuple(dict.fromkeys(seen.faults)))


_KINDS_OF_KEYS = ("aECDSA", "aRSA")
"""Cipher suites of TLS 1.2 by the server key that they need: a server may hold a certificate for each."""

_FAILURES = (OSError, EOFError, ValueError, h11.RemoteProtocolError)  # an SSLError and a TimeoutError are OSErrors


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


@asynccontextmanager
async def _connected(
    address: str, host: Host, options: ProbeOptions, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to an address and speak TLS for a host, all within the time allowed."""
    async with asyncio.timeout(options.timeout):
        reader, writer = await asyncio.open_connection(
            address, options.port, ssl=context, server_hostname=host, limit=_LONGEST_HEAD
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


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
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    named = host if port == 443 else f"{host}:{port}"
    request = h11.Request(
        method="GET",
        target=path,
        headers=[("Host", named), ("User-Agent", _USER_AGENT), ("Accept", "*/*"), ("Connection", "close")],
    )
    writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    await writer.drain()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_LONGEST_HEAD))
        elif isinstance(event, h11.Response):
            return Answer(
                path,
                event.status_code,
                _values(event, b"public-key-pins"),
                _values(event, b"public-key-pins-report-only"),
            )
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError("the connection ended before an answer")


def _values(response: h11.Response, name: bytes) -> tuple[str, ...]:
    found = [value.decode("latin-1") for key, value in response.headers if key == name]
    return tuple(value[:_LONGEST_VALUE] for value in found[:_MOST_VALUES])


def _reason(error: BaseException, options: ProbeOptions) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {options.timeout:g} seconds"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, h11.RemoteProtocolError):
        return f"the answer is not HTTP/1.1: {error}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
