"""A judgement as text: what happened, why, and where each certificate is in its chain; for a report or a violation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rich.markup import escape
from rich.tree import Tree

from app.cli.terminal import out, print_tree
from app.hpkp.judgement.causes import ATTRIBUTION_TEXTS, CAUSES
from app.hpkp.judgement.judge import CertificateFinding, Judgement
from app.hpkp.x509.certificate import Certificate, Element

if TYPE_CHECKING:
    from app.hpkp.pins import Pin

_LOCKS_OUT = {True: "yes", False: "no", None: "unknown"}


class Reported(Protocol):
    """What is printed of a report, which a stored violation has as well."""

    @property
    def hostname(self) -> str:
        """The host that the client connected to."""

    @property
    def sender(self) -> str:
        """The sender, by the form of the report."""

    @property
    def mode(self) -> str | None:
        """``report-only`` or ``enforce``, if the sender states it."""

    @property
    def known_pins(self) -> Sequence[Pin] | Sequence[str]:
        """The pins that the client knew."""


def print_judgement(
    reported: Reported,
    judgement: Judgement,
    *,
    host: str,
    served: Sequence[Element] | None,
    validated: Sequence[Element] | None,
) -> None:
    """Print a judgement with both chains, each drawn from the top of its path down to the leaf.

    ``host`` is the one whose policy was applied; a chain is None if the sender sent none.
    """
    out.print(f"{CAUSES[judgement.cause].title}    {judgement.cause}", markup=False, style="bold")
    out.print(judgement.why, markup=False)
    counted = "" if host == reported.hostname else f" (policy of {host})"
    out.print(f"\nHost              {reported.hostname}{counted}", markup=False)
    out.print(f"Sender            {reported.sender}, {reported.mode or 'mode not sent'}", markup=False)
    out.print(f"Attributed to     {ATTRIBUTION_TEXTS[judgement.side]}", markup=False)
    out.print(f"Locks out client  {_LOCKS_OUT[judgement.locks_out]}: {judgement.locks_out_why}", markup=False)
    if judgement.policy_revision is None:
        out.print("Policy            none for this host", markup=False)
    if judgement.product:
        out.print(f"Product           {judgement.product}", markup=False)
    for reason in judgement.also:
        out.print(f"Other cause       {CAUSES[reason.cause].title}: {reason.why}", markup=False)
    for note in judgement.notes:
        out.print(f"Note              {note}", markup=False)
    for which, chain in (("served", served), ("validated", validated)):
        if chain is not None:
            tree = _tree(which, chain, getattr(judgement, which), judged=judgement.judged_chain == which)
            print_tree(tree)
    if reported.known_pins:
        out.print("\nKnown pins: " + ", ".join(map(str, reported.known_pins)), markup=False)


def _tree(which: str, chain: Sequence[Element], findings: tuple[CertificateFinding, ...], *, judged: bool) -> Tree:
    """Draw a chain from the top of its path down to the leaf; what no signature joins to the leaf stands apart."""
    tree = Tree(f"\n[bold]{which} chain[/bold]{' (evaluated)' if judged else ''}")
    joined = [finding for finding in findings if finding.on_path]
    apart = [finding for finding in findings if not finding.on_path]
    branch = tree
    for finding in reversed(joined):
        branch = branch.add(_line(chain[finding.position], finding))
    if apart:
        other = tree.add("[dim]not on the path[/dim]")
        for finding in apart:
            other.add(_line(chain[finding.position], finding))
    return tree


def _line(element: Element, finding: CertificateFinding) -> str:
    marks = [
        text
        for holds, text in (
            (finding.in_expected_pins, "[green]expected pin[/green]"),
            (finding.in_known_pins, "[cyan]known pin[/cyan]"),
            (finding.in_former_pins, "[yellow]previously pinned[/yellow]"),
            # A key that was pinned before may be a CA's.
            (
                finding.own_key and not (finding.in_expected_pins or finding.in_former_pins),
                "[yellow]your key[/yellow]",
            ),
            (finding.failing, "[bold red]start here[/bold red]"),
        )
        if holds
    ]
    if not (finding.in_expected_pins or finding.in_known_pins):
        marks.insert(0, "[dim]not pinned[/dim]")
    pin = "no pin" if element.pin is None else str(element.pin)
    return f"{finding.position}  {escape(subject_text(element))}\n   {escape(pin)}\n   {', '.join(marks)}"


def subject_text(element: Element) -> str:
    """Return the subject of a certificate, or why it cannot be read."""
    return element.subject if isinstance(element, Certificate) else f"unreadable: {element.reason}"
