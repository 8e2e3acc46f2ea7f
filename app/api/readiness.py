"""The verdict on a host, what it rests on, and how it came about."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.answers.readiness import readiness_answer
from app.api.access import CanAdmin, CanRead, ServiceDep
from app.api.control import DeliveryResponse
from app.api.counted_until import CountedUntil
from app.api.hosts import HostPath, read_moment
from app.api.pages import LimitQuery, link_next, parse_cursor
from app.api.problems import ProblemError, not_found
from app.api.schemas import FindingResponse, Page, describe_problems
from app.hpkp.control import ControlDay
from app.hpkp.errors import InvalidPolicy
from app.hpkp.exposure import ExposedDay
from app.hpkp.header.server_lines import Server
from app.service import now

router = APIRouter(prefix="/api/v1/hosts", tags=["readiness"])

_MOST = 10**15
"""More than any host has sessions; the store's numbers go further."""


class EstimateResponse(BaseModel):
    """Clients that enforcing would lock out, by whose doing. Counts are lower bounds."""

    ours: int = Field(description="By keys or paths of the operator's without an expected pin.")
    interception: int = Field(description="Apps behind software that the client was made to trust.")
    hostile: int = Field(description="Behind a key that nobody here knows, or one known to be compromised.")
    unknown: int = Field(description="Of whom the reports do not tell.")
    of: int | None = Field(
        description="Exposed clients or sessions of the site, or installs of apps, of both the fewer; null where "
        "exposure is unknown."
    )
    unit: Literal["clients", "sessions", "installs"]
    share: float | None = Field(description="`ours` of `of`.")
    upper: float | None = Field(
        description="One-sided upper bound of that share with 95 % confidence, divided by the lower bound of "
        "`delivery`; without that it takes for granted that every client reports."
    )
    delivery: DeliveryResponse | None = Field(description="Null if it was not measured.")
    caveats: list[str]


class NextStepResponse(BaseModel):
    """The next header, the earliest moment for it, and what must hold then."""

    mode: Literal["report-only", "enforce"]
    max_age: int
    field: str
    header: str
    server: Server
    server_line: str
    place: str
    earliest: datetime
    conditions: list[str]


class AppointmentResponse(BaseModel):
    """Something that falls due."""

    at: datetime
    what: str


class PlanResponse(BaseModel):
    """What follows from the verdict."""

    do: list[str] = Field(description="What to do now, the most urgent first.")
    next_step: NextStepResponse | None = Field(description="Null at the end of the ramp.")
    rollback: list[str]
    subdomains: list[str]
    calendar: list[AppointmentResponse]


class ReadinessResponse(BaseModel):
    """Whether enforcing, or its next step, is safe, and why."""

    host: str
    revision: int
    mode: Literal["report-only", "enforce"]
    at: datetime
    counted_until: datetime = Field(description="Until when everything that was accepted is counted.")
    as_of: str | None = Field(description="What an answer for a past moment rests on; null for now.")
    verdict: Literal["ready", "not_ready", "not_enough_data"]
    headline: str
    estimate: EstimateResponse
    findings: list[FindingResponse]
    plan: PlanResponse
    thresholds: dict[str, float]


class VerdictResponse(BaseModel):
    """A verdict that differed from the one before."""

    id: int
    at: datetime
    revision: int
    verdict: str
    headline: str
    findings: dict[str, str] = Field(description="Severity by code.")
    change: str


class ExposureRequest(BaseModel):
    """How many could have reported on a day."""

    model_config = ConfigDict(extra="forbid")

    sessions: int | None = Field(None, ge=0, le=_MOST, description="Sessions that were served the pins.")
    clients: int | None = Field(None, ge=0, le=_MOST, description="Distinct ones among them, or installs of the app.")
    app: str = Field("", max_length=200, description="The app; empty for the site itself.")
    app_version: str = Field("", max_length=100)
    control: bool = Field(False, description="These clients received control pins; give `clients` alone.")


class ExposedDayResponse(BaseModel):
    """What is known of a day."""

    date: date
    sessions: int | None
    clients: int | None
    app: str
    app_version: str
    control: bool = Field(description="Whether it counts clients that received control pins.")


class CanaryResponse(BaseModel):
    """What became of a canary."""

    host: str
    report_uri: str
    sent_at: datetime
    received_at: datetime | None = Field(description="When it arrived here; null where it did not.")
    fault: str | None


@router.get("/{host}/readiness", dependencies=[CanRead], responses=describe_problems(404))
def readiness(
    service: ServiceDep,
    host: HostPath,
    counted_until: CountedUntil,
    at: Annotated[datetime | None, Query(description="A past moment; now where nothing is said.")] = None,
    server: Annotated[Server, Query(description="In whose configuration the next header is written.")] = Server.TEXT,
) -> ReadinessResponse:
    """Say whether the policy in force may be enforced, and what stands in the way.

    For a past moment the answer rests on what was known then, with the rules and thresholds of today.
    """
    moment, past = _past(at), at is not None
    assessed = service.readiness.assess(host, at=moment, past=past)
    if assessed is None:
        raise not_found("policy in force for", host)
    policy, answer = assessed
    plain = readiness_answer(policy, answer, at=moment, server=server, past=past)
    return ReadinessResponse.model_validate(plain | {"counted_until": counted_until})


def _past(at: datetime | None) -> datetime:
    current = now()
    moment = read_moment(at, "/query/at") or current
    if moment > current:
        raise ProblemError(422, "Request not valid", "The future is not known here.", pointer="/query/at")
    return moment


@router.get("/{host}/verdicts", dependencies=[CanRead], responses=describe_problems())
def list_verdicts(
    service: ServiceDep,
    request: Request,
    response: Response,
    host: HostPath,
    limit: LimitQuery = 100,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
) -> Page[VerdictResponse]:
    """List the verdicts that differed from the one before, the newest first, with what changed them."""
    place = parse_cursor(cursor, parts=1)
    found = service.readiness.list_verdicts(host, limit=limit + 1, before=place[0] if place else None)
    items = [VerdictResponse(**asdict(recorded)) for recorded in found[:limit]]
    more = str(items[-1].id) if len(found) > limit else None
    return Page(items=items, next=link_next(request, response, more))


@router.get("/{host}/exposure", dependencies=[CanRead], responses=describe_problems())
def list_exposure(service: ServiceDep, host: HostPath) -> Page[ExposedDayResponse]:
    """List what is known of how many could have reported, day by day. A day that is missing is unknown, not zero."""
    return Page(items=list(map(_day, service.records.list_exposure(host))))


@router.put("/{host}/exposure/{date}", dependencies=[CanAdmin], responses=describe_problems(400))
def put_exposure(service: ServiceDep, host: HostPath, date: date, body: ExposureRequest) -> ExposedDayResponse:
    """Record how many could have reported on a day (UTC), in place of what was recorded of it before.

    With `control`, how many clients received control pins on it.
    """
    if body.control and (body.clients is None or body.sessions is not None):
        raise ProblemError(422, "Request not valid", "With control, give clients alone.", pointer="/clients")
    if body.sessions is None and body.clients is None:
        raise ProblemError(422, "Request not valid", "Give sessions, clients, or both.", pointer="/sessions")
    at = now()
    if date > at.date():
        raise ProblemError(422, "Request not valid", "The day lies in the future.", pointer="/path/date")
    if date.year < 1970:
        raise ProblemError(422, "Request not valid", "There was no HTTP then.", pointer="/path/date")
    if body.control and body.clients is not None:
        counted = ControlDay(host, date, body.clients, body.app, body.app_version)
        service.control.record_exposure([counted], origin="api", at=at)
        return _day(ExposedDay(host, date, None, body.clients, body.app, body.app_version), control=True)
    day = ExposedDay(host, date, body.sessions, body.clients, body.app, body.app_version)
    if day.fault is not None:
        raise ProblemError(422, "Request not valid", day.fault, pointer="/sessions")
    service.records.record_exposure([day], origin="api", at=at)
    return _day(day)


def _day(day: ExposedDay, *, control: bool = False) -> ExposedDayResponse:
    return ExposedDayResponse(
        date=day.day,
        sessions=day.sessions,
        clients=day.clients,
        app=day.app,
        app_version=day.app_version,
        control=control,
    )


@router.post("/{host}/canary", dependencies=[CanAdmin], responses=describe_problems(400, 404))
async def send_canary(service: ServiceDep, host: HostPath) -> CanaryResponse:
    """Send a canary through the policy's report-uri, as a browser would, and say whether it arrived."""
    try:
        sent = await service.canaries.send(host, at=now())
    except InvalidPolicy as error:
        raise ProblemError(422, "No report-uri", str(error), pointer="/path/host") from None
    if sent is None:
        raise not_found("policy in force for", host)
    return CanaryResponse(
        host=host, report_uri=sent.report_uri, sent_at=sent.sent_at, received_at=sent.received_at, fault=sent.fault
    )
