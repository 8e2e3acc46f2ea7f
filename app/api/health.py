"""Is it alive, can it work, what does it count."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.api.access import CanRead, ServiceDep
from app.api.problems import ProblemError
from app.api.schemas import describe_problems
from app.store.engine import answers

probes = APIRouter(tags=["health"])
metrics = APIRouter(tags=["health"])


class Health(BaseModel):
    """The answer of a health check."""

    status: str


@probes.get("/livez")
async def livez() -> Health:
    """Say that the process runs."""
    return Health(status="alive")


@probes.get("/readyz", responses={503: describe_problems(503)[503]})
def readyz(service: ServiceDep) -> Health:
    """Say whether reports can be taken: the store answers."""
    if not answers(service.engine):
        raise ProblemError(503, "Store unavailable", "The store does not answer.")
    return Health(status="ready")


@metrics.get("/metrics", dependencies=[CanRead], responses=describe_problems(), response_class=Response)
def read_metrics(service: ServiceDep) -> Response:
    """Return the metrics in the Prometheus text format."""
    return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
