"""Is it alive, can it work, what does it count."""

from collections.abc import Iterator
from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.access import CanReadAtOnce, ServiceDep
from app.api.problems import ProblemError
from app.api.schemas import describe_problems
from app.service import Service
from app.settings import sqlite_file
from app.store.engine import from_ms
from app.store.failures import StoreState
from app.upkeep.status import CLOCK, JobStatus, read_status
from app.usecases.store_check import is_full
from app.wiring import Ingest

probes = APIRouter(tags=["health"])
metrics = APIRouter(tags=["health"])


_FAILING_SECONDS = 30.0
"""After that a failed append says nothing any more: who sends elsewhere meanwhile would never see it succeed."""


class Health(BaseModel):
    """The answer of a health check."""

    status: str


class JobState(BaseModel):
    """When a background job last ran and last failed; null for never."""

    last_run_at: datetime | None
    last_failed_at: datetime | None
    failing: int = Field(description="Hosts for which it failed when last tried, or 1 for the job as a whole.")


class ReadyResponse(Health):
    """Whether reports are accepted and can be counted, and how far their counting is."""

    store: StoreState = Field(
        description="Whether the database can be used. While it is away, which ends by itself, reports wait in the "
        "ingest log; everything else but `answers` needs an operator."
    )
    problems: list[str] = Field(description="What is wrong, and what to do.")
    last_append_at: datetime | None = Field(description="When a report last became durable.")
    last_fold_at: datetime | None = Field(description="When reports were last counted.")
    fold_lag_seconds: float = Field(description="Age of the oldest accepted report that is not counted yet.")
    fold_fails: bool = Field(
        description="Whether the last attempt to count failed, as while the store cannot be written; it is repeated."
    )
    fold_starts: int = Field(description="How often the fold was started.")
    log_bytes: int = Field(description="Bytes of all ingest logs here.")
    refused_logs: list[str] = Field(description="Ingest logs that cannot be used, why, and what to do.")
    upkeep: dict[str, JobState] = Field(
        description="The background jobs that are on, by name. One process of each machine runs them."
    )


@probes.get("/livez", operation_id="get_liveness")
async def livez() -> Health:
    """Say that the process runs."""
    return Health(status="alive")


@probes.get("/readyz", operation_id="get_process_readiness", responses={503: describe_problems(503)[503]})
def readyz(service: ServiceDep, request: Request) -> ReadyResponse:
    """Say whether reports are accepted and can be counted, and how far their counting is.

    A database that is away for a while is no reason for 503: reports are accepted, and counted when it is back. What
    needs an operator is. The problem then has the same members as the answer, but for `status`.
    """
    ingest: Ingest = request.app.state.ingest
    failure = service.store_check.find_failure()
    lag = service.watch.observe()
    folded_at = lag.status.committed_at
    refused = ingest.commit.recent_failure(_FAILING_SECONDS)
    blocking = [] if refused is None else [("Reports are refused", refused.reason)]
    blocking += [("Disk full", f"The disk of the {what} is full. Free space.") for what in _full_disks(service)]
    if failure is not None and failure.needs_operator:
        blocking.append(("Database unusable", failure.reason))
    jobs = read_status(service.settings.log_root)
    others = [] if failure is None or failure.needs_operator else [failure.reason]
    others += [_explain(name, job) for name, job in jobs.items() if job.failing]
    ready = ReadyResponse(
        status="ready",
        store=StoreState.ANSWERS if failure is None else failure.state,
        problems=[reason for _, reason in blocking] + others,
        last_append_at=lag.appended_at,
        last_fold_at=from_ms(folded_at) if folded_at else None,
        fold_lag_seconds=lag.seconds,
        fold_fails=lag.status.error is not None,
        fold_starts=lag.status.starts,
        log_bytes=lag.log_bytes,
        refused_logs=list(lag.status.refused.values()),
        upkeep={name: _describe_job(job) for name, job in jobs.items()},
    )
    if blocking:
        members = ready.model_dump(mode="json", exclude={"status"})
        raise ProblemError(503, blocking[0][0], " ".join(reason for _, reason in blocking), members=members)
    return ready


def _explain(name: str, job: JobStatus) -> str:
    """Say what is wrong with a job; host names are shown only to logged-in users."""
    return job.last_error if name == CLOCK else f"The background job {name} is failing; /upkeep says why."


def _describe_job(job: JobStatus) -> JobState:
    return JobState(
        last_run_at=from_ms(job.last_run_at) if job.last_run_at else None,
        last_failed_at=from_ms(job.last_failed_at) if job.last_failed_at else None,
        failing=job.failing,
    )


def _full_disks(service: Service) -> Iterator[str]:
    """Yield what has no room: the ingest log, a SQLite store."""
    settings = service.settings
    if is_full(settings.log_root):
        yield "ingest log"
    if (file := sqlite_file(settings.database_url)) is not None and is_full(file):
        yield "database"


@metrics.get(
    "/metrics",
    operation_id="get_metrics",
    dependencies=[CanReadAtOnce],
    responses=describe_problems(),
    response_class=Response,
)
def read_metrics(service: ServiceDep) -> Response:
    """Return the metrics in the Prometheus text format."""
    return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
