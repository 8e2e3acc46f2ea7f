"""What ``hpkp pin`` found, and how it is shown: as text and as JSON."""

from dataclasses import dataclass
from typing import Any

from app.cli.terminal import out
from app.hpkp.chain import Anchor
from app.hpkp.description import KeyDescription, Validity
from app.hpkp.pin_lint import LintFinding, Severity

_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
_STORE = {Anchor.PUBLIC: "in the public store", Anchor.OPERATOR: "among your own, HPKP_TRUST_ANCHORS"}
_NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PinItem:
    """One key and where it was found: the file (or whatever the argument named), and its position there from 0."""

    source: str
    position: int
    description: KeyDescription


def as_plain(item: PinItem) -> dict[str, Any]:
    """Return the item as plain JSON values; what a key of its kind does not have is left out."""
    described, key = item.description, item.description.key
    plain: dict[str, Any] = {
        "file": item.source,
        "position": item.position,
        "kind": key.kind,
        "pin": str(key.pin),
        "ca_names": [f"{ca.name} ({ca.state})" for ca in described.ca_names],
        "findings": [_plain_finding(finding) for finding in described.findings],
    }
    if key.subject or key.names:
        plain |= {"subject": key.subject, "names": list(key.names)}
    if certificate := key.certificate:
        plain |= {
            "issuer": certificate.issuer,
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
            "validity": described.validity,
            "role": described.role,
            "public_root": described.root_store is Anchor.PUBLIC,
            "sha256": certificate.fingerprint.hex(),
        }
    return plain | ({"note": key.note} if key.note else {})


def _plain_finding(finding: LintFinding) -> dict[str, Any]:
    return {"code": finding.code, "severity": finding.severity, "message": finding.message, "fix": finding.fix}


def print_item(item: PinItem) -> None:
    """Print the item: its pin as a header wants it, and below it what is known."""
    described, key = item.description, item.description.key
    out.print(key.pin.directive, markup=False, style="bold")
    out.print(f"  {key.kind} {item.position} of {item.source}", markup=False)
    if key.subject:
        _line("subject", key.subject)
    if certificate := key.certificate:
        _line("issuer", certificate.issuer)
        outside = "" if described.validity is Validity.VALID else f", {str(described.validity).upper()}"
        _line("valid", f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}{outside}")
    if key.names:
        more = len(key.names) - _NAMES_SHOWN
        _line("names", ", ".join(key.names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else ""))
    if described.role:
        _line("role", described.role)
    if described.ca_names:
        _line("CA", ", ".join(f"{ca.name} ({ca.state})" for ca in described.ca_names))
    if described.root_store:
        _line("root", _STORE[described.root_store])
    for finding in described.findings:
        print_finding(finding)
    if key.note:
        _line("note", key.note)


def print_finding(finding: LintFinding) -> None:
    """Print why something is a bad idea, and what to do."""
    _line(finding.severity, f"{finding.message} {finding.fix}", style=_STYLE[finding.severity])


def _line(label: str, text: str, *, style: str | None = None) -> None:
    out.print(f"  {label:8} {text}", markup=False, style=style)
