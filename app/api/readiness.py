"""The verdict on a host, what it rests on, and how it came about."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.answers.readiness import readiness_answer
from app.api.access import CanAdmin, CanRead, ServiceDep
from app.api.apps import ReleaseCheckResponse
from app.api.control import DeliveryResponse
from app.api.counted_until import CountedUntil
from app.api.hosts import HostPath, read_moment
from app.api.pages import IdCursor, LimitQuery, link_next, parse_cursor
from app.api.problems import ProblemError, not_found
from app.api.schemas import FindingResponse, Page, describe_problems
from app.api.values import JSON_NUMBER, Day, Flag, Instant, PinText
from app.hpkp.audience import Audience
from app.hpkp.control import ControlDay
from app.hpkp.errors import InvalidPin, InvalidPolicy
from app.hpkp.exposure import ExposedDay
from app.hpkp.header.server_lines import Server
from app.hpkp.pins import Pin, parse_pin
from app.service import now

router = APIRouter(prefix="/api/v1/hosts", tags=["readiness"])

_MOST = 10**15
"""More than any host has sessions; the store's numbers go further."""
_Number = Annotated[int, Field(ge=0, le=_MOST), JSON_NUMBER]


class EstimateResponse(BaseModel):
    """Clients of the worst audience that enforcing would lock out, by attribution. Counts are lower bounds."""

    audience: str = Field(description="`the site`, or a release of an app.")
    ours: int = Field(description="Clients locked out by configuration errors.")
    interception: int = Field(description="App clients behind TLS interception.")
    hostile: int = Field(description="Clients that saw an unknown or compromised key.")
    unknown: int = Field(description="Clients with an unknown outcome.")
    of: int | None = Field(description="Clients of the audience on its busiest covered day; null if no day is covered.")
    unit: Literal["clients", "installs"]
    share: float | None = Field(description="`ours` of `of`.")
    upper: float | None = Field(
        description="One-sided upper bound of that share with 95% confidence, divided by the lower bound of "
        "`delivery`; without it, assumes that every client reports."
    )
    delivery: DeliveryResponse | None = Field(description="Null if it was not measured.")
    caveats: list[str]


class EvidenceDayResponse(BaseModel):
    """A whole day (UTC) of an audience."""

    day: date
    clients: int | None = Field(description="Distinct clients or installs; null if they were not counted.")
    covered: bool = Field(description="Whether the day is evidence: a violation would have been reported.")
    missing: list[
        Literal[
            "exposure_unknown", "clients_not_counted", "nobody_exposed", "not_probed", "pins_not_served",
            "release_pins_unknown", "no_canary",
        ]
    ] = Field(description="Why it is not.")  # fmt: skip


class AudienceResponse(BaseModel):
    """The verdict for one audience: the clients that read the site's header, or a release of an app."""

    audience: str
    app: str = Field(description="Empty for the site.")
    app_version: str
    verdict: Literal["ready", "not_ready", "not_enough_data"]
    covered_days: int
    needed_days: int
    last_covered_day: date | None
    clients: int | None = Field(description="On the busiest covered day.")
    unit: Literal["clients", "installs"]
    share: float | None
    upper: float | None
    days: list[EvidenceDayResponse] = Field(description="Those that may be evidence, the oldest first.")


class ReleaseVerdictResponse(ReleaseCheckResponse):
    """Whether a release may enforce: by the chains that are served, and, if it only reports, by its audience's days."""

    verdict: Literal["ready", "not_ready", "not_enough_data"]
    reason: str
    enforces: bool = Field(description="Whether some layer enforces its pins; else it only reports.")


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


class DueDateResponse(BaseModel):
    """Something that falls due."""

    at: datetime
    what: str


class PlanResponse(BaseModel):
    """What follows from the verdict."""

    step: str = Field(description="The step in a few words, as boards show it.")
    do: list[str] = Field(description="What to do now, the most urgent first.")
    next_step: NextStepResponse | None = Field(description="Null at the end of the ramp.")
    rollback: list[str]
    subdomains: list[str]
    calendar: list[DueDateResponse]


class ReadinessResponse(BaseModel):
    """Verdict on enforcing or its next step, with the reasons."""

    host: str
    revision: int
    mode: Literal["report-only", "enforce"]
    at: datetime
    counted_until: datetime = Field(description="Until when everything that was accepted is counted.")
    as_of: str | None = Field(description="What a verdict for a time in the past uses; null for now.")
    verdict: Literal["ready", "not_ready", "not_enough_data"]
    headline: str = Field(description="Host, answer, and first reason in at most 20 words.")
    reason: str | None = Field(description="The first reason alone; null if the verdict is ready.")
    impact: str = Field(description="How many clients configuration errors lock out, in a sentence.")
    also_reported: str | None = Field(description="Clients with other outcomes; null without any.")
    estimate: EstimateResponse
    audiences: list[AudienceResponse] = Field(description="In use, the worst first; it decides the verdict.")
    releases: list[ReleaseVerdictResponse] = Field(
        description="Registered releases of apps in use that pin the host, the worst first."
    )
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
    next_step: str = Field(description="The step of the plan in a few words; empty in old records.")


class ExposureRequest(BaseModel):
    """How many clients could have reported on a day."""

    model_config = ConfigDict(extra="forbid")

    sessions: _Number | None = Field(None, description="Sessions that were served the pins.")
    clients: _Number | None = Field(None, description="Distinct ones among them, or installs of the app.")
    app: str = Field("", max_length=200, description="The app; empty for the site itself.")
    app_version: str = Field("", max_length=100)
    control: Flag = Field(False, description="These clients received control pins; give `clients` alone.")


class ExposedDayResponse(BaseModel):
    """What is known of a day."""

    date: Day
    sessions: int | None
    clients: int | None
    app: str
    app_version: str
    control: bool = Field(description="Whether it counts clients that received control pins.")


class CarriedPinsRequest(BaseModel):
    """The pins that a release of an app carries for the host."""

    model_config = ConfigDict(extra="forbid")

    app: str = Field(min_length=1, max_length=200)
    app_version: str = Field("", max_length=100, description="Empty for an app whose installs have no version.")
    pins: list[PinText] | None = Field(
        None, max_length=100, description="Those of the policy in force if left out; an empty list: no pinning."
    )


class CarriedPinsResponse(BaseModel):
    """The pins that a release of an app carries for the host."""

    app: str
    app_version: str
    pins: list[str]


class CanaryResponse(BaseModel):
    """Result of a canary."""

    host: str
    report_uri: str
    sent_at: datetime
    received_at: datetime | None = Field(description="When it arrived; null if it did not.")
    fault: str | None


@router.get("/{host}/readiness", operation_id="get_readiness", dependencies=[CanRead], responses=describe_problems(404))
def readiness(
    service: ServiceDep,
    host: HostPath,
    counted_until: CountedUntil,
    at: Annotated[Instant | None, Query(description="Time of the verdict; default now.")] = None,
    server: Annotated[
        Server, Query(description="Server whose configuration syntax the next header has.")
    ] = Server.TEXT,
) -> ReadinessResponse:
    """Return whether the policy is ready to enforce, with blockers and missing evidence.

    For a time in the past, the verdict uses what was known then, with today's rules and thresholds.
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
        raise ProblemError(422, "Request not valid", "The time must not be in the future.", pointer="/query/at")
    return moment


@router.get("/{host}/verdicts", dependencies=[CanRead], responses=describe_problems())
def list_verdicts(
    service: ServiceDep,
    request: Request,
    response: Response,
    host: HostPath,
    limit: LimitQuery = 100,
    cursor: IdCursor = None,
) -> Page[VerdictResponse]:
    """List the verdicts that differed from the one before, the newest first, with what changed them."""
    place = parse_cursor(cursor, parts=1)
    found = service.readiness.list_verdicts(host, limit=limit + 1, before=place[0] if place else None)
    items = [VerdictResponse(**asdict(recorded)) for recorded in found[:limit]]
    more = str(items[-1].id) if len(found) > limit else None
    return Page(items=items, next=link_next(request, response, more))


@router.get("/{host}/exposure", dependencies=[CanRead], responses=describe_problems())
def list_exposure(service: ServiceDep, host: HostPath) -> Page[ExposedDayResponse]:
    """List exposure by day: how many clients could have reported. Missing days are unknown, not zero."""
    return Page(items=list(map(_day, service.records.list_exposure(host))))


@router.put(
    "/{host}/exposure/{date}", operation_id="set_exposure", dependencies=[CanAdmin], responses=describe_problems(400)
)
def put_exposure(service: ServiceDep, host: HostPath, date: Day, body: ExposureRequest) -> ExposedDayResponse:
    """Record how many clients could have reported on a day (UTC); replaces the earlier record.

    With `control`, how many clients received control pins on it.
    """
    if body.control and (body.clients is None or body.sessions is not None):
        raise ProblemError(422, "Request not valid", "With control, give clients alone.", pointer="/clients")
    if body.sessions is None and body.clients is None:
        raise ProblemError(422, "Request not valid", "Give sessions, clients, or both.", pointer="/sessions")
    at = now()
    if date > at.date():
        raise ProblemError(422, "Request not valid", "The date is in the future.", pointer="/path/date")
    if date.year < 1970:
        raise ProblemError(422, "Request not valid", "Date is before 1970.", pointer="/path/date")
    if body.control and body.clients is not None:
        counted = ControlDay(host, date, body.clients, body.app, body.app_version)
        service.control.record_exposure([counted], origin="api", at=at)
        return _day(ExposedDay(host, date, None, body.clients, body.app, body.app_version), control=True)
    day = ExposedDay(host, date, body.sessions, body.clients, body.app, body.app_version)
    if day.fault is not None:
        raise ProblemError(422, "Request not valid", day.fault, pointer="/sessions")
    service.records.record_exposure([day], origin="api", at=at)
    return _day(day)


@router.get("/{host}/releases", operation_id="list_carried_pins", dependencies=[CanRead], responses=describe_problems())
def list_releases(service: ServiceDep, host: HostPath) -> Page[CarriedPinsResponse]:
    """List the releases of apps of which it is recorded which pins they carry."""
    found = sorted(service.records.list_releases(host).items())
    return Page(items=[_release(release, pins) for release, pins in found])


@router.put(
    "/{host}/releases", operation_id="set_carried_pins", dependencies=[CanAdmin], responses=describe_problems(400, 404)
)
def put_release(service: ServiceDep, host: HostPath, body: CarriedPinsRequest) -> CarriedPinsResponse:
    """Record which pins a release of an app carries, in place of what was recorded before."""
    at, release = now(), Audience(body.app, body.app_version)
    if body.pins is None:
        policy = service.policies.in_force(host, at=at)
        if policy is None:
            raise not_found("policy in force for", host)
        pins = policy.expected
    else:
        pins = frozenset(_pin(text, number) for number, text in enumerate(body.pins))
    service.records.record_releases(host, [release], pins, at=at)
    return _release(release, pins)


def _pin(text: str, number: int) -> Pin:
    try:
        return parse_pin(text)
    except InvalidPin as error:
        raise ProblemError(422, "Request not valid", str(error), pointer=f"/pins/{number}") from None


def _release(release: Audience, pins: frozenset[Pin]) -> CarriedPinsResponse:
    return CarriedPinsResponse(app=release.app, app_version=release.version, pins=sorted(map(str, pins)))


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
    """Send a canary to the policy's report-uri, and return whether it arrived."""
    try:
        sent = await service.canaries.send(host, at=now())
    except InvalidPolicy as error:
        raise ProblemError(422, "No report-uri", str(error), pointer="/path/host") from None
    if sent is None:
        raise not_found("policy in force for", host)
    return CanaryResponse(
        host=host, report_uri=sent.report_uri, sent_at=sent.sent_at, received_at=sent.received_at, fault=sent.fault
    )
