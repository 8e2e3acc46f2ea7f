"""One violation as an incident: what happened, what to do first, whom it affects, and the evidence in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ssl import DER_cert_to_PEM_cert
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.answers.violations import violation_detail_answer
from app.api.access import CallerDep, CanRead, ServiceDep
from app.api.details import read_report
from app.api.pages import parse_cursor
from app.api.problems import not_found
from app.api.violations import IdPath
from app.hpkp.errors import InvalidPin
from app.hpkp.judgement.causes import Impact, impact_of
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import PinningPolicy
from app.hpkp.readiness.ignore_rules import FEW
from app.hpkp.violation_status import MEANINGS, OPEN
from app.hpkp.what_if import WhatIf
from app.service import Service, now
from app.store.read.filters import Filter
from app.usecases.readiness import Standing
from app.usecases.violations import AnnotatedCertificate, ViolationDetail
from app.web.certificate_facts import decode, write_chain
from app.web.chart import Chart, draw, interval_of
from app.web.forms import ChangeForm
from app.web.rendering import HEADERS, render
from app.web.steps import write_steps
from app.web.violation_list import LONGEST_NOTE, STATUSES, read_status

router = APIRouter(dependencies=[CanRead])

_PER_PAGE = 20
_SHOWN_OF_BODY = 65_536
_LEAST_SHOWN = timedelta(hours=12)
_REPLAYED = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Replay:
    """What the host's reports say of its policy with one more pin; ``outcome`` is None without a policy."""

    pin: Pin
    outcome: WhatIf | None
    replayed: timedelta = _REPLAYED


@router.get("/violations/{violation_id}")
def show_violation(
    request: Request,
    service: ServiceDep,
    violation_id: IdPath,
    cursor: str | None = None,
    done: Annotated[str, Query(max_length=20)] = "",
    replay: Annotated[str, Query(max_length=120)] = "",
) -> Response:
    """Show a violation; with ``replay``, what one more pin would have done with what was reported for the host."""
    at = now()
    found = service.violations.find(violation_id, at=at)
    before = parse_cursor(cursor, parts=1)
    reports = service.violations.list_reports(
        violation_id, Filter(), limit=_PER_PAGE + 1, before=before[0] if before else None
    )
    if found is None or reports is None:
        raise not_found("violation", violation_id)
    violation = found.violation
    hourly = interval_of(violation.first_received_at, violation.last_received_at) == "hour"
    affected = service.violations.find_affected(violation_id, hourly=hourly)
    policy = service.policies.in_force(violation.host, at=at)
    standing = service.readiness.find_standing([violation.host], at=at)
    live = service.last_probes.find(violation.host, until=at)
    sha256s = [{one.element.fingerprint for one in chain or ()} for chain in (found.served, found.validated)]
    impact = impact_of(violation.judgement.cause, locks_out=violation.judgement.locks_out)
    return render(
        request,
        "violation.html",
        violation=violation_detail_answer(found, standing),
        chains=_order_chains(found),
        in_both={one.hex() for one in sha256s[0] & sha256s[1] if one} if found.served and found.validated else None,
        facts=_decode_all(found),
        impact=impact,
        impact_text=_describe_impact(impact, found, standing, policy),
        steps=write_steps(found, live, policy),
        policy=policy,
        affected=affected,
        networks_are_more=affected.networks >= FEW,
        chart=_draw(affected.series, violation.last_received_at),
        replay=_replay(service, found, policy, replay, at=at),
        statuses=STATUSES,
        status_meanings={str(status): meaning for status, meaning in MEANINGS.items()},
        longest_note=LONGEST_NOTE,
        done=done == "saved",
        reports=reports[:_PER_PAGE],
        more=reports[_PER_PAGE - 1].id if len(reports) > _PER_PAGE else None,
        cursor=cursor,
    )


def _order_chains(found: ViolationDetail) -> list[tuple[str, str, Sequence[AnnotatedCertificate]]]:
    """Return the chains that have certificates, the evaluated one first."""
    named = [("Validated", "validated", found.validated or ()), ("Served", "served", found.served or ())]
    judged = found.violation.judgement.judged_chain
    return sorted((one for one in named if one[2]), key=lambda one: one[1] != judged)


def _decode_all(found: ViolationDetail) -> dict[str, object]:
    """Decode the certificates of both chains, each once, by its SHA-256."""
    elements = [one.element for chain in (found.validated, found.served) for one in chain or ()]
    return {element.fingerprint.hex(): decode(element) for element in elements if element.fingerprint is not None}


def _describe_impact(impact: Impact, found: ViolationDetail, standing: Standing, policy: PinningPolicy | None) -> str:
    """Say what a violation does to the verdict, and if nothing, why."""
    violation = found.violation
    if policy is None:
        return "none (no policy)"
    if violation.id in standing.left_out:
        return "excluded: you ignore reports of this cause from the same networks"
    if violation.id not in standing.counting:
        return "none" + (f" (status {violation.status})" if violation.status not in OPEN else " (not counted now)")
    return {Impact.BLOCKER: "blocker", Impact.WARNING: "warning", Impact.INFO: "none, for information"}[impact]


def _draw(series: Sequence[tuple[datetime, int]], last: datetime) -> Chart | None:
    if not series:
        return None
    since = min(series[0][0], last - _LEAST_SHOWN)
    return draw(((time, "", reports) for time, reports in series), since=since, until=last)


def _replay(
    service: Service, found: ViolationDetail, policy: PinningPolicy | None, text: str, *, at: datetime
) -> Replay | None:
    """Replay the host's reports under the policy in force and one more pin; None if no pin is asked for."""
    if not text:
        return None
    try:
        pin = parse_pin(text)
    except InvalidPin:
        return None
    if policy is None:
        return Replay(pin, None)
    pins = dict.fromkeys((*(expected.pin for expected in policy.pins), pin))
    outcome = service.what_if.replay(policy.host, pins, policy.own_keys, since=at - _REPLAYED, at=at)
    return Replay(pin, outcome)


@router.post("/violations/{violation_id}")
def set_status(service: ServiceDep, violation_id: IdPath, caller: CallerDep, form: ChangeForm) -> Response:
    """Set status and note, and lead back to the violation."""
    status, note = read_status(form)
    if service.violations.set_status(violation_id, status=status, note=note, at=now(), actor=caller.name) is None:
        raise not_found("violation", violation_id)
    return RedirectResponse(f"/violations/{violation_id}?done=saved", 303, headers=HEADERS)


@router.get("/violations/{violation_id}/{which}.pem")
def download_chain(service: ServiceDep, violation_id: IdPath, which: Literal["served", "validated"]) -> Response:
    """Download a chain in PEM, as it was sent."""
    found = service.violations.find(violation_id, at=now())
    chain = None if found is None else {"served": found.served, "validated": found.validated}[which]
    if not chain:
        raise not_found(f"{which} chain of violation", violation_id)
    pem = write_chain(one.element for one in chain)
    return _download(pem, f"violation-{violation_id}-{which}.pem", "application/x-pem-file")


@router.get("/reports/{report_id}")
def show_report(request: Request, service: ServiceDep, report_id: IdPath) -> Response:
    """Show one report with its raw body, or the beginning of it."""
    report = read_report(service, report_id)
    body = report.body or ""
    return render(request, "report.html", report=report, body=body[:_SHOWN_OF_BODY], cut=len(body) > _SHOWN_OF_BODY)


@router.get("/reports/{report_id}/body")
def download_body(service: ServiceDep, report_id: IdPath) -> Response:
    """Download the raw body of a report."""
    body = read_report(service, report_id).body
    if body is None:
        raise not_found("raw body of report", report_id)
    return _download(body, f"report-{report_id}.json", "application/json")


@router.get("/certificates/{sha256}.pem")
def download_certificate(service: ServiceDep, sha256: Annotated[str, Path(pattern="^[0-9a-fA-F]{64}$")]) -> Response:
    """Download a certificate in PEM."""
    der = service.violations.load_certificate(bytes.fromhex(sha256))
    if der is None:
        raise not_found("certificate", sha256)
    return _download(DER_cert_to_PEM_cert(der), f"{sha256[:16].lower()}.pem", "application/x-pem-file")


def _download(text: str, name: str, media_type: str) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=media_type, headers=HEADERS | disposition)
