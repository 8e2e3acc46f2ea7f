"""Checks of pins over HTTP: whether a chain may be deployed, and what other pins would have done."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from app.answers.deployment import deployment_answer
from app.answers.what_if import what_if_answer
from app.api.access import CanRead, ServiceDep
from app.api.apps import ReleaseCheckResponse
from app.api.hosts import HostPath, read_moment, read_pin
from app.api.problems import ProblemError, not_found
from app.api.schemas import describe_problems
from app.api.values import Instant, PinText
from app.hpkp.errors import InvalidCertificate
from app.hpkp.judgement.causes import Attribution, Cause
from app.hpkp.what_if import Change
from app.hpkp.x509.certificate import Chain
from app.hpkp.x509.chain_files import read_chain_file
from app.hpkp.x509.pem import decode_text
from app.service import now

router = APIRouter(prefix="/api/v1/hosts", tags=["pin-checks"])

_LONGEST = 262_144
_CHAIN_BODY = {
    "required": True,
    "description": "The chain in PEM, leaf first; the root may be left out. Any content type.",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


class RememberedResponse(BaseModel):
    """An earlier enforced revision that clients may still cache."""

    revision: int
    until: datetime
    satisfied: bool


class CheckResponse(BaseModel):
    """Whether a chain may be deployed."""

    host: str
    policy_of: str | None = Field(description="The host whose policy covers it; null if only releases pin it.")
    deployable: bool | None = Field(
        description="Whether it satisfies the expected pins and locks out no client in use; null if that is unknown."
    )
    satisfied: bool | None = Field(description="Whether the chain contains an expected pin.")
    why: str
    matching: list[str] = Field(description="Expected pins in the chain.")
    remembered: list[RememberedResponse]
    caveats: list[str]
    releases: list[ReleaseCheckResponse] = Field(description="Releases of apps that pin the host, the worst first.")


async def _read_chain(request: Request) -> Chain:
    """Read a chain from the body, up to the size limit."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise ProblemError(413, "Chain too long", f"A chain has at most {_LONGEST} bytes.")
    if "PRIVATE KEY" in decode_text(bytes(body)):
        raise ProblemError(
            422,
            "Private key sent",
            "The body contains a private key. It was not stored, but treat it as compromised and replace it. Send "
            "certificates only.",
        )
    try:
        return read_chain_file(bytes(body))
    except InvalidCertificate as error:
        raise ProblemError(422, "Not a certificate chain", f"{error}.") from None


@router.post(
    "/{host}/check",
    dependencies=[CanRead],
    responses=describe_problems(404, 413),
    openapi_extra={"requestBody": _CHAIN_BODY},
)
def check_chain(service: ServiceDep, host: HostPath, chain: Annotated[Chain, Depends(_read_chain)]) -> CheckResponse:
    """Say whether a chain about to be deployed satisfies the expected pins, and which clients it would lock out.

    The body is the chain in PEM, whatever its content type. Nothing of it is kept.
    """
    checked = service.deployment.check(host, chain, at=now())
    if checked is None:
        raise not_found("policy or release covering", host)
    return CheckResponse.model_validate(deployment_answer(host, *checked))


class WhatIfRequest(BaseModel):
    """Other pins to replay what was reported under."""

    model_config = ConfigDict(extra="forbid")

    pins: list[PinText] = Field(min_length=1, max_length=64, description="The pins of the candidate, all of them.")
    own_keys: list[PinText] = Field([], max_length=256, description="Pins of keys that you hold but do not pin.")
    since: Instant | None = Field(None, description="Reports received at or after, by the hour.")
    until: Instant | None = Field(None, description="Reports received before.")


class TallyResponse(BaseModel):
    """How many; reports are a lower bound."""

    violations: int
    reports: int
    reports_by_side: dict[Attribution, int]


class ReplayedResponse(BaseModel):
    """A violation under both sets of pins."""

    id: int
    change: Change
    reports: int
    cause: Cause
    locks_out: bool | None
    cause_then: Cause
    locks_out_then: bool | None
    why_then: str


class WhatIfResponse(BaseModel):
    """What a set of pins would have done with what was reported."""

    host: str
    pins: list[str]
    safe: bool | None = Field(
        description="Whether no reporting client would be locked out by a configuration error; null if that is "
        "unknown, or nothing was reported."
    )
    changes: dict[Change, TallyResponse]
    closed: TallyResponse = Field(description="Violations set to expected, ignored or resolved; excluded above.")
    implausible: TallyResponse = Field(description="Reports that contradict their sender's form; excluded above.")
    violations: list[ReplayedResponse] = Field(description="Those with the most reports, at most 100.")
    caveat: str = (
        "Replay covers reported violations only. Clients whose pins match today sent nothing, so removing a pin can "
        "lock out clients that do not appear here. Counts are lower bounds."
    )


@router.post(
    "/{host}/what-if",
    operation_id="replay_violations",
    dependencies=[CanRead],
    responses=describe_problems(400, 404, 503),
)
def what_if(service: ServiceDep, host: HostPath, body: WhatIfRequest) -> WhatIfResponse:
    """Replay the violations that were reported for the host under another set of pins."""
    found = service.what_if.replay(
        host,
        dict.fromkeys(read_pin(text, f"/pins/{index}") for index, text in enumerate(body.pins)),
        [read_pin(text, f"/own_keys/{index}") for index, text in enumerate(body.own_keys)],
        since=read_moment(body.since, "/since"),
        until=read_moment(body.until, "/until"),
        at=now(),
    )
    if found is None:
        raise not_found("policy in force for", host)
    return WhatIfResponse.model_validate(what_if_answer(host, found))
