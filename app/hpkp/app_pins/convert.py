"""Entries of one form for another, so that every host has the same pins; or what would be lost.

::

    PinLayer ──entries_for_form(form)──> entries that mean the same under that form's overlap rule
                                         CannotExpress: each name with what the form has no words for
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from app.hpkp.app_pins.forms import FORMS, Expiry, ExpiryRule, Form, FormTraits, Overlap, PinMode, Reports, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer
from app.hpkp.errors import CannotExpress
from app.hpkp.hosts import superdomains

_MOST_TOLD = 10

_MODES = {
    PinMode.MONITOR: "it has no mode that only reports",
    PinMode.EXCLUDE: "it cannot take a name out of another entry",
}
_SCOPES = {
    Scope.EXACT: "it cannot pin the name alone",
    Scope.ONE_LABEL: "it cannot pin only the names one label below",
    Scope.NAME_AND_ONE_LABEL: "it cannot pin the name and the names one label below, and no deeper ones",
    Scope.NAME_AND_BELOW: "it cannot pin subdomains of any depth",
}


def entries_for_form(layer: PinLayer, form: Form) -> tuple[PinEntry, ...]:
    """Return the layer's entries for a form. Raises CannotExpress with every reason.

    1. Rewrite the entries so that the overlap rule of the form gives every host the same pins.
    2. Collect what the form cannot say of an entry, of the layer, and of all entries together.
    3. Write nothing unless nothing is lost: else a host could be unpinned or locked out unnoticed.
    """
    traits = FORMS[form]
    entries = tuple(_in_lists_of(entry, traits) for entry in layer.entries)
    # 1: by way of the rule that only the most specific entry counts, so that each rule needs a conversion to that one
    # and one from it.
    reasons: list[str] = []
    if (before := layer.traits.overlap) is not (after := traits.overlap):
        reasons += _partly_united(entries) if before is Overlap.UNITED else ()
        entries = _most_specific(entries, before)
        reasons += _widened(entries) if after is Overlap.UNITED else ()
        entries = _narrowest_first(entries) if after is Overlap.FIRST_MATCH else entries
    # 2
    reasons += [reason for entry in entries for reason in _reasons(entry, traits)]
    if layer.traits.compares is not traits.compares:
        reasons.append(f"it compares the {traits.compares}, and these pins are for the {layer.traits.compares}")
    reasons += _reasons_of_all(entries, traits)
    # 3
    if reasons:
        more = f"; and {len(reasons) - _MOST_TOLD} more" if len(reasons) > _MOST_TOLD else ""
        raise CannotExpress(f"{traits.title} cannot express this: " + "; ".join(reasons[:_MOST_TOLD]) + more)
    return entries


def _in_lists_of(entry: PinEntry, traits: FormTraits) -> PinEntry:
    """Move the only list of leaf or CA pins into the list of any pins, if the form has no other.

    A leaf's key is no CA's, so that means the same. Two lists stay: both must match, which one list cannot say.
    """
    if traits.leaf_and_ca_lists or bool(entry.leaf_pins) is bool(entry.ca_pins):
        return entry
    return replace(entry, pins=(*entry.pins, *entry.leaf_pins, *entry.ca_pins), leaf_pins=(), ca_pins=())


def _reasons(entry: PinEntry, traits: FormTraits) -> Iterator[str]:
    """Yield what the form has no words for."""
    if entry.mode not in traits.modes:
        yield f"{entry.name}: {_MODES.get(entry.mode, 'it cannot enforce')}"
    if entry.scope not in traits.scopes:
        yield f"{entry.name}: {_SCOPES[entry.scope]}"
    # A date lost would keep old installs locked out that it was meant to release.
    if entry.expires_on is not None and traits.expiry is Expiry.NONE:
        yield f"{entry.name}: its pins would not expire on {entry.expires_on}, but never"
    if entry.expires_on is None and traits.expiry is Expiry.REQUIRED:
        yield f"{entry.name}: it needs a date on which the pins expire"
    # One hash cannot be made of the other, and under the wrong kind it locks everyone out.
    if any(pin.kind is not traits.kind for pin in entry.all_pins):
        yield f"{entry.name}: its hashes are of certificates, and those of keys are needed"
    if (entry.leaf_pins or entry.ca_pins) and not traits.leaf_and_ca_lists:
        yield f"{entry.name}: it cannot say which pins are the leaf's and which a CA's"
    if entry.pins and traits.leaf_and_ca_lists:
        yield f"{entry.name}: it needs to know which pins are the leaf's and which a CA's"
    # Written with fewer, the library or the build would refuse the file.
    fewest = traits.fewest_enforced if entry.mode is PinMode.ENFORCE else traits.fewest
    if entry.mode is not PinMode.EXCLUDE and (few := len(set(entry.all_pins))) < fewest:
        yield f"{entry.name}: it needs {fewest} distinct pins, there are {few}"


def _reasons_of_all(entries: tuple[PinEntry, ...], traits: FormTraits) -> Iterator[str]:
    """Yield what the form cannot say of several entries together."""
    if not entries:
        yield "there are no names with pins"
    keys = Counter((entry.name, entry.scope if traits.repeats_names else None) for entry in entries)
    yield from (f"{name}: the name is there {count} times" for (name, _), count in keys.items() if count > 1)
    if traits.one_mode and len({entry.mode for entry in entries}) > 1:
        yield "all names have one mode"
    if traits.one_set_of_report_uris and len({entry.report_uris for entry in entries}) > 1:
        yield "all names have the same report-uris"


def _most_specific(entries: tuple[PinEntry, ...], overlap: Overlap) -> tuple[PinEntry, ...]:
    """Return entries that mean the same if only the most specific one of a host counts."""
    if overlap is Overlap.MOST_SPECIFIC:
        return entries
    if overlap is Overlap.FIRST_MATCH:
        return tuple(_first_match(entries))
    return tuple(_united(entries))


def _first_match(entries: tuple[PinEntry, ...]) -> Iterator[PinEntry]:
    """Narrow an entry to its own name, which always counts first, if one above it precedes it."""
    including = set[str]()
    for entry in entries:
        # A parent that comes first takes all names below, except an exact one.
        hidden = not including.isdisjoint(superdomains(entry.name))
        yield replace(entry, scope=Scope.EXACT) if hidden else entry
        if entry.scope is Scope.NAME_AND_BELOW:
            including.add(entry.name)


def _united(entries: tuple[PinEntry, ...]) -> Iterator[PinEntry]:
    """Add to each entry the pins of those that cover it too."""
    by_name = _by_name(entries)
    for entry in entries:
        every = (entry, *_overlapping(entry, by_name))
        yield replace(
            entry,
            pins=tuple(dict.fromkeys(pin for one in every for pin in one.pins)),
            leaf_pins=tuple(dict.fromkeys(pin for one in every for pin in one.leaf_pins)),
            ca_pins=tuple(dict.fromkeys(pin for one in every for pin in one.ca_pins)),
        )


def _partly_united(entries: tuple[PinEntry, ...]) -> Iterator[str]:
    """Yield entries whose pins add up with those of another for some of their hosts only."""
    by_name = _by_name(entries)
    for entry in entries:
        for other in _overlapping(entry, by_name):
            # If the other covers all of its hosts, the pins can be added to the entry.
            if not other.covers_all_of(entry):
                yield (
                    f"{entry.name}: its pins and those of {other.name} add up for only some of its hosts, which one "
                    "entry cannot express"
                )


def _widened(entries: tuple[PinEntry, ...]) -> Iterator[str]:
    """Yield entries to which a form that unites would add pins of one above them."""
    by_name = _by_name(entries)
    for entry in entries:
        for other in _overlapping(entry, by_name):
            # Added pins accept chains that the entry was meant to refuse.
            if len(other.name) < len(entry.name) and not set(other.all_pins) <= set(entry.all_pins):
                yield f"{entry.name} has not all pins of {other.name} above it, and this form would add them"


def _overlapping(entry: PinEntry, by_name: Mapping[str, list[PinEntry]]) -> Iterator[PinEntry]:
    """Yield the other entries of the name and of those above it that share a host with the entry."""
    for name in (entry.name, *superdomains(entry.name)):
        yield from (other for other in by_name.get(name, ()) if other is not entry and other.overlaps(entry))


def _narrowest_first(entries: tuple[PinEntry, ...]) -> tuple[PinEntry, ...]:
    """Order entries so that the first parent of a host is its closest one."""
    return tuple(sorted(entries, key=lambda entry: -entry.name.count(".")))


def _by_name(entries: tuple[PinEntry, ...]) -> Mapping[str, list[PinEntry]]:
    """Group entries by name, in their order."""
    found: dict[str, list[PinEntry]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return found


def differences(layer: PinLayer, form: Form) -> Iterator[str]:
    """Yield how the form decides otherwise than the layer's, although every host has the same pins."""
    before, after = layer.traits, FORMS[form]
    dated = any(entry.expires_on for entry in layer.entries)
    if dated and after.expiry_rule is not None and before.expiry_rule not in (None, after.expiry_rule):
        yield f"The pins end at {_END[after.expiry_rule]}, not at {_END.get(before.expiry_rule)}."
    if before.reports is not after.reports:
        yield f"Clients report {_WHEN[after.reports]}, not {_WHEN[before.reports]}."
    if any(entry.report_uris for entry in layer.entries) and not after.report_uris:
        yield "The report-uris are left out."


_END = {
    ExpiryRule.UTC_START: "0:00 UTC of the day",
    ExpiryRule.UTC_END: "24:00 UTC of the day",
    ExpiryRule.DEVICE_START: "0:00 of the day in the device's time zone",
}
_WHEN = {
    Reports.ALWAYS: "always",
    Reports.WHEN_MONITORING: "only if the pins are not enforced",
    Reports.NEVER: "never",
}
