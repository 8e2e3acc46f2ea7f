"""Is it alive, can it work, what does it count."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.access import CanRead, ServiceDep
from app.api.problems import ProblemError
from app.api.schemas import describe_problems
from app.store.engine import from_ms
from app.wiring import Ingest

probes = APIRouter(tags=["health"])
metrics = APIRouter(tags=["health"])


_FAILING_SECONDS = 30.0
"""After that a failed append says nothing any more: who sends elsewhere meanwhile would never see it succeed."""


class Health(BaseModel):
    """The answer of a health check."""

    status: str


class ReadyResponse(Health):
    """Whether reports are accepted, and how far their counting is."""

    store: Literal["answers", "away"] = Field(description="While it is away, reports wait in the ingest log.")
    last_append_at: datetime | None = Field(description="When a report last became durable.")
    last_fold_at: datetime | None = Field(description="When reports were last counted.")
    fold_lag_seconds: float = Field(description="Age of the oldest accepted report that is not counted yet.")
    fold_fails: bool = Field(
        description="Whether the last attempt to count failed, as while the store cannot be written; it is repeated."
    )
    fold_starts: int = Field(description="How often the fold was started.")
    log_bytes: int = Field(description="Bytes of all ingest logs here.")
    refused_logs: list[str] = Field(description="Ingest logs that cannot be used, why, and what to do.")


@probes.get("/livez")
async def livez() -> Health:
    """Say that the process runs."""
    return Health(status="alive")


@probes.get("/readyz", responses={503: describe_problems(503)[503]})
def readyz(service: ServiceDep, request: Request) -> ReadyResponse:
    """Say whether reports are accepted, which does not need the store, and how far their counting is."""
    ingest: Ingest = request.app.state.ingest
    if (failure := ingest.commit.recent_failure(_FAILING_SECONDS)) is not None:
        raise ProblemError(503, "Reports are refused", failure.reason)
    lag = service.watch.observe()
    folded_at = lag.status.committed_at
    return ReadyResponse(
        status="ready",
        store="answers" if service.store_check.answers() else "away",
        last_append_at=lag.appended_at,
        last_fold_at=from_ms(folded_at) if folded_at else None,
        fold_lag_seconds=lag.seconds,
        fold_fails=lag.status.error is not None,
        fold_starts=lag.status.starts,
        log_bytes=lag.log_bytes,
        refused_logs=list(lag.status.refused.values()),
    )


@metrics.get("/metrics", dependencies=[CanRead], responses=describe_problems(), response_class=Response)
def read_metrics(service: ServiceDep) -> Response:
    """Return the metrics in the Prometheus text format."""
    return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
