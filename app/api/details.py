"""Violations and single reports as the API answers with them and the pages show them."""

from app.answers.violations import report_answer, violation_detail_answer
from app.api.problems import not_found
from app.api.schemas import ReportResponse, ViolationDetail
from app.service import Service, now
from app.usecases.violations import ViolationDetail as FoundViolation


def read_violation(service: Service, violation_id: int) -> ViolationDetail:
    """Return a violation with both chains, each certificate annotated. Raises ProblemError if there is none."""
    found = service.violations.find(violation_id, at=now())
    if found is None:
        raise not_found("violation", violation_id)
    return answer_violation(service, found)


def answer_violation(service: Service, found: FoundViolation) -> ViolationDetail:
    """Answer with a violation, and whether it counts."""
    standing = service.readiness.find_standing([found.violation.host], at=now())
    return ViolationDetail(**violation_detail_answer(found, standing))


def read_report(service: Service, report_id: int) -> ReportResponse:
    """Return a single report with its raw body. Raises ProblemError if there is none."""
    found = service.violations.find_report(report_id)
    if found is None:
        raise not_found("report", report_id)
    return ReportResponse(**report_answer(*found))
