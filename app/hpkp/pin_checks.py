"""What speaks against a single pin, and the form that such findings have.

::

    pin ──lint_pin(catalog)──> LintFinding(code, severity, message, fix) …
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.hpkp.catalog import CaState, Catalog
from app.hpkp.pins import Pin


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing to mend or to know."""

    code: str
    severity: Severity
    message: str
    fix: str


def lint_pin(pin: Pin, catalog: Catalog) -> Iterator[LintFinding]:
    """Say why it is a bad idea to pin this key; nothing for a key of which nothing is known."""
    if where := catalog.example_pins.get(pin):
        yield LintFinding("example_pin", Severity.ERROR, f"{pin} is nobody's key: {where}.", "Pin your own keys.")
    if keys := catalog.known_bad.get(pin):
        yield LintFinding(
            "known_bad_key",
            Severity.ERROR,
            f"{pin} is a key that is known to be compromised or misused: {'; '.join(key.name for key in keys)}.",
            "Make another key, and never pin this one.",
        )
    if portal := catalog.captive_portals.get(pin):
        yield LintFinding(
            "captive_portal_key",
            Severity.ERROR,
            f"{pin} is the key of a captive portal: {portal.name}.",
            "Pin your own keys; look from another network which one your host has.",
        )
    yield from _of_ca_key(pin, catalog)


def _of_ca_key(pin: Pin, catalog: Catalog) -> Iterator[LintFinding]:
    names = catalog.ca_names_of(pin)
    gone = [ca.name for ca in names if ca.state in (CaState.RETIRED, CaState.OLD)]
    rotating = [ca.name for ca in names if ca.state in (CaState.ACTIVE, CaState.BACKUP, CaState.PENDING)]
    if gone:
        yield LintFinding(
            "retired_ca_key",
            Severity.ERROR,
            f"{pin} is the key of {', '.join(gone)}, which issues no more.",
            "Pin your own leaf key; the CA chooses its intermediates.",
        )
    elif rotating:
        yield LintFinding(
            "rotating_ca_key",
            Severity.WARNING,
            f"{pin} is the key of {', '.join(rotating)}: the CA changes its intermediates without asking you.",
            "Pin your own leaf key, and keep a Backup Pin that is no CA's.",
        )
