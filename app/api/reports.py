"""``POST /report`` and ``POST /report/{label}``: a plain ASGI endpoint in front of everything else.

It reads at most the limit, whatever Content-Length says or does not say, for so long and no longer, and never answers a
redirect: Chromium follows one as a GET, and the report is lost.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from app.api.problems import MEDIA_TYPE, RETRY_AFTER, STATUS, encode, problem_of_outcome
from app.hpkp.policy import Mode
from app.ingest.collector import Collector
from app.ingest.envelope import Envelope, Fate
from app.outcomes import Outcome

_LABEL = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_LONGEST_TEXT = 300
_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_CORS = [
    _ANY_ORIGIN,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
]
_TAKEN: Message = {"type": "http.response.start", "status": 204, "headers": [_ANY_ORIGIN]}
_NO_BODY: Message = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True, slots=True)
class _Request:
    mode: Mode | None


_NO_MODE = _Request(None)


class ReportEndpoint:
    """Answers ``/report`` and ``/report/{label}``, and nothing else."""

    def __init__(
        self, collector: Callable[[], Collector], *, max_body_bytes: int, max_body_seconds: float = 30
    ) -> None:
        self._collector = collector
        self._limit = max_body_bytes
        self._patience = max_body_seconds

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether a request is for here."""
        path: str = scope.get("path", "")
        return scope["type"] == "http" and (path == "/report" or path.startswith("/report/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        fate = await self._take(scope, receive, scope["path"][len("/report/") :])
        if fate.outcome is not Outcome.DISCONNECTED:
            await _answer(send, fate)

    async def _take(self, scope: Scope, receive: Receive, label: str) -> Fate:
        collector = self._collector()
        headers = dict(scope["headers"])
        length = _length(headers)
        request = self._read_request(scope, headers, label, length)
        envelope = Envelope(
            address=scope["client"][0] if scope.get("client") else "",
            label=label if isinstance(request, _Request) else "",
            mode=request.mode if isinstance(request, _Request) else None,
            content_type=_text(headers.get(b"content-type")),
            user_agent=_text(headers.get(b"user-agent")),
        )
        if isinstance(request, Fate):
            if request.outcome in (Outcome.PREFLIGHT, Outcome.METHOD_NOT_ALLOWED):
                collector.count(request.outcome)
                return request
            return collector.reject(request, envelope, length=length or 0)
        body = await self._read(receive)
        if isinstance(body, bytes):
            return await collector.collect(body, envelope)
        if body.outcome is Outcome.DISCONNECTED:
            collector.count(body.outcome)
            return body
        return collector.reject(body, envelope, length=self._limit if length is None else length)

    def _read_request(
        self, scope: Scope, headers: dict[bytes, bytes], label: str, length: int | None
    ) -> _Request | Fate:
        """Read the request line and the headers, and refuse what they alone make impossible."""
        if scope["method"] == "OPTIONS":
            return Fate(Outcome.PREFLIGHT)
        if scope["method"] != "POST":
            return Fate(Outcome.METHOD_NOT_ALLOWED, "Reports are sent with POST.")
        if label and not _LABEL.fullmatch(label):
            return Fate(
                Outcome.BAD_REQUEST,
                "A label has 1 to 64 letters, digits, dots, underscores, tildes and hyphens.",
            )
        query = scope["query_string"]
        stated = parse_qs(query.decode("latin-1")).get("mode", [None])[-1] if query else None
        if stated is not None and stated not in tuple(Mode):
            return Fate(Outcome.BAD_REQUEST, "mode is report-only or enforce.")
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b""):
            return Fate(Outcome.CONTENT_ENCODING, "Send the report without content encoding.")
        if length is not None and length > self._limit:
            return self._too_large()
        return _NO_MODE if stated is None else _Request(Mode(stated))

    def _too_large(self) -> Fate:
        return Fate(Outcome.TOO_LARGE, f"A report has at most {self._limit} bytes.")

    async def _read(self, receive: Receive) -> bytes | Fate:
        """Read the body; a whole one that is there already, which is nearly every one, costs no timer."""
        beginning = receive()
        message, waits_for = _step(beginning)
        if message is not None and message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            return body if len(body) <= self._limit else self._too_large()
        try:
            async with asyncio.timeout(self._patience):
                return await self._read_on(message or await _Begun(beginning, waits_for), receive)
        except TimeoutError:
            return Fate(Outcome.TOO_SLOW, f"The body has to be complete within {self._patience:g} seconds.")

    async def _read_on(self, message: Message, receive: Receive) -> bytes | Fate:
        """Read what follows the first message."""
        parts = [message.get("body", b"")]
        size = len(parts[0])
        while message["type"] == "http.request" and message.get("more_body") and size <= self._limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if message["type"] == "http.disconnect":
            return Fate(Outcome.DISCONNECTED)
        return self._too_large() if size > self._limit else b"".join(parts)


def _step(beginning: Awaitable[Message]) -> tuple[Message | None, object]:
    """Let the server go on until it has a message or waits; return the message, or None and what it waits for."""
    try:
        return None, beginning.__await__().send(None)
    except StopIteration as done:
        message: Message = done.value
        return message, None


class _Begun:
    """What was begun by `_step` and waits: awaited, it goes on from there."""

    def __init__(self, beginning: Awaitable[Message], waits_for: object) -> None:
        self._steps = beginning
        self._waits_for = waits_for

    def __await__(self) -> Generator[object, None, Message]:
        yield self._waits_for
        return (yield from self._steps.__await__())


def _length(headers: dict[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() and len(text) < 19 else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else _printable(value[:_LONGEST_TEXT])


@lru_cache(maxsize=1024)
def _printable(value: bytes) -> str:
    return "".join(c if c.isprintable() else " " for c in value.decode("latin-1"))


async def _answer(send: Send, fate: Fate) -> None:
    if fate.outcome not in STATUS and fate.outcome is not Outcome.PREFLIGHT:
        await send(_TAKEN)
        await send(_NO_BODY)
        return
    headers, body, status = _CORS, b"", 204
    if fate.outcome is not Outcome.PREFLIGHT:
        headers = [_ANY_ORIGIN]
        problem = problem_of_outcome(fate.outcome, fate.reason, fate.pointer)
        status, body = problem.status, encode(problem)
        headers.append((b"content-type", MEDIA_TYPE.encode()))
        headers.append((b"content-length", str(len(body)).encode()))
        if fate.outcome in RETRY_AFTER:
            headers.append((b"retry-after", RETRY_AFTER[fate.outcome].encode()))
        if fate.outcome is Outcome.METHOD_NOT_ALLOWED:
            headers.append((b"allow", b"POST, OPTIONS"))
        if fate.outcome in (Outcome.TOO_LARGE, Outcome.TOO_SLOW):
            headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
