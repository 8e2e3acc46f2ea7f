"""Events: what the service did or saw, and what others tell of: deployments, rotations."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.access import CanAdmin, CanRead, ServiceDep
from app.api.pages import LimitQuery, link_next, parse_cursor
from app.api.problems import ProblemError
from app.api.schemas import Page, describe_problems
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


class EventRequest(BaseModel):
    """Something to tell of."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["certificate_rotated", "deployed", "note"]
    text: str = Field(min_length=1, max_length=500)
    host: str | None = None
    at: AwareDatetime | None = Field(None, description="When it was; now, where it is left out.")


@router.post("/events", status_code=201, dependencies=[CanAdmin], responses=describe_problems(400))
def tell_of_an_event(told: EventRequest, service: ServiceDep) -> EventResponse:
    """Tell of something that happened, for the record and for annotations."""
    host, at = None if told.host is None else canonical_host(told.host), told.at or now()
    if at > now():
        raise ProblemError(422, "Not an event", "at lies in the future.")
    return _response(service.records.add_event(told.kind, told.text, host=host, at=at))


@router.get("/events", dependencies=[CanRead], responses=describe_problems())
def read_events(
    service: ServiceDep,
    request: Request,
    response: Response,
    host: str | None = None,
    kind: str | None = None,
    limit: LimitQuery = 50,
    cursor: str | None = None,
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
    return EventResponse(id=event.id, at=event.at, kind=event.kind, host=event.host, text=event.text)
