"""One violation: both chains side by side, why it happened, what came in, and what the operator says of it."""

from collections.abc import Sequence
from ssl import DER_cert_to_PEM_cert
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import CanRead, ServiceDep
from app.api.details import read_report, read_violation
from app.api.pages import parse_cursor
from app.api.problems import ProblemError, not_found
from app.api.schemas import ViolationDetail
from app.api.violations import IdPath
from app.hpkp.judgement.causes import BEARING
from app.hpkp.violation_status import MEANINGS
from app.service import now
from app.store.read.filters import Filter
from app.store.read.single_reports import SingleReport
from app.web.forms import ChangeForm
from app.web.host import STATUSES
from app.web.rendering import HEADERS, render

router = APIRouter(dependencies=[CanRead])

_PER_PAGE = 20
_LONGEST_NOTE = 4000
_SHOWN_OF_BODY = 65_536


@router.get("/violations/{violation_id}")
def show_violation(
    request: Request, service: ServiceDep, violation_id: IdPath, cursor: str | None = None, done: str = ""
) -> Response:
    """Show a violation with its single reports, the newest first."""
    found = read_violation(service, violation_id)
    before = parse_cursor(cursor, parts=1)
    reports = service.violations.list_reports(
        violation_id, Filter(), limit=_PER_PAGE + 1, before=before[0] if before else None
    )
    if reports is None:
        raise not_found("violation", violation_id)
    return _show(
        request,
        found,
        done=done == "saved",
        reports=reports[:_PER_PAGE],
        more=reports[_PER_PAGE - 1].id if len(reports) > _PER_PAGE else None,
    )


def _show(
    request: Request, found: ViolationDetail, *, done: bool, reports: Sequence[SingleReport], more: int | None
) -> Response:
    served, validated = found.served_chain, found.validated_chain
    prints = [{certificate.sha256 for certificate in chain or ()} for chain in (served, validated)]
    return render(
        request,
        "violation.html",
        violation=found,
        chains=[("Served", "served", served), ("Validated", "validated", validated)],
        in_both=prints[0] & prints[1] if served and validated else None,
        bearing=BEARING[found.cause],
        statuses=STATUSES,
        status_meanings={str(status): meaning for status, meaning in MEANINGS.items()},
        longest_note=_LONGEST_NOTE,
        done=done,
        reports=reports,
        more=more,
    )


@router.post("/violations/{violation_id}")
def set_status(service: ServiceDep, violation_id: IdPath, form: ChangeForm) -> Response:
    """Set status and note, and lead back to the violation."""
    status, note = form["status"], form["note"]
    if status not in STATUSES:
        raise ProblemError(422, "Not a status", f"A status is one of {', '.join(STATUSES)}.")
    if len(note) > _LONGEST_NOTE:
        raise ProblemError(422, "Note too long", f"A note has at most {_LONGEST_NOTE} characters.")
    if service.violations.set_status(violation_id, status=status, note=note, at=now()) is None:
        raise not_found("violation", violation_id)
    return RedirectResponse(f"/violations/{violation_id}?done=saved", 303, headers=HEADERS)


@router.get("/reports/{report_id}")
def show_report(request: Request, service: ServiceDep, report_id: IdPath) -> Response:
    """Show one report with its raw body, or the beginning of it."""
    report = read_report(service, report_id)
    body = report.body or ""
    return render(request, "report.html", report=report, body=body[:_SHOWN_OF_BODY], cut=len(body) > _SHOWN_OF_BODY)


@router.get("/reports/{report_id}/body")
def download_body(service: ServiceDep, report_id: IdPath) -> Response:
    """Give the raw body of a report, for keeping and not for showing."""
    body = read_report(service, report_id).body
    if body is None:
        raise not_found("raw body kept of report", report_id)
    return _download(body, f"report-{report_id}.json", "application/json")


@router.get("/certificates/{sha256}.pem")
def download_certificate(service: ServiceDep, sha256: Annotated[str, Path(pattern="^[0-9a-fA-F]{64}$")]) -> Response:
    """Give a certificate in PEM."""
    der = service.violations.load_certificate(bytes.fromhex(sha256))
    if der is None:
        raise not_found("certificate", sha256)
    return _download(DER_cert_to_PEM_cert(der), f"{sha256[:16].lower()}.pem", "application/x-pem-file")


def _download(text: str, name: str, media_type: str) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=media_type, headers=HEADERS | disposition)
