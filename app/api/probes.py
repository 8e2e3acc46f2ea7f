"""Probes: what a host serves, looked at on demand, and how that stands towards its policy."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from app.answers.findings import finding_answer
from app.api.access import CanAdmin, CanRead, ServiceDep
from app.api.hosts import HostPath
from app.api.problems import not_found
from app.api.schemas import FindingResponse, describe_problems
from app.api.values import JSON_NUMBER
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, ProbedHost, review_live, satisfied
from app.hpkp.x509.certificate import Certificate, Element, why_unreadable
from app.service import now

router = APIRouter(prefix="/api/v1/hosts", tags=["hosts"])


class ProbeRequest(BaseModel):
    """Options of a probe."""

    model_config = ConfigDict(extra="forbid")

    port: Annotated[int, Field(ge=1, le=65535), JSON_NUMBER] | None = Field(
        None, description="Another port than the one set for all hosts."
    )


class ServedCertificate(BaseModel):
    """A certificate as it was served."""

    pin: str | None
    in_expected_pins: bool
    sha256: str | None
    subject: str | None = None
    issuer: str | None = None
    names: list[str] = []
    not_before: datetime | None = None
    not_after: datetime | None = None
    unreadable: str | None = None


class AnswerResponse(BaseModel):
    """The answer to one request, with the values of both fields in their order."""

    path: str
    status: int
    public_key_pins: list[str]
    public_key_pins_report_only: list[str]


class EndpointResponse(BaseModel):
    """One address. A server with keys of two kinds shows a chain for each."""

    address: str
    chains: list[list[ServedCertificate]]
    answers: list[AnswerResponse]
    faults: list[str]


class ProbeResponse(BaseModel):
    """What a host served at one time, as the collector received it."""

    host: str
    port: int
    at: datetime
    fault: str | None
    satisfied: bool | None = Field(
        description="Whether everything matches the policy; null if some addresses were unreachable."
    )
    findings: list[FindingResponse]
    endpoints: list[EndpointResponse]


@router.post("/{host}/probe", dependencies=[CanAdmin], responses=describe_problems(400, 404))
async def probe_host(
    service: ServiceDep, host: HostPath, body: Annotated[ProbeRequest | None, Body()] = None
) -> ProbeResponse:
    """Probe the host now at every address, and record the result.

    Connects only to a host with its own policy in force, and only to public addresses unless set otherwise.
    """
    looked = await service.probing.probe(host, port=body.port if body else None, at=now())
    if looked is None:
        raise not_found("policy in force for", host)
    return _response(*looked, service.policies.control_pins_of(host))


@router.get("/{host}/probe", operation_id="get_probe", dependencies=[CanRead], responses=describe_problems(404))
def read_probe(service: ServiceDep, host: HostPath) -> ProbeResponse:
    """Return the result of the last probe, compared with the policy in force."""
    policy = service.policies.in_force(host, at=now())
    if policy is None:
        raise not_found("policy in force for", host)
    live = service.last_probes.find(host)
    if live is None:
        raise not_found("probe of", host)
    return _response(policy, live, service.policies.control_pins_of(host))


def _response(policy: PinningPolicy, live: ProbedHost, control_pins: frozenset[Pin]) -> ProbeResponse:
    findings = review_live(policy, live, control_pins=control_pins)
    return ProbeResponse(
        host=live.probe.host,
        port=live.probe.port,
        at=live.probe.at,
        fault=live.probe.fault,
        satisfied=satisfied(findings),
        findings=[FindingResponse.model_validate(finding_answer(finding)) for finding in findings],
        endpoints=[_endpoint(endpoint, policy) for endpoint in live.probe.endpoints],
    )


def _endpoint(endpoint: Endpoint, policy: PinningPolicy) -> EndpointResponse:
    return EndpointResponse(
        address=endpoint.address,
        chains=[[_certificate(element, policy) for element in chain] for chain in endpoint.chains],
        answers=list(map(_answer, endpoint.answers)),
        faults=list(endpoint.faults),
    )


def _answer(answer: Answer) -> AnswerResponse:
    return AnswerResponse(
        path=answer.path,
        status=answer.status,
        public_key_pins=list(answer.enforcing),
        public_key_pins_report_only=list(answer.report_only),
    )


def _certificate(element: Element, policy: PinningPolicy) -> ServedCertificate:
    served = ServedCertificate(
        pin=None if element.pin is None else str(element.pin),
        in_expected_pins=element.pin in policy.expected,
        sha256=None if element.fingerprint is None else element.fingerprint.hex(),
        unreadable=why_unreadable(element),
    )
    if not isinstance(element, Certificate):
        return served
    return served.model_copy(
        update={
            "subject": element.subject,
            "issuer": element.issuer,
            "names": list(element.names),
            "not_before": element.not_before,
            "not_after": element.not_after,
        }
    )
