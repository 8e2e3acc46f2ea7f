"""Violations, their single reports and certificates; and what was rejected."""

from collections.abc import Sequence
from dataclasses import replace
from ssl import DER_cert_to_PEM_cert
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Row

from app.api.access import CanAdmin, CanRead, ServiceDep
from app.api.details import describe_certificate, read_violation, report_response, violation_fields
from app.api.filters import ReportFilter, ViolationFilter
from app.api.pages import LimitQuery, link_next, parse_cursor
from app.api.problems import not_found
from app.api.schemas import (
    CertificateResponse,
    Page,
    RejectionResponse,
    ReportResponse,
    StatusRequest,
    ViolationDetail,
    ViolationResponse,
    describe_problems,
)
from app.hpkp.hosts import canonical_host
from app.hpkp.x509.certificate import read_certificate
from app.service import now
from app.store import summaries
from app.store import violations as store
from app.store.engine import from_ms, writing

router = APIRouter(prefix="/api/v1", tags=["violations"])

IdPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/violations", dependencies=[CanRead], responses=describe_problems())
def list_violations(
    service: ServiceDep,
    request: Request,
    response: Response,
    narrowed: ViolationFilter,
    host: str | None = None,
    limit: LimitQuery = 50,
    cursor: str | None = None,
) -> Page[ViolationResponse]:
    """List violations, the latest reported first."""
    wanted = replace(narrowed, host=None if host is None else canonical_host(host))
    before = parse_cursor(cursor, parts=2)
    with service.engine.connect() as connection:
        rows = store.list_violations(
            connection, wanted, limit=limit + 1, before=None if before is None else (before[0], before[1])
        )
    items = [ViolationResponse(**violation_fields(row)) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    more = None if last is None else f"{last.last_received_at}.{last.id}"
    return Page(items=items, next=link_next(request, response, more))


@router.get("/violations/{violation_id}", dependencies=[CanRead], responses=describe_problems(404))
def get_violation(service: ServiceDep, violation_id: IdPath) -> ViolationDetail:
    """Return a violation with both chains, each certificate annotated and the failing one marked."""
    with service.engine.connect() as connection:
        return read_violation(connection, violation_id, service)


@router.patch("/violations/{violation_id}", dependencies=[CanAdmin], responses=describe_problems(400, 404))
def patch_violation(service: ServiceDep, violation_id: IdPath, body: StatusRequest) -> ViolationDetail:
    """Set a violation's status or note. `expected`, `ignored` and `resolved` no longer hold back the verdict."""
    with writing(service.engine) as connection:
        if not store.set_status(connection, violation_id, status=body.status, note=body.note, at=now()):
            raise not_found("violation", violation_id)
        return read_violation(connection, violation_id, service)


@router.get("/violations/{violation_id}/reports", dependencies=[CanRead], responses=describe_problems(404))
def list_reports(
    service: ServiceDep,
    request: Request,
    response: Response,
    violation_id: IdPath,
    wanted: ReportFilter,
    limit: LimitQuery = 50,
    cursor: str | None = None,
) -> Page[ReportResponse]:
    """List single reports, the newest first. Only some are kept of each day; all are counted."""
    before = parse_cursor(cursor, parts=1)
    with service.engine.connect() as connection:
        if store.get_violation(connection, violation_id) is None:
            raise not_found("violation", violation_id)
        rows = store.list_reports(
            connection, violation_id, wanted, limit=limit + 1, before=before[0] if before else None
        )
    items = [report_response(row) for row in rows[:limit]]
    return Page(items=items, next=link_next(request, response, _last_id(rows, limit)))


@router.get("/reports/{report_id}", dependencies=[CanRead], responses=describe_problems(404))
def get_report(service: ServiceDep, report_id: IdPath) -> ReportResponse:
    """Return one report, with its raw body where it is kept."""
    with service.engine.connect() as connection:
        row = store.get_report(connection, report_id)
    if row is None:
        raise not_found("report", report_id)
    return report_response(row, with_body=True)


def _last_id(rows: Sequence[Row[Any]], limit: int) -> str | None:
    return str(rows[limit - 1].id) if len(rows) > limit else None


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
    with service.engine.connect() as connection:
        der = store.get_certificate(connection, bytes.fromhex(sha256))
    if der is None:
        raise not_found("certificate", sha256)
    pem = DER_cert_to_PEM_cert(der)  # also of what X.509 refuses: somebody may want to look at it
    if "application/x-pem-file" in request.headers.get("accept", ""):
        return Response(pem, media_type="application/x-pem-file")
    described = describe_certificate(read_certificate(der))
    described.pop("signature_hash", None)
    return CertificateResponse(**described, pem=pem)


@router.get("/rejections", dependencies=[CanRead], responses=describe_problems())
def list_rejections(
    service: ServiceDep,
    request: Request,
    response: Response,
    outcome: str | None = None,
    limit: LimitQuery = 50,
    cursor: str | None = None,
) -> Page[RejectionResponse]:
    """List submissions that were not taken, the newest first: why a report is not on the dashboard."""
    before = parse_cursor(cursor, parts=1)
    with service.engine.connect() as connection:
        rows = summaries.list_rejections(
            connection, outcome=outcome, limit=limit + 1, before=before[0] if before else None
        )
    items = [RejectionResponse(**{**row._mapping, "received_at": from_ms(row.received_at)}) for row in rows[:limit]]
    return Page(items=items, next=link_next(request, response, _last_id(rows, limit)))
