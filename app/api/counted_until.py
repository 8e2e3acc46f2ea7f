"""Reads wait briefly for the fold, so that they see what was accepted before, and say until when they do.

Around all requests but reports, health checks and metrics: also a change may be about what was just reported.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ingest.fold_watch import FoldWatch

HEADER = "X-HPKP-Counted-Until"
_AT_ONCE = ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/assets/")


class WaitForFold:
    """Middleware: waits, and adds the moment until which everything is counted to the answer (RFC 3339)."""

    def __init__(
        self, app: ASGIApp, *, watch: Callable[[], FoldWatch], submitted: Callable[[], Awaitable[None]]
    ) -> None:
        self._app = app
        self._submitted = submitted
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"].startswith(_AT_ONCE):
            await self._app(scope, receive, send)
            return
        await self._submitted()
        counted_until = await self._watch().wait()
        scope.setdefault("state", {})["counted_until"] = counted_until

        async def send_with_moment(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = counted_until.isoformat().replace("+00:00", "Z")
            await send(message)

        await self._app(scope, receive, send_with_moment)


def get_counted_until(request: Request) -> datetime:
    """Return until when everything that was accepted is counted in what this request reads."""
    counted_until: datetime = request.state.counted_until
    return counted_until


CountedUntil = Annotated[datetime, Depends(get_counted_until)]
