"""The one way out: HTTP/1.1 to servers that others name, bounded in time, in size, and in where it may lead.

::

    name ──resolve, once──> addresses ──only those allowed──> connect ──TLS──> exchange ──> Reply

Probes, canaries, webhooks and the pull from Prometheus go through here; Apprise alone has a client of its own. A name
is resolved once, and only addresses found then are connected to, so a name that leads elsewhere a moment later gains
nothing. Redirects are not followed, proxies of the environment not used, and no body is decompressed.
"""

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11
import httpx

from app.hpkp.addresses import is_public
from app.hpkp.hosts import Host, canonical_host, is_address

MOST_ADDRESSES = 16
"""Of a name are connected to."""
_LONGEST_HEAD = 65_536
_MOST_INTERIM_ANSWERS = 16
_PORTS = {"http": 80, "https": 443}
_CONNECT_SHARE = 3
"""The part of the time, one in this many, after which the next address of a name is tried."""

FAILURES = (OSError, EOFError, ValueError, h11.ProtocolError)
"""What connecting and asking may raise: an SSLError and a TimeoutError are OSErrors, an InvalidHost is a ValueError."""


class OutboundError(Exception):
    """Why there is no reply, in words that do not repeat the address: it may hold a secret."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may take: ``seconds`` from resolving to the end, ``body_bytes`` of the answer's body.

    Without ``body_bytes`` the body is left unread.
    """

    seconds: float
    body_bytes: int = 0
    private_addresses: bool = False
    """Whether addresses that are not public may be connected to: only where the operator's settings name the server."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: names of fields are in lower case."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the request was taken."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether the answer leads elsewhere, where nothing here follows."""
        return 300 <= self.status < 400


async def fetch(
    method: str, url: str, *, headers: Sequence[tuple[str, str]] = (), content: bytes = b"", bounds: Bounds
) -> Reply:
    """Send one request. Raises OutboundError."""
    try:
        async with asyncio.timeout(bounds.seconds):
            return await _fetch(method, httpx.URL(url), headers, content, bounds)
    except (*FAILURES, httpx.InvalidURL) as error:
        raise OutboundError(reason_of(error, bounds.seconds)) from error


async def _fetch(
    method: str, url: httpx.URL, headers: Sequence[tuple[str, str]], content: bytes, bounds: Bounds
) -> Reply:
    if url.scheme not in _PORTS:
        raise ValueError("the address is no http or https URL")
    host, port = canonical_host(url.host), _PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    fields = [("Host", _authority(host, port, url.scheme)), ("Accept-Encoding", "identity"), ("Connection", "close")]
    if url.userinfo:
        fields.append(("Authorization", _basic(url)))
    if content:
        fields.append(("Content-Length", str(len(content))))
    allowed = [one for one in await resolve(host, port) if bounds.private_addresses or is_public(one)]
    if not allowed:
        raise ValueError("it is not at a public address (HPKP_PROBE_PRIVATE_ADDRESSES)")
    context = httpx.create_ssl_context() if url.scheme == "https" else None
    reader, writer = await _connect_to_any(allowed[:MOST_ADDRESSES], host, port, context, bounds.seconds)
    try:
        target = url.raw_path.decode("ascii")
        return await exchange(
            reader, writer, method, target, [*fields, *headers], content=content, body_bytes=bounds.body_bytes
        )
    finally:
        writer.transport.abort()


async def _connect_to_any(
    addresses: Sequence[str], host: Host, port: int, context: ssl.SSLContext | None, seconds: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that lets us; none takes the time of all others. Raises the last one's error."""
    for address in addresses[:-1]:
        try:
            async with asyncio.timeout(seconds / _CONNECT_SHARE):
                return await connect(address, host, port, context)
        except OSError:
            continue
    return await connect(addresses[-1], host, port, context)


def _authority(host: Host, port: int, scheme: str) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == _PORTS[scheme] else f"{name}:{port}"


def _basic(url: httpx.URL) -> str:
    return "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode()


async def resolve(host: Host, port: int) -> list[str]:
    """Return a host's addresses, IPv6 and IPv4, each once. Raises OSError."""
    if is_address(host):
        return [host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


async def connect(
    address: str, host: Host, port: int, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to an address; with a context speak TLS for the host. Raises OSError."""
    name = None if context is None else host
    return await asyncio.open_connection(address, port, ssl=context, server_hostname=name, limit=_LONGEST_HEAD)


@asynccontextmanager
async def connected(
    address: str, host: Host, port: int, context: ssl.SSLContext, *, seconds: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to an address by TLS for a block that ends within the time allowed. Raises what `FAILURES` has."""
    async with asyncio.timeout(seconds):
        reader, writer = await connect(address, host, port, context)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    *,
    content: bytes = b"",
    body_bytes: int = 0,
) -> Reply:
    """Send a request and read its answer, of the body at most so much as is wanted. Raises what `FAILURES` has."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    request = h11.Request(method=method, target=target, headers=list(headers))
    events: list[h11.Event] = [request, *([h11.Data(data=content)] if content else []), h11.EndOfMessage()]
    writer.write(b"".join(connection.send(event) or b"" for event in events))
    await writer.drain()
    interim, response, body = 0, None, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_LONGEST_HEAD))
        elif isinstance(event, h11.InformationalResponse):
            interim += 1
            if interim > _MOST_INTERIM_ANSWERS:
                raise ValueError("it sent interim answers and no other")
        elif isinstance(event, h11.Response):
            response = event
            if not body_bytes:
                break
            if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in event.headers):
                raise ValueError("the answer is compressed, which was not asked for")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > body_bytes:
                raise ValueError(f"the answer is too long: more than {body_bytes} bytes")
        elif response is not None and isinstance(event, h11.EndOfMessage):
            break
        else:
            raise EOFError("the connection ended before an answer")
    return Reply(response.status_code, list(response.headers), bytes(body))


def reason_of(error: BaseException, seconds: float) -> str:
    """Say what went wrong, in words that hold nothing of an address."""
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:g} seconds"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return "the name cannot be resolved"
    if isinstance(error, h11.RemoteProtocolError):
        return f"the answer is not HTTP/1.1: {error}"
    if isinstance(error, h11.LocalProtocolError | httpx.InvalidURL):
        return "the address is no http or https URL"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
