"""Pins in the forms of apps: shown as text, and written for ``hpkp pin --for`` and ``hpkp app config``."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import typer

from app.answers.findings import lint_answer
from app.app_configs.limits import MAX_BYTES
from app.app_configs.writers import write_config
from app.catalog.load import load_catalog
from app.cli.findings import STYLE
from app.cli.terminal import NO, err, fail, out, print_json, read_settings
from app.clock import now
from app.hpkp.app_pins.convert import differences
from app.hpkp.app_pins.forms import FORMS, ExpiryRule, Form, PinMode, Scope
from app.hpkp.app_pins.lint import LintContext, lint_release
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.errors import CannotExpress
from app.hpkp.findings import Finding, Severity

_SCOPE = {
    Scope.EXACT: "",
    Scope.ONE_LABEL: ", only names one label below it",
    Scope.NAME_AND_ONE_LABEL: " and names one label below it",
    Scope.NAME_AND_BELOW: " and all names below it",
}
_MODE = {PinMode.ENFORCE: "enforced", PinMode.MONITOR: "only reported", PinMode.EXCLUDE: "not pinned"}
_UNTIL = {
    ExpiryRule.UTC_START: "0:00 UTC",
    ExpiryRule.UTC_END: "24:00 UTC",
    ExpiryRule.DEVICE_START: "0:00 device time",
    None: "",
}
LONGEST_FILE = MAX_BYTES + 1
"""Bytes that are read of a file: one more than is accepted, so that a longer one is recognized."""


def lint_context(*, shipped_at: datetime | None = None) -> LintContext:
    """Return what pins of apps are checked with."""
    return LintContext(load_catalog(read_settings().catalog), now(), shipped_at=shipped_at)


def scope_for(form: Form, *, include_subdomains: bool) -> Scope:
    """Return the widest scope of the form that means subdomains; ATS has them one label deep."""
    if not include_subdomains:
        return Scope.EXACT
    scopes = FORMS[form].scopes
    return Scope.NAME_AND_ONE_LABEL if Scope.NAME_AND_ONE_LABEL in scopes else Scope.NAME_AND_BELOW


def print_layer(layer: PinLayer) -> None:
    """Print the entries of a layer with their pins."""
    out.print(f"{layer.traits.title} [{layer.form}]", markup=False, style="bold")
    for entry in layer.entries:
        until = "" if entry.expires_on is None else f", until {entry.expires_on} {_UNTIL[layer.traits.expiry_rule]}"
        out.print(f"  {entry.name}{_SCOPE[entry.scope]}: {_MODE[entry.mode]}{until}", markup=False)
        for label, pins in (("pin", entry.pins), ("leaf pin", entry.leaf_pins), ("CA pin", entry.ca_pins)):
            for carried in pins:
                out.print(f"    {_kind_of(label, carried)} {carried}", markup=False)
        for uri in entry.report_uris:
            out.print(f"    reports to {uri}", markup=False)


def _kind_of(label: str, carried: CarriedPin) -> str:
    return label if carried.pin or not carried.can_match else "certificate hash"


def print_app_findings(findings: Iterable[Finding]) -> None:
    """Print findings on a file, each with what to do."""
    for finding in findings:
        out.print(f"{finding.severity.in_lint:8} {finding.code}", markup=False, style=STYLE[finding.severity])
        out.print(f"         {finding.message}\n         {finding.fix}", markup=False)


def write_layer(layer: PinLayer, form: Form, *, as_json: bool) -> None:
    """Print a layer in a form, with notes and findings on standard error. Exit code 1: it contains an error."""
    try:
        text = write_config(layer, form)
    except CannotExpress as error:
        hint = "" if form is not Form.ATS else "; give --pins-are leaf or --pins-are ca"
        fail(f"{error}{hint}")
    notes = list(differences(layer, form))
    findings = lint_release((PinLayer(form, layer.entries, layer.local_roots_bypass),), lint_context())
    if as_json:
        print_json({"form": form, "text": text, "notes": notes, "findings": lint_answer(findings)})
    else:
        typer.echo(text, nl=False)
        for note in notes:
            err.print(f"note: {note}", markup=False)
        for finding in findings:
            err.print(f"{finding.severity.in_lint}: {finding.message} {finding.fix}", markup=False)
    if has_error(findings):
        raise typer.Exit(NO)


def has_error(findings: Iterable[Finding]) -> bool:
    """Whether a finding is an error."""
    return any(finding.severity is Severity.BLOCKER for finding in findings)


def entry_of(
    name: str, pins: Iterable[CarriedPin], form: Form, *, include_subdomains: bool, pins_are: str | None, mode: PinMode
) -> PinEntry:
    """Return an entry of one name; ``pins_are`` puts the pins into the form's list of leaf or CA pins."""
    distinct = tuple(dict.fromkeys(pins))
    entry = PinEntry(name, scope_for(form, include_subdomains=include_subdomains), mode)
    match pins_are if FORMS[form].leaf_and_ca_lists else None:
        case "leaf":
            return replace(entry, leaf_pins=distinct)
        case "ca":
            return replace(entry, ca_pins=distinct)
        case _:
            return replace(entry, pins=distinct)
