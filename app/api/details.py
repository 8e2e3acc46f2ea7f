"""Violations, certificates and single reports as the API and the pages tell of them."""

from typing import Any

from sqlalchemy import Connection, Row

from app.api.problems import not_found
from app.api.schemas import AnnotatedCertificate, ReportResponse, ViolationDetail
from app.hpkp.x509.anchors import Anchor
from app.hpkp.x509.certificate import Certificate, Element, why_unreadable
from app.service import Service, now
from app.store import violations as store
from app.store.engine import from_ms


def read_violation(connection: Connection, violation_id: int, service: Service) -> ViolationDetail:
    """Return a violation with both chains, each certificate annotated. Raises ProblemError where there is none."""
    row = store.get_violation(connection, violation_id)
    if row is None:
        raise not_found("violation", violation_id)

    def annotated(which: str) -> list[AnnotatedCertificate] | None:
        chain = store.load_chain(connection, getattr(row, f"{which}_chain"))
        if chain is None:
            return None
        return [
            _annotate(element, finding, service) for element, finding in zip(chain, row.judgement[which], strict=True)
        ]

    return ViolationDetail(
        **violation_fields(row), served_chain=annotated("served"), validated_chain=annotated("validated")
    )


def violation_fields(row: Row[Any]) -> dict[str, Any]:
    """Return the members of a violation without its chains."""
    judgement = row.judgement
    fields = {
        name: getattr(row, name)
        for name in (
            "id", "host", "hostname", "port", "noted_hostname", "include_subdomains", "mode", "sender", "sender_result",
            "cause", "known_pins", "unreadable_pins", "reports", "clients", "status", "note",
        )
    }  # fmt: skip
    judged = {
        name: judgement[name]
        for name in (
            "why", "side", "also", "notes", "locks_out", "locks_out_why", "product", "judged_chain", "anchor",
            "anchor_subject", "path_checkable", "policy_revision",
        )
    }  # fmt: skip
    times = {name: from_ms(getattr(row, name)) for name in ("first_received_at", "last_received_at", "judged_at")}
    return fields | judged | times


def _annotate(element: Element, finding: dict[str, Any], service: Service) -> AnnotatedCertificate:
    described = describe_certificate(element)
    described["public_root"] = (
        isinstance(element, Certificate) and service.known.anchor_kind(element, now()) is Anchor.PUBLIC
    )
    if element.pin is not None:
        described["ca_names"] = [f"{ca.name} ({ca.state})" for ca in service.catalog.ca_names_of(element.pin)]
        described["known_bad"] = [key.name for key in service.catalog.known_bad.get(element.pin, ())]
    return AnnotatedCertificate(**(finding | described))


def describe_certificate(element: Element) -> dict[str, Any]:
    """Return what a certificate says of itself, and what of it cannot be read."""
    described = {
        "sha256": None if element.fingerprint is None else element.fingerprint.hex(),
        "pin": None if element.pin is None else str(element.pin),
        "unreadable": why_unreadable(element),
    }
    if not isinstance(element, Certificate):
        return described
    return described | {
        "subject": element.subject,
        "issuer": element.issuer,
        "names": list(element.names),
        "serial_number": None if element.serial_number is None else f"{element.serial_number:x}",
        "not_before": element.not_before,
        "not_after": element.not_after,
        "signature_hash": element.signature_hash,
        "key": element.key_kind,
    }


def report_response(row: Row[Any], *, with_body: bool = False) -> ReportResponse:
    """Convert a single report."""
    names = (
        "id", "violation_id", "date_time_text", "effective_expiration_text", "app", "app_version", "platform",
        "platform_version", "label", "user_agent",
    )  # fmt: skip
    return ReportResponse(
        **{name: getattr(row, name) for name in names},
        received_at=from_ms(row.received_at),
        date_time=None if row.date_time is None else from_ms(row.date_time),
        body=bytes(row.body).decode("utf-8", "replace") if with_body and row.body is not None else None,
    )
