"""``hpkp explain``: why a violation happened, in plain words, for a report in a file or a violation in the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.answers.judgements import certificate_finding_answer, judgement_answer
from app.cli.judgement_text import print_judgement, subject_text
from app.cli.policy import read_expected_pins
from app.cli.terminal import JsonOption, fail, opened, print_json, read_settings
from app.clock import now
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport

if TYPE_CHECKING:
    from app.settings import Settings


def explain(
    what: Annotated[str, typer.Argument(help="File with a report (- is standard input), or the ID of a violation.")],
    pins: Annotated[
        list[str] | None,
        typer.Option("--pin", help="Expected pin, or PIN=LABEL, in place of the policy in the store; for each key."),
    ] = None,
    header: Annotated[str | None, typer.Option(help="The value of a header with the expected pins, instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a report or violation: cause and lockout.

    A file is judged against the pins given, else against the policies in the store; nothing is stored.
    """
    from app.catalog import load_known_certificates
    from app.catalog.load import load_catalog

    settings = read_settings()
    try:
        given = read_expected_pins(pins, [], header)
        report = _of_store(settings, int(what)) if what.isdigit() else _of_file(what)
        if given:
            policy = PinningPolicy(host=report.noted_hostname or report.hostname, pins=given)
            host, history = str(policy.host), PolicyHistory((policy,))
        else:
            host, history = _policy_of_store(settings, report)
        known = load_known_certificates(settings.trust_anchors, settings.known_certificates)
        catalog = load_catalog(settings.catalog)
    except (OSError, ValueError) as error:
        fail(str(error))
    at = now()
    judgement = judge(report, history, known, catalog, received_at=at, at=at)
    if as_json:
        print_json(_plain(host, report, judgement))
    else:
        print_judgement(report, judgement, host=host, served=report.served_chain, validated=report.validated_chain)


def _of_file(name: str) -> ViolationReport:
    from app.senders import CertificateReader, Unreadable, read_report

    try:
        body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        fail(f"{name}: {error.strerror}")
    report = read_report(body, certificates=CertificateReader())
    if isinstance(report, Unreadable):
        place = f" at {report.pointer}" if report.pointer else ""
        fail(f"{name}: {report.outcome}{place}: {report.reason}")
    return report


def _of_store(settings: Settings, violation_id: int) -> ViolationReport:
    with opened(settings) as service:
        report = service.violations.load_report(violation_id) if violation_id < 2**63 else None
    if report is None:
        fail(f"violation {violation_id} not found")
    return report


def _policy_of_store(settings: Settings, report: ViolationReport) -> tuple[str, PolicyHistory]:
    """Find the policy that speaks for a report; a store that does not exist is not made for it."""
    from app.store.engine import exists

    if not exists(settings.database_url):
        return report.hostname, PolicyHistory(())
    with opened(settings) as service:
        return service.policies.find_for_report(report)


def _plain(host: str, report: ViolationReport, judgement: Judgement) -> dict[str, Any]:
    chains = {
        "served": (report.served_chain, judgement.served),
        "validated": (report.validated_chain, judgement.validated),
    }
    answered = {
        which: [
            certificate_finding_answer(finding) | {"subject": subject_text(element)}
            for element, finding in zip(chain or (), findings, strict=True)
        ]
        for which, (chain, findings) in chains.items()
    }
    said = {"host": host, "hostname": report.hostname, "sender": report.sender}
    return said | judgement_answer(judgement) | answered
