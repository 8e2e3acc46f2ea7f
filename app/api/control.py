"""Control pins: made for a host, served to a share of clients, and what they measure."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.answers.control import control_answer
from app.api.access import CanAdmin, CanRead, ServiceDep
from app.api.counted_until import CountedUntil
from app.api.hosts import HostPath, read_pin
from app.api.problems import ProblemError, not_found
from app.api.schemas import describe_problems
from app.api.values import Flag, HostText, PinText
from app.hpkp.errors import HpkpError, InvalidHeader
from app.hpkp.header.control_lines import LARGEST_SHARE, SMALLEST_SHARE
from app.hpkp.header.server_lines import Server
from app.hpkp.hosts import canonical_host
from app.service import now
from app.usecases.control import ControlState

router = APIRouter(prefix="/api/v1/hosts", tags=["readiness"])

_USUAL_PERCENT = 5.0


class ControlRequest(BaseModel):
    """Which control pins to make; new random ones if none are given."""

    model_config = ConfigDict(extra="forbid")

    pins: list[PinText] = Field([], max_length=10, description="Pins that match nothing, if they exist already.")
    domain: HostText | None = Field(
        None, max_length=253, description="A name below the host where clients know control pins alone."
    )
    renew: Flag = Field(False, description="Make new ones although there are some. The others stay recognized.")


class ControlPinResponse(BaseModel):
    """A control pin."""

    sha256: str
    domain: str | None
    created_at: datetime


class ControlPartResponse(BaseModel):
    """Lines of a server's configuration."""

    place: str
    text: str


class ControlDayResponse(BaseModel):
    """How many clients received control pins on a day."""

    date: date
    clients: int
    app: str
    app_version: str


class DeliveryResponse(BaseModel):
    """Share of clients that report what they have to, as measured with control pins."""

    rate: float
    lower: float = Field(description="One-sided lower bound with 95% confidence (Clopper-Pearson).")
    received: int = Field(description="Clients that received control pins on the day.")
    reported: int = Field(description="Of these, clients that reported them, a lower bound.")
    day: date
    audience: Literal["site", "apps"]


class ControlResponse(BaseModel):
    """The control pins of a host, how to serve them, and what they measure."""

    host: str
    counted_until: datetime | None = Field(description="Until when reports are counted; null right after a change.")
    pins: list[ControlPinResponse] = Field(description="The latest first.")
    field: str
    value: str | None = Field(description="Of the field for the control share; null without pins or a report-uri.")
    server: Server
    percent: float
    configuration: list[ControlPartResponse] = Field(description="Empty for the field as text.")
    exposure: list[ControlDayResponse] = Field(description="Of the last 30 days.")
    reports: int = Field(description="Reports of cause `control` in the last 30 days.")
    delivery: DeliveryResponse | None = Field(description="Null if it was not measured.")


@router.get("/{host}/control", dependencies=[CanRead], responses=describe_problems(404))
def get_control(
    service: ServiceDep,
    host: HostPath,
    counted_until: CountedUntil,
    server: Annotated[Server, Query(description="In whose configuration the share is written.")] = Server.TEXT,
    percent: Annotated[
        float, Query(ge=SMALLEST_SHARE, le=LARGEST_SHARE, description="Share of clients, in percent.")
    ] = _USUAL_PERCENT,
) -> ControlResponse:
    """Return the control pins of a host, how to serve them, and the delivery rate that they measure."""
    state = service.control.find(host, at=now())
    if state is None:
        raise not_found("policy in force for", host)
    return _response(state, counted_until, server, percent)


@router.post("/{host}/control", dependencies=[CanAdmin], responses=describe_problems(400, 404))
def make_control(service: ServiceDep, host: HostPath, body: ControlRequest | None = None) -> ControlResponse:
    """Make control pins for a host, or return those that are there.

    Given pins are added as they are, and what was reported with them is judged again.
    """
    wanted = body or ControlRequest()
    try:
        domain = None if wanted.domain is None else canonical_host(wanted.domain)
    except HpkpError as error:
        raise ProblemError(422, "Invalid control pins", str(error), pointer="/domain") from None
    pins = tuple(read_pin(text, f"/pins/{index}") for index, text in enumerate(wanted.pins))
    try:
        state = service.control.make(host, pins=pins, domain=domain, renew=wanted.renew, at=now())
    except HpkpError as error:
        pointer = "/pins" if pins else "/domain"
        raise ProblemError(422, "Invalid control pins", str(error), pointer=pointer) from None
    if state is None:
        raise not_found("policy in force for", host)
    return _response(state, None, Server.TEXT, _USUAL_PERCENT)


def _response(state: ControlState, counted_until: datetime | None, server: Server, percent: float) -> ControlResponse:
    try:
        plain = control_answer(state, server=server, percent=percent)
    except InvalidHeader as error:
        raise ProblemError(422, "No such configuration", str(error), pointer="/query/server") from None
    return ControlResponse.model_validate(plain | {"counted_until": counted_until})
