"""Reports that come whole in one read, answered in uvicorn's HTTP protocol: without scope, task and messages.

::

    one read ──parser──> POST /report, whole, usual ──> Collector.submit ──(batch durable)──> answer
                └──────> anything else ──────────────> ASGI, as if this class were not there

What is taken here and what is left to ASGI is decided before anything is done, so that each request takes one way.
Both ways share the rules: `ReportEndpoint.read_head` for the head, `Collector` for body and outcome, `answer_to` for
what the sender is told. While a report waits for its batch, uvicorn's own class sees it as the request that is being
answered: what is pipelined behind it queues, a shutdown waits for it, and a connection that is lost marks it.

It overrides the parser's callbacks and relies on the attributes that uvicorn's class keeps. They are not an interface,
so pyproject.toml pins uvicorn's minor version, and tests/api/test_report_protocol.py compares both ways byte by byte.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from lru import LRU
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from app.api.connections import LimitedProtocol, find_application
from app.api.reports import TAKEN, Answer, ReportEndpoint, answer_to
from app.ingest.envelope import Envelope, SubmissionResult

_REMEMBERED = 50_000
"""Values of X-Forwarded-For whose client is remembered, in 10 MB: finding it anew costs 4 to 5 us."""
_LONGEST_REMEMBERED = 64


class ReportProtocol(LimitedProtocol):
    """One connection. Without a `ReportEndpoint` in front of the application it is `LimitedProtocol`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # ASGI alone writes access logs.
        self._intake = None if self.access_log else _find_intake(config)
        self._behind_proxy = False
        self._held: Envelope | None = None
        """Of a request whose head allows to take it here, until its body is complete."""
        self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look who connects: X-Forwarded-For counts from proxies alone."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._behind_proxy = self._intake is not None and self._intake.trusts(self._peer)

    def data_received(self, data: bytes) -> None:
        """Parse what was read. A body that is not complete then is awaited by ASGI."""
        super().data_received(data)
        if self._held is not None:
            self._hand_over()

    def on_message_begin(self) -> None:
        """Begin a request. Its scope is made when ASGI takes it, which nearly no request needs."""
        self.begin_request()
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Hold a request that can be taken here, and hand any other one to ASGI."""
        self._held = self._read_usual_head()
        if self._held is None:
            self._begin_with_scope()
        else:
            self._body = b""

    def on_body(self, body: bytes) -> None:
        """Add to the body of the request that is held."""
        if self._held is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """Submit the request that is held, which is whole."""
        if self._held is None:
            super().on_message_complete()
            return
        assert self._intake is not None  # else nothing is held
        self.end_request()
        waiting = _Waiting(keep_alive=self.parser.should_keep_alive())
        if self._intake.endpoint.collector().submit(self._body, self._held, partial(self._answer, waiting)):
            self.cycle = waiting  # type: ignore[assignment]
            self._held, self._body = None, b""
        else:
            self._hand_over()
            super().on_message_complete()

    def _hand_over(self) -> None:
        """Let ASGI take the request that is held, from its head on."""
        body, self._held, self._body = self._body, None, b""
        self._begin_with_scope()
        if body:
            super().on_body(body)

    def _begin_with_scope(self) -> None:
        """Do what uvicorn's class does until the head is complete."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)  # the scope has this list
        super().on_headers_complete()

    def _read_usual_head(self) -> Envelope | None:
        """Return what comes around the body of a request that can be taken here; None for every other."""
        if (
            self._intake is None
            or self.parser.get_method() != b"POST"
            or (label := _label_of(self.url)) is None
            or self.parser.get_http_version() != "1.1"
            or self.parser.should_upgrade()
            or self.expect_100_continue
            # Answers go out in the order of the requests, and ASGI knows how to queue.
            or (self.cycle is not None and not self.cycle.response_complete)
            # The sender does not read its answers, and ASGI knows how to wait for it.
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return None
        headers = dict(self.headers)
        if len(headers) < len(self.headers) or b"transfer-encoding" in headers:
            return None
        address = self._peer
        if self._behind_proxy and (forwarded := headers.get(b"x-forwarded-for")) is not None:
            address = self._intake.find_client(forwarded) or address
        head = self._intake.endpoint.read_head("POST", label, b"", headers, address=address)
        return None if head.refusal else head.envelope

    def _answer(self, waiting: "_Waiting", result: SubmissionResult) -> None:
        """Answer a request, as uvicorn's `RequestResponseCycle.send` does."""
        if waiting.disconnected or self.transport.is_closing():
            return
        assert self._intake is not None  # the request was taken here
        answer = answer_to(result)
        if answer is TAKEN and waiting.keep_alive:
            # Nothing waits if writing was paused since: it is one answer, the next request waits for its turn.
            self.transport.write(self._intake.encode_taken(self.server_state.default_headers))
        else:
            says_close = (b"connection", b"close") in answer.headers
            closes = says_close or not waiting.keep_alive
            further = [(b"connection", b"close")] if closes and not says_close else []
            self.transport.write(_encode(answer, self.server_state.default_headers, further))
            if closes:
                self.transport.close()
        waiting.response_complete = True
        self.on_response_complete()


@dataclass(slots=True)
class _Waiting:
    """A request that waits for its batch; has what uvicorn's class asks of a `RequestResponseCycle`."""

    keep_alive: bool
    response_complete: bool = False
    disconnected: bool = False
    message_event: ClassVar[asyncio.Event] = asyncio.Event()  # nobody waits for messages


@dataclass(slots=True)
class _Intake:
    """The endpoint, and what the connections of a server remember together."""

    endpoint: ReportEndpoint
    proxies: ProxyHeadersMiddleware | None
    clients: "LRU[bytes, str]" = field(default_factory=lambda: LRU(_REMEMBERED))
    default_headers: list[tuple[bytes, bytes]] | None = None
    taken: bytes = b""

    def trusts(self, peer: str) -> bool:
        """Whether what a peer says about its client counts."""
        return self.proxies is not None and peer in self.proxies.trusted_hosts

    def find_client(self, forwarded: bytes) -> str:
        """Return the client that a trusted proxy names, as uvicorn's middleware finds it; nothing if it names none."""
        assert self.proxies is not None  # who is trusted?
        if (found := self.clients.get(forwarded)) is None:
            found, _ = self.proxies.trusted_hosts.get_trusted_client_address(forwarded.decode("latin1"))
            if len(forwarded) <= _LONGEST_REMEMBERED:
                self.clients[forwarded] = found
        return found

    def encode_taken(self, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the bytes of the usual answer; uvicorn makes another list of default headers each second."""
        if default_headers is not self.default_headers:
            self.default_headers, self.taken = default_headers, _encode(TAKEN, default_headers)
        return self.taken


_intakes: WeakKeyDictionary[Config, _Intake | None] = WeakKeyDictionary()


def _find_intake(config: Config) -> _Intake | None:
    """Return the endpoint in front of the application of a server; None if every request has to go through ASGI."""
    if config not in _intakes:
        application, proxies = find_application(config)
        # Whatever else is around the application hides its endpoint, and gets to see every request.
        endpoint = getattr(application, "intake", None)
        usual = not config.root_path and config.limit_concurrency is None
        _intakes[config] = _Intake(endpoint, proxies) if usual and isinstance(endpoint, ReportEndpoint) else None
    return _intakes[config]


def _label_of(url: bytes) -> str | None:
    """Return the label of a plain path; None for other paths, and for all that has to be parsed or decoded."""
    if url == b"/report":
        return ""
    label = url.removeprefix(b"/report/")
    if not label or len(label) == len(url) or any(character in label for character in b"/?#%"):
        return None
    return label.decode("latin-1")


def _encode(
    answer: Answer, default_headers: list[tuple[bytes, bytes]], further: list[tuple[bytes, bytes]] | None = None
) -> bytes:
    headers = [*default_headers, *answer.headers, *(further or ())]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[answer.status], lines, answer.body)
