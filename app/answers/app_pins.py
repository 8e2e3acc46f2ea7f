"""Pins that apps carry: layers, entries and what is read of a file."""

from typing import Any

from app.hpkp.app_pins.model import PinEntry, PinLayer


def layer_answer(layer: PinLayer) -> dict[str, Any]:
    """Return a layer with how it decides."""
    traits = layer.traits
    return {
        "form": layer.form.value,
        "title": traits.title,
        "overlap": traits.overlap.value,
        "compares": traits.compares.value,
        "reports": traits.reports.value,
        "local_roots_bypass": layer.local_roots_bypass,
        "entries": [entry_answer(entry, layer) for entry in layer.entries],
    }


def entry_answer(entry: PinEntry, layer: PinLayer) -> dict[str, Any]:
    """Return an entry; lists of pins that its form does not have are left out."""
    rule = layer.traits.expiry_rule
    lists = {"pins": entry.pins, "leaf_pins": entry.leaf_pins, "ca_pins": entry.ca_pins}
    return {
        "name": entry.name,
        "scope": entry.scope.value,
        "mode": entry.mode.value,
        "kind": layer.traits.kind.value,
        **{name: list(map(str, pins)) for name, pins in lists.items() if pins or name == "pins"},
        "expires_on": entry.expires_on,
        "expiry_rule": rule.value if rule and entry.expires_on else None,
        "report_uris": list(entry.report_uris),
        "reports_to_vendor": entry.reports_to_vendor,
    }
