"""Limits of connections: how many there are, how many from one address, and for how long each may let the service wait.

::

    connect ──admit──> in the count; over a limit, the one that has waited longest for its sender goes, or this one
                │
    every second┴sweep──> those whose sender took too long for a head, a body, the next request or an answer go
                │
    answered before the body has come, and to be closed ──linger──> the rest is read and dropped, within the limits

A connection *waits* while the next move is its sender's. A sender that opens thousands and sends nothing loses its own,
and never one whose request is being answered. `Connections` counts for one process; `LimitedProtocol` is uvicorn's HTTP
protocol within the limits. It knows uvicorn, and nothing of reports.

A sender that breaks a limit is counted, and never logged: it would fill the log at its will.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from time import monotonic
from typing import Any

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.problems import MEDIA_TYPE, Problem, encode
from app.open_files import room_for_connections
from app.outcomes import Closed

_SWEEP_SECONDS = 1.0
_BODY_GRACE = 5.0
"""Seconds after the limit in which an endpoint with the same limit answers by itself, which says and counts more."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections a process has, and for how many seconds one may wait for its sender.

    ``idle_seconds`` between two requests, ``head_seconds`` for the head of one, ``body_seconds`` for its body and for
    reading the answer. What is longer than ``head_bytes`` or ``request_bytes`` is not read to its end.
    """

    most: int = 1000
    most_per_address: int = 100
    head_seconds: float = 10
    idle_seconds: float = 5
    body_seconds: float = 30
    head_bytes: int = 65_536
    request_bytes: int = 1 << 20


class Connections:
    """The open connections of a process."""

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        count_closed: Callable[[Closed], None] = lambda _why: None,
        show_open: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self.limits = limits
        self.count_closed = count_closed
        self._show_open = show_open
        self._most = min(limits.most, room_for_connections())
        self._open: set[LimitedProtocol] = set()
        self._by_address: dict[str, set[LimitedProtocol]] = {}
        self._sweeps = False

    def admit(self, connection: "LimitedProtocol", loop: asyncio.AbstractEventLoop) -> Closed | None:
        """Take a new connection in; return why there is no room for it, or None."""
        of_address = self._by_address.get(connection.address, ()) if connection.address else ()
        for among, most, why in (
            (of_address, self.limits.most_per_address, Closed.TOO_MANY_FROM_ADDRESS),
            (self._open, self._most, Closed.TOO_MANY),
        ):
            if len(among) >= most and not self._make_room(among, why):
                return why
        self._open.add(connection)
        if connection.address:
            self._by_address.setdefault(connection.address, set()).add(connection)
        if not self._sweeps:
            self._sweeps = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return None

    def release(self, connection: "LimitedProtocol") -> None:
        """Take a connection out that is lost or about to be; it may be out already."""
        self._open.discard(connection)
        if of_address := self._by_address.get(connection.address):
            of_address.discard(connection)
            if not of_address:
                del self._by_address[connection.address]

    def _make_room(self, among: Collection["LimitedProtocol"], why: Closed) -> bool:
        """End the connection that has waited longest for its sender; whether there is one."""
        longest = min((one for one in among if one.waits), key=lambda one: one.waits_since, default=None)
        if longest is not None:
            longest.abort(why)
        return longest is not None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what has waited for too long; goes on while there are connections."""
        now = monotonic()
        for connection in list(self._open):
            connection.check_patience(now)
        self._show_open(len(self._open))
        self._sweeps = bool(self._open)
        if self._sweeps:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)


class _Reading(Enum):
    """In what a sender stands: between two requests, in a head, or in a body."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class LimitedProtocol(HttpToolsProtocol):
    """One connection, within the limits that the application's ``connections`` has."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _logger
        application, self._proxies = find_application(config)
        # An attribute of the application, because workers get nothing but the application's name from their parent.
        self._connections: Connections = application.connections
        self._limits = self._connections.limits
        self.timeout_keep_alive = self._limits.idle_seconds
        self.address = ""
        """What counts as one address; empty where no limit holds for it."""
        self.waits_since = 0.0
        """By the monotonic clock itself: uvloop's stands still for a millisecond, and does not order connections."""
        self._reading = _Reading.NOTHING
        self._answering: RequestResponseCycle | None = None
        self._received = 0
        """Bytes of the request, without the read in which it began."""
        self._lingers_until: float | None = None
        """If it is answered and the rest of the request is dropped: until when, by the monotonic clock."""

    @property
    def waits(self) -> bool:
        """Whether the next move is the sender's."""
        if self.transport.is_closing() or self.flow.write_paused or self._reading is _Reading.BODY:
            return True
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, or refuse it."""
        super().connection_made(transport)
        self.waits_since = monotonic()
        # A proxy has one address for all its clients.
        if self.client and not (self._proxies and self.client[0] in self._proxies.trusted_hosts):
            self.address = _counted_address(self.client[0])
        if why := self._connections.admit(self, self.loop):
            self.refuse(why, 503, "Too many connections", "Try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the connection out."""
        self._connections.release(self)
        self._stop_answering()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what was read, and end a request that is longer than any may be."""
        self._received += len(data)
        if self._lingers_until is not None:
            self.waits_since = monotonic()
            if self._received > self._limits.request_bytes:
                self.abort(None)
            return
        super().data_received(data)
        if self._received <= self._limits.head_bytes or self.transport.is_closing():
            return
        if self._reading is not _Reading.BODY:
            most = self._limits.head_bytes
            self.refuse(Closed.HEAD_TOO_LONG, 431, "Head too long", f"A head has at most {most} bytes.")
        elif self._received > self._limits.request_bytes:
            most = self._limits.request_bytes
            self.refuse(Closed.REQUEST_TOO_LONG, 413, "Request too long", f"A request has at most {most} bytes.")

    def on_message_begin(self) -> None:
        """Wait for a head from now on."""
        self.begin_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Wait for a body from now on."""
        self.expect_body()
        super().on_headers_complete()
        # The cycle is the newest one, also if it waits behind others. It uses no more of its transport than this.
        self.cycle.transport = _AnswerTransport(self, self.cycle)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """Wait for the application, unless it has answered already."""
        self.end_request()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Note whose answer is being made: of pipelined requests it is not the newest, which uvicorn's class knows."""
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _stop_answering(self) -> None:
        """Let nothing be written any more: uvloop raises for that, and the application could not know."""
        for cycle in (self._answering, self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Wait for the next request from now on, or go on waiting for the rest of this one."""
        if self._lingers_until is not None:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            return
        if self._reading is not _Reading.BODY:
            self.waits_since = monotonic()
        super().on_response_complete()

    def close_after_answer(self, cycle: RequestResponseCycle) -> None:
        """Close, once the sender has read the answer if it still sends the body.

        If a socket is closed while something is unread, the kernel resets the connection: a sender that writes all of
        its request before it reads would see a broken pipe and no answer. So the rest is read and dropped, until the
        sender closes, or does not send for as long as a connection may be idle, or a limit of requests is reached. A
        sender that waits for ``100 Continue`` sends nothing.
        """
        if self._reading is not _Reading.BODY or cycle.waiting_for_100_continue or self.transport.is_closing():
            self.transport.close()
            return
        self._lingers_until = self.waits_since + self._limits.body_seconds
        self.waits_since = monotonic()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def begin_request(self) -> None:
        """Note that the first byte of a request has come."""
        self._reading, self._received, self.waits_since = _Reading.HEAD, 0, monotonic()

    def expect_body(self) -> None:
        """Note that a head has come."""
        self._reading, self.waits_since = _Reading.BODY, monotonic()

    def end_request(self) -> None:
        """Note that all of a request has come."""
        self._reading, self._received, self.waits_since = _Reading.NOTHING, 0, monotonic()

    def pause_writing(self) -> None:
        """Wait from now on until the sender reads its answer."""
        self.waits_since = monotonic()
        super().pause_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._connections.count_closed(Closed.NO_HTTP)
        super().send_400_response(msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer a request that asks for another protocol in this one, and close: no other is spoken here.

        The parser takes what follows for the other protocol, so no further request can be read (RFC 9110, 7.8).
        """
        self.cycle.keep_alive = False
        self.end_request()

    def check_patience(self, now: float) -> None:
        """End the connection if its sender took too long for what is awaited."""
        waited = now - self.waits_since
        if self._lingers_until is not None:
            if now > self._lingers_until or waited > self._limits.idle_seconds:
                self.abort(None)
            return
        if not self.waits:
            return
        if self.transport.is_closing() or self.flow.write_paused:
            if waited > self._limits.body_seconds:
                self.abort(Closed.ANSWER_NOT_READ)
        elif self.flow.read_paused:
            self.waits_since = now  # we do not read, so it is not the sender's fault
        elif self._reading is _Reading.BODY:
            if waited > self._limits.body_seconds + _BODY_GRACE:
                seconds = f"{self._limits.body_seconds:g} seconds"
                self.refuse(Closed.BODY_TOO_SLOW, 408, "Body too slow", f"A body has to be complete within {seconds}.")
        elif self._reading is _Reading.HEAD:
            if waited > self._limits.head_seconds:
                seconds = f"{self._limits.head_seconds:g} seconds"
                self.refuse(Closed.HEAD_TOO_SLOW, 408, "Head too slow", f"A head has to be complete within {seconds}.")
        elif waited > (self._limits.head_seconds if self.cycle is None else self._limits.idle_seconds):
            self.abort(Closed.HEAD_TOO_SLOW if self.cycle is None else None)

    def refuse(self, why: Closed, status: int, title: str, detail: str) -> None:
        """Answer with a problem and close; without an answer if that would not be taken for the request's own."""
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        its_own = answering == (self._reading is _Reading.BODY)
        if self.pipeline or not its_own or (answering and cycle.response_started):
            self.abort(why)
            return
        if answering:
            cycle.disconnected = True  # the application learns that the answer is not awaited
            cycle.message_event.set()
        self._connections.count_closed(why)
        body = encode(Problem(status=status, title=title, detail=detail))
        fields = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % found for found in fields)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
        self.transport.close()
        self.waits_since = monotonic()

    def abort(self, why: Closed | None) -> None:
        """Close at once, whatever has not been sent; without a reason it is no matter to count."""
        if why is not None:
            self._connections.count_closed(why)
        self._connections.release(self)
        self._stop_answering()
        self.transport.abort()


class _AnswerTransport:
    """The transport as uvicorn's `RequestResponseCycle` uses it: it closes by `LimitedProtocol.close_after_answer`."""

    def __init__(self, connection: LimitedProtocol, cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle

    def write(self, data: bytes) -> None:
        """Send a part of the answer."""
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._connection.transport.is_closing()

    def close(self) -> None:
        """Close after the answer."""
        self._connection.close_after_answer(self._cycle)


_logger = logging.getLogger(f"{__name__}.requests")
_logger.setLevel(logging.ERROR)
"""uvicorn warns of each bad request in a line of its own: nothing that an operator could do anything about. The name is
none below uvicorn's, whose configuration resets the levels of those."""


def find_application(config: Config) -> tuple[Any, ProxyHeadersMiddleware | None]:
    """Return the application of a server without uvicorn's layer for proxies, and that layer if there is one."""
    application = config.loaded_app
    return (application.app, application) if isinstance(application, ProxyHeadersMiddleware) else (application, None)


@lru_cache(maxsize=4096)
def _counted_address(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address, which is one host's."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
