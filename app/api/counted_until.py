"""Reads wait briefly for the fold, so that they see what was accepted before, and say until when they do.

A request waits once its caller is known (`app.api.access`): one without a valid token is answered at once, and holds
nothing while the fold is behind. Reports, health checks and metrics do not wait. Changes do, too: a change may be about
what was just reported.
"""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.service import Service
from app.wiring import Ingest

HEADER = "X-HPKP-Counted-Until"
_STATE = "counted_until"


async def wait_until_counted(request: Request) -> None:
    """Wait until what was accepted before a request is counted, or for the patience of the settings."""
    ingest: Ingest = request.app.state.ingest
    service: Service = request.app.state.service
    await ingest.commit.wait_for_submitted()
    setattr(request.state, _STATE, await service.watch.wait())


class ShowCountedUntil:
    """Middleware: adds the time until which everything is counted (RFC 3339) to the answer of a request that waited."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        state = scope.setdefault("state", {})

        async def send_with_time(message: Message) -> None:
            if message["type"] == "http.response.start" and _STATE in state:
                MutableHeaders(scope=message)[HEADER] = state[_STATE].isoformat().replace("+00:00", "Z")
            await send(message)

        await self._app(scope, receive, send_with_time)


def get_counted_until(request: Request) -> datetime:
    """Return until when everything that was accepted is counted in what this request reads."""
    counted_until: datetime = request.state.counted_until
    return counted_until


CountedUntil = Annotated[datetime, Depends(get_counted_until)]
