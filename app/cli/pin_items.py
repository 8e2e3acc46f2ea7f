"""What ``hpkp pin`` found, and how it is shown: as text and as JSON."""

from dataclasses import dataclass
from typing import Any

from app.answers.findings import lint_answer
from app.answers.keys import key_answer
from app.cli.findings import STYLE
from app.cli.terminal import out
from app.hpkp.findings import Finding, Severity
from app.hpkp.key_description import KeyDescription, Validity
from app.hpkp.x509.anchors import Anchor
from app.hpkp.x509.lineage import State

_STORE = {
    Anchor.PUBLIC: "in the public store",
    Anchor.OPERATOR: "among your own, HPKP_TRUST_ANCHORS",
    Anchor.FORMER_PUBLIC: "no longer in the public store",
}
_NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class LineagePlace:
    """Where in a lineage a key was found. An intermediate has no state, and may be of several generations."""

    name: str
    generations: tuple[int, ...]
    state: State | None = None
    key_reused: bool | None = None
    """Whether the generation has the key of the one before; None where that is not known."""
    belong_together: bool | None = None
    """Whether the generation's files are of one key; None where there are not two."""
    first: bool = False
    """Whether it is the first of its generation, or of the intermediates, and so stands below a heading."""
    same_pin_as_above: bool = False


@dataclass(frozen=True, slots=True)
class PinItem:
    """One key and where it was found: the file (or whatever the argument named), and its position there from 0."""

    source: str
    position: int
    description: KeyDescription
    lineage: LineagePlace | None = None
    further: tuple[Finding, ...] = ()
    """What is to be said of this place beside what is said of the key."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is to be said."""
        return (*self.further, *self.description.findings)

    @property
    def contradicts_itself(self) -> bool:
        """Whether the place holds what does not belong together."""
        return any(finding.severity is Severity.BLOCKER for finding in self.further)


def serialize(item: PinItem) -> dict[str, Any]:
    """Return the item as plain JSON values; what a key of its kind does not have is left out."""
    return {
        "file": item.source,
        "position": item.position,
        **key_answer(item.description),
        "findings": lint_answer(item.findings),
        **(_plain_place(item.lineage) if item.lineage else {}),
    }


def _plain_place(place: LineagePlace) -> dict[str, Any]:
    if place.state is None:
        return {"lineage": place.name, "generations": list(place.generations)}
    return {
        "lineage": place.name,
        "generation": next(iter(place.generations), None),
        "state": place.state,
        "key_reused": place.key_reused,
        "belong_together": place.belong_together,
    }


def print_item(item: PinItem) -> None:
    """Print the item: its pin as a header wants it, and below it what is known."""
    described, key = item.description, item.description.key
    if item.lineage and item.lineage.first:
        _print_heading(item.lineage)
    if item.lineage and item.lineage.same_pin_as_above:
        _line("same pin", f"{key.kind} {item.source}")
        return
    out.print(key.pin.directive, markup=False, style="bold")
    out.print(f"  {key.kind} {item.position} of {item.source}", markup=False)
    if key.subject:
        _line("subject", key.subject)
    if certificate := key.certificate:
        _line("issuer", certificate.issuer)
        outside = "" if described.validity in (None, Validity.VALID) else f", {str(described.validity).upper()}"
        _line("valid", certificate.validity_text + outside)
    if key.names:
        more = len(key.names) - _NAMES_SHOWN
        _line("names", ", ".join(key.names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else ""))
    if described.role:
        _line("role", described.role)
    if described.ca_names:
        _line("CA", ", ".join(f"{ca.name} ({ca.state})" for ca in described.ca_names))
    if described.root_store:
        _line("root", _STORE[described.root_store])
    for finding in item.findings:
        print_finding(finding)
    if item.lineage and item.lineage.state is None and item.lineage.generations:
        _line("chain of", f"generation {', '.join(map(str, item.lineage.generations))}")
    if key.note:
        _line("note", key.note)


def _print_heading(place: LineagePlace) -> None:
    if place.state is None:
        out.print(f"\n{place.name}, intermediates", markup=False, style="bold underline")
        return
    reused = {True: ", the key of the generation before", False: ", a new key", None: ""}[place.key_reused]
    number = f", generation {place.generations[0]}" if place.generations else ""
    out.print(f"\n{place.name}{number}: {place.state}{reused}", markup=False, style="bold underline")


def print_finding(finding: Finding) -> None:
    """Print why something is a bad idea, and what to do."""
    _line(finding.severity.in_lint, f"{finding.message} {finding.fix}", style=STYLE[finding.severity])


def _line(label: str, text: str, *, style: str | None = None) -> None:
    out.print(f"  {label:8} {text}", markup=False, style=style)
