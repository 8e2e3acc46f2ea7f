"""``POST /report`` and ``POST /report/{label}``: a plain ASGI endpoint in front of everything else.

It reads at most the limit, whatever Content-Length says or does not say, and never answers a redirect: Chromium
follows one as a GET, and the report is lost.
"""

import re
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import MEDIA_TYPE, RETRY_AFTER, encode, problem_of_outcome
from app.collector import Collector, Envelope, Fate
from app.hpkp.policy import Mode
from app.outcomes import Outcome

_LABEL = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
]


class ReportEndpoint:
    """Takes ``/report`` out of the requests to an application; hands on everything else."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._limit = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to ``/report``, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path != "/report" and not path.startswith("/report/"):
            await self._app(scope, receive, send)
            return
        collector: Collector = scope["app_state"].collector if "app_state" in scope else _collector(scope)
        fate = await self._take(scope, receive, collector, path[8:])
        if fate.outcome is not Outcome.DISCONNECTED:
            await _answer(send, fate)

    async def _take(self, scope: Scope, receive: Receive, collector: Collector, label: str) -> Fate:
        headers = dict(scope["headers"])
        envelope = Envelope(
            address=scope["client"][0] if scope.get("client") else "",
            label=label,
            content_type=_text(headers.get(b"content-type")),
            user_agent=_text(headers.get(b"user-agent")),
        )
        if refusal := self._refuse(scope, headers, label):
            if refusal.outcome in (Outcome.PREFLIGHT, Outcome.METHOD_NOT_ALLOWED):
                collector.count(refusal.outcome)
                return refusal
            envelope = Envelope(
                envelope.address, content_type=envelope.content_type, user_agent=envelope.user_agent
            )
            length = _length(headers)
            return collector.reject(refusal, envelope, length=length or 0)
        envelope = Envelope(
            envelope.address, label, _mode(scope), envelope.content_type, envelope.user_agent
        )
        body = await self._read(receive)
        if isinstance(body, Fate):
            if body.outcome is Outcome.DISCONNECTED:
                collector.count(body.outcome)
                return body
            return collector.reject(body, envelope, length=self._limit)
        return await collector.collect(body, envelope)

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes], label: str) -> Fate | None:
        """Refuse what the request line and the headers alone make impossible."""
        if scope["method"] == "OPTIONS":
            return Fate(Outcome.PREFLIGHT)
        if scope["method"] != "POST":
            return Fate(Outcome.METHOD_NOT_ALLOWED, "Reports are sent with POST.")
        if label and not _LABEL.fullmatch(label):
            return Fate(
                Outcome.BAD_REQUEST, "A label has 1 to 64 letters, digits, dots, underscores, tildes and hyphens."
            )
        mode = parse_qs(scope["query_string"].decode("latin-1")).get("mode", ["report-only"])[-1]
        if mode not in tuple(Mode):
            return Fate(Outcome.BAD_REQUEST, "mode is report-only or enforce.")
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b""):
            return Fate(Outcome.CONTENT_ENCODING, "Send the report without content encoding.")
        length = _length(headers)
        if length is not None and length > self._limit:
            return self._too_large()
        return None

    def _too_large(self) -> Fate:
        return Fate(Outcome.TOO_LARGE, f"A report has at most {self._limit} bytes.")

    async def _read(self, receive: Receive) -> bytes | Fate:
        message = await receive()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body") and len(body) <= self._limit:
            return body
        parts, size = [body], len(body)
        while message["type"] == "http.request" and message.get("more_body") and size <= self._limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if message["type"] == "http.disconnect":
            return Fate(Outcome.DISCONNECTED)
        return self._too_large() if size > self._limit else b"".join(parts)


def _collector(scope: Scope) -> Collector:
    collector: Collector = scope["state"]["collector"]
    return collector


def _length(headers: dict[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() and len(text) < 20 else None


def _mode(scope: Scope) -> Mode | None:
    stated = parse_qs(scope["query_string"].decode("latin-1")).get("mode")
    return Mode(stated[-1]) if stated else None


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    return "".join(c if c.isprintable() else " " for c in value.decode("latin-1")[:300])


async def _answer(send: Send, fate: Fate) -> None:
    headers, body, status = [(b"access-control-allow-origin", b"*")], b"", 204
    if fate.outcome is Outcome.PREFLIGHT:
        headers = _CORS
    elif fate.outcome not in (Outcome.ACCEPTED, Outcome.DUPLICATE):
        problem = problem_of_outcome(fate.outcome, fate.reason, fate.pointer)
        status, body = problem.status, encode(problem)
        headers.append((b"content-type", MEDIA_TYPE.encode()))
        headers.append((b"content-length", str(len(body)).encode()))
        if fate.outcome in RETRY_AFTER:
            headers.append((b"retry-after", RETRY_AFTER[fate.outcome].encode()))
        if fate.outcome is Outcome.METHOD_NOT_ALLOWED:
            headers.append((b"allow", b"POST, OPTIONS"))
        if fate.outcome is Outcome.TOO_LARGE:
            headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
