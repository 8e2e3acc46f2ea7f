"""Hosts: their policy, their summary, their readiness."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from app.answers.policies import policy_answer
from app.api.access import AdminDep, CanRead, ServiceDep
from app.api.counted_until import CountedUntil
from app.api.filters import ViolationFilter
from app.api.pages import LimitQuery, link_next
from app.api.problems import ProblemError, not_found
from app.api.schemas import (
    HostDeletionResponse,
    HostResponse,
    Page,
    PolicyRequest,
    PolicyResponse,
    PolicySetResponse,
    SeriesPoint,
    SummaryResponse,
    TopViolation,
    Totals,
    describe_problems,
)
from app.api.values import HostText
from app.hpkp.errors import InvalidHeader, InvalidPin, InvalidPolicy
from app.hpkp.header.value import PinningHeader, parse_header
from app.hpkp.hosts import Host, canonical_host, is_address
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.service import now

router = APIRouter(prefix="/api/v1/hosts", tags=["hosts"])

_NO_POLICY = "Not a pinning policy"


def _canonical(host: HostText) -> Host:
    return canonical_host(host)


HostPath = Annotated[Host, Depends(_canonical)]


@router.get("", dependencies=[CanRead], responses=describe_problems())
def list_hosts(
    service: ServiceDep,
    request: Request,
    response: Response,
    limit: LimitQuery = 100,
    cursor: Annotated[str | None, Query(max_length=253)] = None,
) -> Page[HostResponse]:
    """List hosts by name."""
    found = service.hosts.list(limit=limit + 1, after=cursor)
    items = [
        HostResponse(
            host=host.name,
            registered=host.registered,
            first_seen_at=host.first_seen_at,
            last_received_at=host.last_received_at,
            reports=host.reports,
            violations=host.violations,
        )
        for host in found[:limit]
    ]
    more = items[-1].host if len(found) > limit else None
    return Page(items=items, next=link_next(request, response, more))


@router.delete("/{host}", operation_id="delete_host", responses=describe_problems(404))
def delete_host(
    service: ServiceDep,
    caller: AdminDep,
    host: HostPath,
    confirm: Annotated[HostText, Query(max_length=253, description="The name of the host again.")],
) -> HostDeletionResponse:
    """Delete a host with all that is stored of it, for good; `confirm` has to repeat its name.

    If clients still report the host, it appears again without a policy.
    """
    if canonical_host(confirm) != host:
        raise ProblemError(422, "Not confirmed", f"Repeat the name: confirm={host}.", pointer="/query/confirm")
    deleted = service.hosts.delete(host, at=now(), actor=caller.name)
    if deleted is None:
        raise not_found("host", host)
    return HostDeletionResponse(
        host=deleted.host,
        violations=deleted.violations,
        reports=deleted.reports,
        policy_revisions=deleted.revisions,
        exposure_days=deleted.exposure_days,
    )


@router.get("/{host}/policy", dependencies=[CanRead], responses=describe_problems(404))
def get_policy(service: ServiceDep, host: HostPath) -> PolicyResponse:
    """Return the policy in force."""
    policy = service.policies.in_force(host, at=now())
    if policy is None:
        raise not_found("policy in force for", host)
    return policy_response(policy)


@router.get(
    "/{host}/policy/revisions",
    operation_id="list_policy_revisions",
    dependencies=[CanRead],
    responses=describe_problems(404),
)
def list_revisions(service: ServiceDep, host: HostPath) -> Page[PolicyResponse]:
    """List every revision, the newest entry first."""
    stored = service.policies.list_revisions(host)
    if not stored:
        raise not_found("policy for", host)
    return Page(items=[policy_response(revision.policy) for revision in stored])


@router.put("/{host}/policy", operation_id="set_policy", responses=describe_problems(400))
def put_policy(service: ServiceDep, caller: AdminDep, host: HostPath, body: PolicyRequest) -> PolicySetResponse:
    """Set the policy by a new revision; the host's violations are judged again.

    `violations_to_reevaluate` says how many are left after a second; until they are done no verdict is `ready`.
    The same policy as the one in force makes no new revision. `effective_from` in the past enters history.
    """
    policy = _read_policy(host, body)
    try:
        stored = policy_response(service.policies.set(policy, at=now(), actor=caller.name))
    except InvalidPolicy as error:
        raise ProblemError(422, _NO_POLICY, str(error), pointer="/effective_from") from None
    return PolicySetResponse(**stored.model_dump(), violations_to_reevaluate=service.rejudging.count_waiting(host))


@router.delete("/{host}/policy", operation_id="withdraw_policy", status_code=204, responses=describe_problems(404))
def delete_policy(service: ServiceDep, caller: AdminDep, host: HostPath) -> None:
    """Withdraw the policy. Its revisions stay, because clients may still know their pins."""
    if service.policies.withdraw(host, at=now(), actor=caller.name) is None:
        raise not_found("policy in force for", host)


def _read_policy(host: Host, body: PolicyRequest) -> PinningPolicy:
    if (body.pins is None) == (body.header is None):
        raise ProblemError(422, _NO_POLICY, "Give either pins or header.", pointer="/pins")
    header = _read_header(body.header) if body.header is not None else None
    pins = (
        tuple(ExpectedPin(pin) for pin in header.pins)
        if header
        else tuple(
            ExpectedPin(read_pin(pin.sha256, f"/pins/{index}/sha256"), pin.label)
            for index, pin in enumerate(body.pins or [])
        )
    )
    subdomains = header.include_subdomains if header and body.include_subdomains is None else body.include_subdomains
    try:
        return PinningPolicy(
            host=host,
            pins=pins,
            include_subdomains=bool(subdomains),
            max_age=header.max_age if header and body.max_age is None else body.max_age,
            mode=body.mode,
            report_uri=header.report_uri if header and body.report_uri is None else body.report_uri,
            own_keys=frozenset(read_pin(text, f"/own_keys/{index}") for index, text in enumerate(body.own_keys)),
            effective_from=read_moment(body.effective_from, "/effective_from"),
        )
    except InvalidPolicy as error:
        pointer = "/path/host" if is_address(host) else "/pins"
        raise ProblemError(422, _NO_POLICY, str(error), pointer=pointer) from None


def _read_header(text: str) -> PinningHeader:
    try:
        return parse_header(text)
    except InvalidHeader as error:
        raise ProblemError(422, "Not a Public-Key-Pins value", str(error), pointer="/header") from None


def read_moment(moment: datetime | None, pointer: str) -> datetime | None:
    """Turn an instant into UTC, in which the years 1 and 9999 of other zones may not exist."""
    try:
        return None if moment is None else moment.astimezone(UTC)
    except OverflowError:
        raise ProblemError(422, "Invalid time", "In UTC this is no date.", pointer=pointer) from None


def read_pin(text: str, pointer: str) -> Pin:
    """Read a pin of a request; a problem with its place for what is none."""
    try:
        return parse_pin(text)
    except InvalidPin as error:
        raise ProblemError(422, "Not a pin", str(error), pointer=pointer) from None


def policy_response(policy: PinningPolicy) -> PolicyResponse:
    """Convert a policy to its response."""
    return PolicyResponse.model_validate(policy_answer(policy))


@router.get("/{host}/summary", operation_id="get_summary", dependencies=[CanRead], responses=describe_problems(404))
def summary(
    service: ServiceDep,
    host: HostPath,
    narrowed: ViolationFilter,
    counted_until: CountedUntil,
    interval: Literal["hour", "day"] = "hour",
) -> SummaryResponse:
    """Summarise what was reported for a host, by hour of receipt (`since` is rounded down to the hour)."""
    found = service.hosts.summarise(replace(narrowed, host=host), interval=interval)
    if found is None:
        raise not_found("host", host)
    return SummaryResponse(
        host=host,
        counted_until=counted_until,
        totals=Totals(reports=found.reports, violations=found.violations, clients=found.clients.about),
        by_cause=found.by_cause,
        by_sender=found.by_sender,
        series=[SeriesPoint(time=time, cause=cause_, reports=count) for time, cause_, count in found.series],
        top=[TopViolation(id=id_, cause=cause_, reports=count) for id_, cause_, count in found.top],
    )
