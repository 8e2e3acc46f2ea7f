"""Events: policies changed, violations judged again, roots or catalogs changed."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.access import CanRead, ServiceDep
from app.api.pages import LimitQuery, link_next, parse_cursor
from app.api.schemas import Page, describe_problems
from app.hpkp.hosts import canonical_host
from app.store.engine import from_ms
from app.store.events import list_events

router = APIRouter(prefix="/api/v1", tags=["events"])


class EventResponse(BaseModel):
    """Something that happened."""

    id: int
    at: datetime
    kind: str = Field(
        description="`policy_changed`, `rejudged`, `knowledge_changed`, `served_chain_changed`, "
        "`served_header_changed`, `probe_failed`, `probe_recovered` or "
        "`pruned`."
    )
    host: str | None
    text: str


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
    with service.engine.connect() as connection:
        rows = list_events(
            connection,
            host=None if host is None else canonical_host(host),
            kind=kind,
            limit=limit + 1,
            before=before[0] if before else None,
        )
    items = [
        EventResponse(id=row.id, at=from_ms(row.at), kind=row.kind, host=row.host, text=row.text)
        for row in rows[:limit]
    ]
    return Page(items=items, next=link_next(request, response, str(rows[limit - 1].id) if len(rows) > limit else None))
