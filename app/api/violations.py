"""Violations, their single reports and certificates; and what was rejected."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from ssl import DER_cert_to_PEM_cert
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.answers.certificates import certificate_answer
from app.answers.violations import report_answer, violation_answer
from app.api.access import AdminDep, CanRead, ServiceDep
from app.api.details import answer_violation, read_report, read_violation
from app.api.filters import ReportFilter, ViolationFilter
from app.api.pages import IdCursor, LimitQuery, ReceiptCursor, link_next, parse_cursor
from app.api.problems import not_found
from app.api.schemas import (
    CertificateResponse,
    Page,
    RejectionResponse,
    ReportResponse,
    StatusesRequest,
    StatusesResponse,
    StatusRequest,
    ViolationDetail,
    ViolationResponse,
    describe_problems,
)
from app.api.values import HostText
from app.hpkp.hosts import canonical_host
from app.hpkp.x509.certificate import read_certificate
from app.service import now
from app.store.read.rejections import Rejection
from app.store.read.single_reports import SingleReport

router = APIRouter(prefix="/api/v1", tags=["violations"])

IdPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/violations", dependencies=[CanRead], responses=describe_problems())
def list_violations(
    service: ServiceDep,
    request: Request,
    response: Response,
    narrowed: ViolationFilter,
    host: HostText | None = None,
    limit: LimitQuery = 50,
    cursor: ReceiptCursor = None,
) -> Page[ViolationResponse]:
    """List violations, the latest reported first."""
    wanted = replace(narrowed, host=None if host is None else canonical_host(host))
    before = parse_cursor(cursor, parts=2)
    found = service.violations.list(wanted, limit=limit + 1, before=None if before is None else (before[0], before[1]))
    standing = service.readiness.find_standing({violation.host for violation in found}, at=now())
    items = [ViolationResponse(**violation_answer(violation, standing)) for violation in found[:limit]]
    more = found[limit - 1].cursor if len(found) > limit else None
    return Page(items=items, next=link_next(request, response, more))


@router.patch("/violations", operation_id="set_violation_statuses", responses=describe_problems(400, 404))
def patch_violations(service: ServiceDep, caller: AdminDep, body: StatusesRequest) -> StatusesResponse:
    """Set the status, and with it the note, of up to 1,000 violations: of all of them, or of none."""
    ids = list(dict.fromkeys(body.ids))
    fault = service.violations.set_statuses(ids, status=body.status, note=body.note, at=now(), actor=caller.name)
    if fault is not None:
        raise not_found("violation", fault.unknown)
    return StatusesResponse(status=body.status, changed=len(ids))


@router.get("/violations/{violation_id}", dependencies=[CanRead], responses=describe_problems(404))
def get_violation(service: ServiceDep, violation_id: IdPath) -> ViolationDetail:
    """Return a violation with both chains, each certificate annotated and the failing one marked."""
    return read_violation(service, violation_id)


@router.patch("/violations/{violation_id}", operation_id="set_violation_status", responses=describe_problems(400, 404))
def patch_violation(
    service: ServiceDep, caller: AdminDep, violation_id: IdPath, body: StatusRequest
) -> ViolationDetail:
    """Set a violation's status or note.

    A decision holds up to a multiple of what has been seen; `resolved` counts again with the next report.
    """
    changed = service.violations.set_status(
        violation_id, status=body.status, note=body.note, at=now(), actor=caller.name
    )
    if changed is None:
        raise not_found("violation", violation_id)
    return answer_violation(service, changed)


@router.get("/violations/{violation_id}/reports", dependencies=[CanRead], responses=describe_problems(404))
def list_reports(
    service: ServiceDep,
    request: Request,
    response: Response,
    violation_id: IdPath,
    wanted: ReportFilter,
    limit: LimitQuery = 50,
    cursor: IdCursor = None,
) -> Page[ReportResponse]:
    """List single reports, the newest first. Only some are kept of each day; all are counted."""
    before = parse_cursor(cursor, parts=1)
    found = service.violations.list_reports(violation_id, wanted, limit=limit + 1, before=before[0] if before else None)
    if found is None:
        raise not_found("violation", violation_id)
    items = [ReportResponse(**report_answer(report)) for report in found[:limit]]
    return Page(items=items, next=link_next(request, response, _last_id(found, limit)))


@router.get("/reports/{report_id}", dependencies=[CanRead], responses=describe_problems(404))
def get_report(service: ServiceDep, report_id: IdPath) -> ReportResponse:
    """Return one report, with its raw body where it is kept."""
    return read_report(service, report_id)


def _last_id(found: Sequence[SingleReport] | Sequence[Rejection], limit: int) -> str | None:
    return str(found[limit - 1].id) if len(found) > limit else None


@router.get(
    "/certificates/{sha256}",
    dependencies=[CanRead],
    responses=describe_problems(404) | {200: {"content": {"application/x-pem-file": {}}}},
    response_model=CertificateResponse,
)
def get_certificate(
    service: ServiceDep, request: Request, sha256: Annotated[str, Path(pattern="^[0-9a-fA-F]{64}$")]
) -> CertificateResponse | Response:
    """Return a certificate; with `Accept: application/x-pem-file` the PEM alone."""
    der = service.violations.load_certificate(bytes.fromhex(sha256))
    if der is None:
        raise not_found("certificate", sha256)
    pem = DER_cert_to_PEM_cert(der)  # also of what X.509 refuses: somebody may want to look at it
    if "application/x-pem-file" in request.headers.get("accept", ""):
        return Response(pem, media_type="application/x-pem-file")
    described = certificate_answer(read_certificate(der))
    described.pop("signature_hash", None)
    return CertificateResponse(**described, pem=pem)


@router.get("/rejections", dependencies=[CanRead], responses=describe_problems())
def list_rejections(
    service: ServiceDep,
    request: Request,
    response: Response,
    outcome: str | None = None,
    limit: LimitQuery = 50,
    cursor: IdCursor = None,
) -> Page[RejectionResponse]:
    """List rejected requests with the reason, newest first."""
    before = parse_cursor(cursor, parts=1)
    found = service.records.list_rejections(outcome=outcome, limit=limit + 1, before=before[0] if before else None)
    items = [RejectionResponse(**asdict(rejection)) for rejection in found[:limit]]
    return Page(items=items, next=link_next(request, response, _last_id(found, limit)))
