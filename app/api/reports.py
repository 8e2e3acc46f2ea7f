"""``POST /report`` and ``POST /report/{label}``: a plain ASGI endpoint in front of everything else.

It reads at most the limit, whatever Content-Length says or does not say, for so long and no longer, and never answers a
redirect: Chromium follows one as a GET, and the report is lost.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Generator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from app.api.problems import MEDIA_TYPE, RETRY_AFTER, STATUS, encode, problem_of_outcome
from app.hpkp.policy import Mode
from app.ingest.collector import Collector
from app.ingest.envelope import Envelope, SubmissionResult
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


class Answer(NamedTuple):
    """What a sender is told; a body has its length and type among the headers."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""


TAKEN = Answer(204, [_ANY_ORIGIN])
"""The answer to nearly every request."""


class Head(NamedTuple):
    """What comes before a body; ``refusal`` is why it is not even read."""

    envelope: Envelope
    length: int | None
    refusal: SubmissionResult | None


class ReportEndpoint:
    """Answers ``/report`` and ``/report/{label}``, and nothing else."""

    def __init__(
        self, collector: Callable[[], Collector], *, max_body_bytes: int, max_body_seconds: float = 30
    ) -> None:
        self.collector = collector
        self._limit = max_body_bytes
        self._patience = max_body_seconds

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether a request is for here."""
        path: str = scope.get("path", "")
        return scope["type"] == "http" and (path == "/report" or path.startswith("/report/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        result = await self._take(scope, receive, scope["path"][len("/report/") :])
        if result.outcome is not Outcome.DISCONNECTED:
            answer = answer_to(result)
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": answer.body})

    async def _take(self, scope: Scope, receive: Receive, label: str) -> SubmissionResult:
        collector = self.collector()
        head = self.read_head(
            scope["method"],
            label,
            scope["query_string"],
            dict(scope["headers"]),
            address=scope["client"][0] if scope.get("client") else "",
        )
        if head.refusal is not None:
            if head.refusal.outcome in (Outcome.PREFLIGHT, Outcome.METHOD_NOT_ALLOWED):
                collector.count(head.refusal.outcome)
                return head.refusal
            return collector.reject(head.refusal, head.envelope, length=head.length or 0)
        body = await self._read(receive)
        if isinstance(body, bytes):
            return await collector.collect(body, head.envelope)
        if body.outcome is Outcome.DISCONNECTED:
            collector.count(body.outcome)
            return body
        return collector.reject(body, head.envelope, length=self._limit if head.length is None else head.length)

    def read_head(self, method: str, label: str, query: bytes, headers: Mapping[bytes, bytes], *, address: str) -> Head:
        """Read the request line and the headers, and refuse what they alone make impossible."""
        length = _length(headers)
        mode = self._check_head(method, label, query, headers, length)
        refusal = mode if isinstance(mode, SubmissionResult) else None
        envelope = Envelope(
            address=address,
            label="" if refusal else label,
            mode=None if isinstance(mode, SubmissionResult) else mode,
            content_type=_text(headers.get(b"content-type")),
            user_agent=_text(headers.get(b"user-agent")),
        )
        return Head(envelope, length, refusal)

    def _check_head(
        self, method: str, label: str, query: bytes, headers: Mapping[bytes, bytes], length: int | None
    ) -> Mode | SubmissionResult | None:
        """Return the mode that the query states, or why the request is refused."""
        if method == "OPTIONS":
            return SubmissionResult(Outcome.PREFLIGHT)
        if method != "POST":
            return SubmissionResult(Outcome.METHOD_NOT_ALLOWED, "Reports are sent with POST.")
        if label and not _LABEL.fullmatch(label):
            return SubmissionResult(
                Outcome.BAD_REQUEST,
                "A label has 1 to 64 letters, digits, dots, underscores, tildes and hyphens.",
            )
        stated = parse_qs(query.decode("latin-1")).get("mode", [None])[-1] if query else None
        if stated is not None and stated not in tuple(Mode):
            return SubmissionResult(Outcome.BAD_REQUEST, "mode is report-only or enforce.")
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b""):
            return SubmissionResult(Outcome.CONTENT_ENCODING, "Send the report without content encoding.")
        if length is not None and length > self._limit:
            return self._too_large()
        return None if stated is None else Mode(stated)

    def _too_large(self) -> SubmissionResult:
        return SubmissionResult(Outcome.TOO_LARGE, f"A report has at most {self._limit} bytes.")

    async def _read(self, receive: Receive) -> bytes | SubmissionResult:
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
            return SubmissionResult(Outcome.TOO_SLOW, f"The body has to be complete within {self._patience:g} seconds.")

    async def _read_on(self, message: Message, receive: Receive) -> bytes | SubmissionResult:
        """Read what follows the first message."""
        parts = [message.get("body", b"")]
        size = len(parts[0])
        while message["type"] == "http.request" and message.get("more_body") and size <= self._limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if message["type"] == "http.disconnect":
            return SubmissionResult(Outcome.DISCONNECTED)
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


def _length(headers: Mapping[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() and len(text) < 19 else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else _printable(value[:_LONGEST_TEXT])


@lru_cache(maxsize=1024)
def _printable(value: bytes) -> str:
    return "".join(c if c.isprintable() else " " for c in value.decode("latin-1"))


def answer_to(result: SubmissionResult) -> Answer:
    """Return what a sender is told of the result of what it sent."""
    if result.outcome is Outcome.PREFLIGHT:
        return Answer(204, _CORS)
    if result.outcome not in STATUS:
        return TAKEN
    problem = problem_of_outcome(result.outcome, result.reason, result.pointer)
    body = encode(problem)
    headers = [
        _ANY_ORIGIN,
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if result.outcome in RETRY_AFTER:
        headers.append((b"retry-after", RETRY_AFTER[result.outcome].encode()))
    if result.outcome is Outcome.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST, OPTIONS"))
    if result.outcome in (Outcome.TOO_LARGE, Outcome.TOO_SLOW):
        headers.append((b"connection", b"close"))
    return Answer(problem.status, headers, body)
