"""Events: what the service did or saw, and what others tell of: deployments, rotations."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import AdminDep, CanRead, ServiceDep
from app.api.pages import IdCursor, LimitQuery, link_next, parse_cursor
from app.api.problems import ProblemError
from app.api.schemas import Page, describe_problems
from app.api.values import HostText, Instant
from app.hpkp.hosts import canonical_host
from app.service import now
from app.store.read.events import Event

router = APIRouter(prefix="/api/v1", tags=["events"])


class EventResponse(BaseModel):
    """Something that happened."""

    id: int
    at: datetime
    kind: str = Field(
        description="`policy_changed`, `verdict_changed`, `rejudged`, `knowledge_changed`, `served_chain_changed`, "
        "`served_header_changed`, `probe_failed`, `probe_recovered`, `pruned` or `log_skipped`; told by others: "
        "`certificate_rotated`, `deployed`, `note`."
    )
    host: str | None
    text: str
    actor: str | None = Field(
        description="Name of the token or log-in that did it; null for what the service did or saw by itself."
    )


class EventRequest(BaseModel):
    """An event to record."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["certificate_rotated", "deployed", "note"]
    text: str = Field(min_length=1, max_length=500)
    host: HostText | None = None
    at: Instant | None = Field(None, description="When it was; now, where it is left out.")


@router.post("/events", operation_id="create_event", status_code=201, responses=describe_problems(400))
def create_event(body: EventRequest, service: ServiceDep, caller: AdminDep) -> EventResponse:
    """Record an event, for the history and for annotations."""
    host, at = None if body.host is None else canonical_host(body.host), body.at or now()
    if at > now():
        raise ProblemError(422, "Not an event", "at must not be in the future.", pointer="/at")
    return _response(service.records.add_event(body.kind, body.text, host=host, at=at, actor=caller.name))


@router.get("/events", operation_id="list_events", dependencies=[CanRead], responses=describe_problems())
def read_events(
    service: ServiceDep,
    request: Request,
    response: Response,
    host: HostText | None = None,
    kind: str | None = None,
    limit: LimitQuery = 50,
    cursor: IdCursor = None,
) -> Page[EventResponse]:
    """List events, the newest first."""
    before = parse_cursor(cursor, parts=1)
    found = service.records.list_events(
        host=None if host is None else canonical_host(host),
        kind=kind,
        limit=limit + 1,
        before=before[0] if before else None,
    )
    more = str(found[limit - 1].id) if len(found) > limit else None
    return Page(items=list(map(_response, found[:limit])), next=link_next(request, response, more))


def _response(event: Event) -> EventResponse:
    return EventResponse(id=event.id, at=event.at, kind=event.kind, host=event.host, text=event.text, actor=event.actor)
