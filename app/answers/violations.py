"""Violations, with their chains, and their single reports."""

from collections.abc import Iterable
from typing import Any

from app.answers.certificates import certificate_answer
from app.answers.judgements import certificate_finding_answer, judgement_answer
from app.store.read.single_reports import SingleReport
from app.store.read.violations import Violation
from app.usecases.readiness import Standing
from app.usecases.violations import AnnotatedCertificate, ViolationDetail


def violation_answer(violation: Violation, standing: Standing) -> dict[str, Any]:
    """Return a violation without its chains."""
    return judgement_answer(violation.judgement) | {
        "id": violation.id,
        "host": violation.host,
        "hostname": violation.hostname,
        "port": violation.port,
        "noted_hostname": violation.noted_hostname,
        "include_subdomains": violation.include_subdomains,
        "mode": violation.mode,
        "sender": violation.sender,
        "sender_result": violation.sender_result,
        "cause": violation.cause,
        "known_pins": list(violation.known_pins),
        "unreadable_pins": list(violation.unreadable_pins),
        "reports": violation.reports,
        "clients": violation.clients,
        "first_received_at": violation.first_received_at,
        "last_received_at": violation.last_received_at,
        "judged_at": violation.judged_at,
        "status": violation.status,
        "note": violation.note,
        "counts": violation.id in standing.counting,
        "left_out": violation.id in standing.left_out,
    }


def violation_detail_answer(detail: ViolationDetail, standing: Standing) -> dict[str, Any]:
    """Return a violation with both chains."""
    return violation_answer(detail.violation, standing) | {
        "served_chain": _chain(detail.served),
        "validated_chain": _chain(detail.validated),
    }


def _chain(chain: Iterable[AnnotatedCertificate] | None) -> list[dict[str, Any]] | None:
    return None if chain is None else [_certificate(certificate) for certificate in chain]


def _certificate(annotated: AnnotatedCertificate) -> dict[str, Any]:
    return {
        **certificate_finding_answer(annotated.finding),
        **certificate_answer(annotated.element),
        "public_root": annotated.public_root,
        "ca_names": list(annotated.ca_names),
        "known_bad": list(annotated.known_bad),
    }


def report_answer(report: SingleReport, body: bytes | None = None) -> dict[str, Any]:
    """Return a single report, with its raw body as text if it is given."""
    return {
        "id": report.id,
        "violation_id": report.violation_id,
        "received_at": report.received_at,
        "date_time": report.date_time,
        "date_time_text": report.date_time_text,
        "effective_expiration_text": report.effective_expiration_text,
        "app": report.app,
        "app_version": report.app_version,
        "platform": report.platform,
        "platform_version": report.platform_version,
        "label": report.label,
        "user_agent": report.user_agent,
        "body": None if body is None else body.decode("utf-8", "replace"),
    }
