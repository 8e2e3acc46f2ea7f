"""The pin workshop over HTTP: whether a chain may be deployed, and what other pins would have done."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.answers.deployment import deployment_answer
from app.answers.what_if import what_if_answer
from app.api.access import CanRead, ServiceDep
from app.api.hosts import HostPath, read_moment, read_pin
from app.api.problems import ProblemError, not_found
from app.api.schemas import describe_problems
from app.hpkp.deployment import read_pem_chain
from app.hpkp.errors import InvalidCertificate
from app.hpkp.judgement.causes import Cause, Side
from app.hpkp.what_if import Change
from app.hpkp.x509.certificate import Chain
from app.hpkp.x509.pem import decode_text
from app.service import now

router = APIRouter(prefix="/api/v1/hosts", tags=["workshop"])

_LONGEST = 262_144
_CHAIN_BODY = {
    "required": True,
    "description": "The chain in PEM, leaf first; the root may be left out.",
    "content": {"text/plain": {"schema": {"type": "string", "maxLength": _LONGEST}}},
}


class RememberedResponse(BaseModel):
    """A former revision that was enforced and that clients may still know."""

    revision: int
    until: datetime
    satisfied: bool


class CheckResponse(BaseModel):
    """Whether a chain may be deployed."""

    host: str
    policy_of: str = Field(description="The host whose policy covers it.")
    deployable: bool | None = Field(
        description="Whether it satisfies the expected pins and breaks none that clients may still know; null where it "
        "cannot be told."
    )
    satisfied: bool | None = Field(description="Whether an expected pin stands in the chain.")
    why: str
    matching: list[str] = Field(description="Expected pins in the chain.")
    remembered: list[RememberedResponse]
    caveats: list[str]


async def _read_chain(request: Request) -> Chain:
    """Read a chain from the body, at most so much of it as is taken."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise ProblemError(413, "Chain too long", f"A chain has at most {_LONGEST} bytes.")
    if "PRIVATE KEY" in decode_text(bytes(body)):
        raise ProblemError(
            422,
            "Private key sent",
            "A private key stands in the body. It was not kept; treat it as compromised, because it was sent. Send the "
            "certificates alone.",
        )
    try:
        return read_pem_chain(bytes(body))
    except InvalidCertificate as error:
        raise ProblemError(422, "Not a certificate chain", f"{error}.") from None


@router.post(
    "/{host}/check",
    dependencies=[CanRead],
    responses=describe_problems(404, 413),
    openapi_extra={"requestBody": _CHAIN_BODY},
)
def check_chain(service: ServiceDep, host: HostPath, chain: Annotated[Chain, Depends(_read_chain)]) -> CheckResponse:
    """Say whether a chain about to be deployed satisfies the expected pins, and which remembered pins it breaks.

    The body is the chain in PEM, whatever its content type. Nothing of it is kept.
    """
    checked = service.deployment.check(host, chain, at=now())
    if checked is None:
        raise not_found("policy covering", host)
    return CheckResponse.model_validate(deployment_answer(host, *checked))


class WhatIfRequest(BaseModel):
    """Other pins to replay what was reported under."""

    model_config = ConfigDict(extra="forbid")

    pins: list[Annotated[str, Field(max_length=120)]] = Field(
        min_length=1, max_length=64, description="The pins of the candidate, all of them."
    )
    own_keys: list[Annotated[str, Field(max_length=120)]] = Field(
        [], max_length=256, description="Pins of keys that you hold besides."
    )
    since: AwareDatetime | None = Field(None, description="Reports received at or after, by the hour.")
    until: AwareDatetime | None = Field(None, description="Reports received before.")


class TallyResponse(BaseModel):
    """How many; reports are a lower bound."""

    violations: int
    reports: int
    reports_by_side: dict[Side, int]


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
        description="Whether none of the clients that reported would be locked out by a mistake of yours; null where "
        "that cannot be told, or nothing was reported."
    )
    changes: dict[Change, TallyResponse]
    closed: TallyResponse = Field(description="Violations set to expected, ignored or resolved, left out above.")
    implausible: TallyResponse = Field(description="Reports that contradict their sender's form, left out above.")
    violations: list[ReplayedResponse] = Field(description="The weightiest, at most 100.")
    caveat: str = (
        "Only reported violations can be replayed. Clients that are content with the present pins sent nothing, so "
        "pins that are taken away may lock out clients of whom nothing is known. Counts are lower bounds."
    )


@router.post("/{host}/what-if", dependencies=[CanRead], responses=describe_problems(400, 404, 503))
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
