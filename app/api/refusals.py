"""What was refused or not kept for a host, and the operator's decision on it."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.answers.refusals import refusals_answer
from app.api.access import AdminDep, CanRead, ServiceDep
from app.api.hosts import HostPath
from app.api.problems import not_found
from app.api.schemas import describe_problems
from app.service import now

router = APIRouter(prefix="/api/v1/hosts", tags=["readiness"])


class RefusalDecisionResponse(BaseModel):
    """A decision to ignore what was refused."""

    at: datetime
    networks: int = Field(description="From how many networks it had come then.")
    holds_up_to: int = Field(description="From more networks it counts again.")
    note: str


class RefusalsResponse(BaseModel):
    """Submissions that may be reports about the host and were refused or not kept; counts are lower bounds."""

    host: str
    reports: int
    networks: int = Field(description="Distinct networks, estimated.")
    last_at: datetime | None
    reasons: dict[str, int] = Field(description="Submissions by reason.")
    withholds: bool = Field(description="Whether this keeps the verdict from being `ready`.")
    decision: RefusalDecisionResponse | None


class RefusalDecisionRequest(BaseModel):
    """What the operator decides."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ignored", "open"] = Field(
        description="`ignored`: it does not count, up to a multiple of what has been seen. `open`: it counts."
    )
    note: str = Field("", max_length=1000)


@router.get("/{host}/refusals", operation_id="get_refusals", dependencies=[CanRead], responses=describe_problems(404))
def read_refusals(service: ServiceDep, host: HostPath) -> RefusalsResponse:
    """Show what was refused or not kept since the first of the covered days that the verdict needs."""
    case = service.readiness.gather(host, at=now())
    if case is None:
        raise not_found("policy in force for", host)
    return RefusalsResponse.model_validate(refusals_answer(host, case.evidence.refused))


@router.put("/{host}/refusals", operation_id="set_refusal_decision", responses=describe_problems(400, 404))
def decide_on_refusals(
    service: ServiceDep, caller: AdminDep, host: HostPath, body: RefusalDecisionRequest
) -> RefusalsResponse:
    """Decide whether what was refused matters. A decision holds for three times as many networks, at least ten more."""
    ignore = body.status == "ignored"
    evidence = service.readiness.decide_on_refusals(host, ignore=ignore, note=body.note, at=now(), actor=caller.name)
    if evidence is None:
        raise not_found("policy in force for", host)
    return RefusalsResponse.model_validate(refusals_answer(host, evidence.refused))
