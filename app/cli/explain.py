"""``hpkp explain``: why a violation happened, in plain words, for a report in a file or a violation in the store."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from app.answers.judgements import certificate_finding_answer, judgement_answer
from app.catalog import load_known_certificates
from app.catalog.load import load_catalog
from app.cli.policy import read_expected_pins
from app.cli.terminal import JsonOption, fail, opened, out, print_json, print_tree, read_settings
from app.hpkp.judgement.judge import CertificateFinding, Judgement, judge
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509.certificate import Certificate, Chain, Element
from app.senders import CertificateReader, Unreadable, read_report
from app.service import now
from app.settings import Settings
from app.store.engine import exists

_LOCKS_OUT = {True: "yes", False: "no", None: "cannot tell"}


def explain(
    what: Annotated[
        str, typer.Argument(help="A file with a report (- is standard input), or the number of a violation.")
    ],
    pins: Annotated[
        list[str] | None,
        typer.Option("--pin", help="Expected pin, or PIN=LABEL, in place of the policy in the store; for each key."),
    ] = None,
    header: Annotated[str | None, typer.Option(help="The value of a header with the expected pins, instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a report: what happened, why, whose matter it is, and whether enforcing locks this client out.

    A file is judged against the pins given, else against the policies in the store; nothing is stored.
    """
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
        _print(host, report, judgement)


def _of_file(name: str) -> ViolationReport:
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
        fail(f"there is no violation {violation_id}")
    return report


def _policy_of_store(settings: Settings, report: ViolationReport) -> tuple[str, PolicyHistory]:
    """Find the policy that speaks for a report; a store that does not exist is not made for it."""
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
            certificate_finding_answer(finding) | {"subject": _subject(element)}
            for element, finding in zip(chain or (), findings, strict=True)
        ]
        for which, (chain, findings) in chains.items()
    }
    said = {"host": host, "hostname": report.hostname, "sender": report.sender}
    return said | judgement_answer(judgement) | answered


def _print(host: str, report: ViolationReport, judgement: Judgement) -> None:
    out.print(f"{judgement.cause}", markup=False, style="bold")
    out.print(judgement.why, markup=False)
    out.print(f"\nHost          {report.hostname}, counted under {host}", markup=False)
    out.print(f"Sender        {report.sender}, mode {report.mode or 'not stated'}", markup=False)
    out.print(f"Whose matter  {judgement.side.replace('_', ' ')}", markup=False)
    out.print(f"Locks out     {_LOCKS_OUT[judgement.locks_out]}: {judgement.locks_out_why}", markup=False)
    if judgement.policy_revision is None:
        out.print("Policy        none in force for this host", markup=False)
    if judgement.product:
        out.print(f"Product       {judgement.product}", markup=False)
    for reason in judgement.also:
        out.print(f"Also          {reason.cause}: {reason.why}", markup=False)
    for note in judgement.notes:
        out.print(f"Note          {note}", markup=False)
    for which, chain in (("served", report.served_chain), ("validated", report.validated_chain)):
        if chain is not None:
            tree = _tree(which, chain, getattr(judgement, which), judged=judgement.judged_chain == which)
            print_tree(tree)
    if report.known_pins:
        out.print("\nKnown pins: " + ", ".join(map(str, report.known_pins)), markup=False)


def _tree(which: str, chain: Chain, findings: tuple[CertificateFinding, ...], *, judged: bool) -> Tree:
    """Draw a chain from the top of its path down to the leaf; what no signature joins to the leaf stands apart."""
    tree = Tree(f"\n[bold]{which} chain[/bold]{' (judged)' if judged else ''}")
    joined = [finding for finding in findings if finding.on_path]
    apart = [finding for finding in findings if not finding.on_path]
    branch = tree
    for finding in reversed(joined):
        branch = branch.add(_line(chain[finding.position], finding))
    if apart:
        other = tree.add("[dim]not joined to the leaf[/dim]")
        for finding in apart:
            other.add(_line(chain[finding.position], finding))
    return tree


def _line(element: Element, finding: CertificateFinding) -> str:
    marks = [
        text
        for holds, text in (
            (finding.in_expected_pins, "[green]expected pin[/green]"),
            (finding.in_known_pins, "[cyan]known pin[/cyan]"),
            (finding.in_former_pins, "[yellow]former pin[/yellow]"),
            (finding.own_key and not finding.in_expected_pins, "[yellow]own key[/yellow]"),
            (finding.failing, "[bold red]look here[/bold red]"),
        )
        if holds
    ]
    if not (finding.in_expected_pins or finding.in_known_pins):
        marks.insert(0, "[dim]neither known nor expected[/dim]")
    pin = "no pin" if element.pin is None else str(element.pin)
    return f"{finding.position}  {escape(_subject(element))}\n   {escape(pin)}\n   {', '.join(marks)}"


def _subject(element: Element) -> str:
    return element.subject if isinstance(element, Certificate) else f"unreadable: {element.reason}"
