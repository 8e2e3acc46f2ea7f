"""What was acknowledged and not kept: overflow by host, day and reason."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.access import CanRead, ServiceDep
from app.api.problems import ProblemError
from app.api.schemas import Page, describe_problems
from app.api.values import HostText, Instant
from app.hpkp.hosts import canonical_host
from app.hpkp.overflow import OverflowReason
from app.service import now

router = APIRouter(prefix="/api/v1", tags=["overflow"])

_DEFAULT, _LONGEST = timedelta(days=30), timedelta(days=366)


class OverflowResponse(BaseModel):
    """Reports of a host and a day that were acknowledged, and whose violations are not kept, for one reason."""

    host: str = Field(
        description="Empty for all hosts together that are not in the store: unauthenticated senders invent them."
    )
    day: datetime = Field(description="The beginning of the day, UTC.")
    reason: OverflowReason
    reports: int
    networks: int = Field(description="Distinct networks; exact up to about 190, estimated above.")
    last_at: datetime


@router.get("/overflow", operation_id="list_overflow", dependencies=[CanRead], responses=describe_problems())
def read_overflow(
    service: ServiceDep,
    host: Annotated[
        Literal[""] | HostText | None, Query(description="Empty for hosts that are not in the store.")
    ] = None,
    since: Instant | None = None,
    until: Instant | None = None,
) -> Page[OverflowResponse]:
    """List overflow by day, host and reason: all of it, of the last 30 days unless `since` says otherwise."""
    end = until or now()
    earliest = datetime.min.replace(tzinfo=UTC)
    begin = since or (end - _DEFAULT if end - earliest > _DEFAULT else earliest)
    if not timedelta() <= end - begin <= _LONGEST:
        raise ProblemError(422, "Request not valid", "since lies up to 366 days before until.", pointer="/query/since")
    found = service.records.list_overflow(host and canonical_host(host), since=begin, until=end)
    return Page(
        items=[
            OverflowResponse(
                host=day.host,
                day=day.day,
                reason=day.reason,
                reports=day.reports,
                networks=day.networks,
                last_at=day.last_at,
            )
            for day in found
        ]
    )
