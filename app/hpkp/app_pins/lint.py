"""What is wrong with an app's pins, by the rules of the library that reads them. See docs/apps.md for the codes.

::

    PinLayer ──lint_layer(catalog, at, life)──> Finding …        one check for each rule, in the order below
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.hpkp.app_pins.forms import Form, Overlap, PinKind, PinMode, Reports, Scope
from app.hpkp.app_pins.model import ExpiryState, PinEntry, PinLayer
from app.hpkp.catalog import Catalog
from app.hpkp.findings import Finding, Severity
from app.hpkp.hosts import superdomains
from app.hpkp.pin_checks import UNUSABLE, check_pin

RELEASE_LIFE = timedelta(days=365)
"""How long installs of a release are assumed to live; an assumption, because no store says it."""
_SOON = timedelta(days=10)
"""Android's own lint (PinSetExpiry) warns from ten days before."""


@dataclass(frozen=True, slots=True)
class LintContext:
    """What a layer is checked with. ``shipped_at`` is when the release goes out, else now."""

    catalog: Catalog
    at: datetime
    life: timedelta = RELEASE_LIFE
    shipped_at: datetime | None = None

    @property
    def gone_at(self) -> datetime:
        """When the release is likely gone."""
        return (self.shipped_at or self.at) + self.life


def lint_layer(layer: PinLayer, context: LintContext) -> tuple[Finding, ...]:
    """Return what is wrong with a layer, the worst first."""
    found = [finding for entry in layer.entries for finding in _check_entry(layer, entry, context)]
    found += _check_layer(layer)
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


_ORDER = (Severity.BLOCKER, Severity.WARNING, Severity.INFO)


def lint_release(layers: Iterable[PinLayer], context: LintContext) -> tuple[Finding, ...]:
    """Return what is wrong with each layer, and with several that check one host."""
    every = tuple(layers)
    found = [finding for layer in every for finding in lint_layer(layer, context)]
    return (*found, *_check_layers_together(every))


def _check_entry(layer: PinLayer, entry: PinEntry, context: LintContext) -> Iterator[Finding]:
    """Check one entry by every rule; of a name that is excluded only the name."""
    yield from _check_name(layer, entry)
    # It has no pins, and none are missing.
    if entry.mode is PinMode.EXCLUDE:
        return
    yield from _check_count(layer, entry)
    yield from _check_each_pin(entry, context.catalog)
    yield from _check_expiry(layer, entry, context)
    yield from _check_lists(entry, context.catalog)
    yield from _check_reports(layer, entry)


def _check_name(layer: PinLayer, entry: PinEntry) -> Iterator[Finding]:
    """Find names that never match, and scopes that cover less than they seem to."""
    # Libraries accept some of these, and no host has such a name: TrustKit starts with `https://host` and pins nothing.
    if "*" in entry.name or "://" in entry.name or "/" in entry.name or ":" in entry.name:
        yield _finding(
            "name_never_matches",
            Severity.BLOCKER,
            entry,
            f"{entry.name}: no host has this name, so nothing is pinned by it.",
            "Write the host name alone, without wildcard, scheme, port or path.",
        )
    # Readers write names in lower case where the library does, so capitals that are left are compared as they are.
    elif entry.name != entry.name.lower():
        yield _finding(
            "name_never_matches",
            Severity.BLOCKER,
            entry,
            f"{entry.name}: names are compared with upper and lower case, and hosts are in lower case.",
            f"Write {entry.name.lower()}.",
        )
    if entry.scope is Scope.ONE_LABEL and not layer.entries_for(entry.name):
        yield _finding(
            "wildcard_without_its_name",
            Severity.WARNING,
            entry,
            f"*.{entry.name} covers neither {entry.name} nor names two labels below it.",
            f"Add {entry.name}, or write **.{entry.name} if all are meant.",
        )
    if entry.scope is Scope.NAME_AND_ONE_LABEL:
        yield _finding(
            "subdomains_one_label_only",
            Severity.INFO,
            entry,
            f"{entry.name}: NSIncludesSubdomains covers names one label below it, and none deeper.",
            "List deeper names by themselves.",
        )


def _check_count(layer: PinLayer, entry: PinEntry) -> Iterator[Finding]:
    """Find missing and repeated pins, and a single one without a backup."""
    distinct = set(entry.all_pins)
    for pin, count in Counter(entry.all_pins).items():
        if count > 1:
            message = f"{entry.name}: the pin {pin} is there {count} times, and counts once."
            fix = "Replace it with the pin of another key."
            yield _finding("same_pin_twice", Severity.WARNING, entry, message, fix)
    if not distinct:
        yield _finding(
            "no_pins",
            Severity.BLOCKER,
            entry,
            f"{entry.name} has no pins, so every chain passes.",
            "Add pins, or remove the name.",
        )
    elif len(distinct) == 1 and layer.traits.overlap is not Overlap.UNITED:
        yield _no_backup(entry, len(distinct))
    # With united entries the backup may be in the entry of another name.
    elif layer.traits.overlap is Overlap.UNITED and _united_pins(layer, entry) == 1:
        yield _no_backup(entry, 1)


def _united_pins(layer: PinLayer, entry: PinEntry) -> int:
    """Count the distinct pins that count for the entry's hosts together."""
    host = entry.name if entry.scope is not Scope.ONE_LABEL else f"a-label.{entry.name}"
    return len(layer.pins_for(host))


def _no_backup(entry: PinEntry, count: int) -> Finding:
    """Report a name whose only key is a single point of failure."""
    return _finding(
        "no_backup_pin",
        Severity.BLOCKER if entry.mode is PinMode.ENFORCE else Severity.WARNING,
        entry,
        f"{entry.name} has {count} pin: if its key is lost or replaced, all installs are locked out until an update.",
        "Add the pin of a key that is kept offline; hpkp backup-key makes one.",
    )


def _check_each_pin(entry: PinEntry, catalog: Catalog) -> Iterator[Finding]:
    """Check every pin by itself, and whether any of them can match."""
    usable = 0
    for carried in dict.fromkeys(entry.all_pins):
        # OkHttp and NSPinnedDomains check no length: such a pin is accepted and blocks the host.
        if not carried.can_match:
            yield _finding(
                "pin_never_matches",
                Severity.BLOCKER,
                entry,
                f"{entry.name}: {str(carried)[:80]} has {len(carried.digest)} bytes, a SHA-256 pin has 32, so it never "
                "matches.",
                "Replace it; hpkp pin FILE prints the pin of a certificate or key.",
            )
        elif carried.kind is PinKind.CERTIFICATE:
            usable += 1
            yield _finding(
                "certificate_hash",
                Severity.WARNING,
                entry,
                f"{entry.name}: {carried} is the hash of a certificate, not of its key; every renewal breaks it.",
                "Pin the key, or ship the hash of the next certificate in time.",
            )
        elif (pin := carried.pin) is not None:
            found = tuple(check_pin(pin, catalog))
            # Unusable for the same reasons as in a policy: no chain of the operator can or may have such a key.
            usable += not any(finding.code in UNUSABLE for finding in found)
            yield from (_of_entry(finding, entry) for finding in found)
    if entry.all_pins and not usable:
        yield _finding(
            "locks_everybody_out",
            Severity.BLOCKER if entry.mode is PinMode.ENFORCE else Severity.WARNING,
            entry,
            f"{entry.name}: no pin can be matched by a chain of yours, so no install can connect.",
            "Replace the pins.",
        )


def _of_entry(finding: Finding, entry: PinEntry) -> Finding:
    """Return a finding on a pin as one on the entry that has it."""
    evidence = {**finding.evidence, "name": entry.name}
    return Finding(finding.code, finding.severity, f"{entry.name}: {finding.message}", finding.fix, evidence)


def _check_expiry(layer: PinLayer, entry: PinEntry, context: LintContext) -> Iterator[Finding]:
    """Find pins that have expired, will soon, or while installs of the release are still in use."""
    if entry.expires_on is None:
        return
    rule = layer.traits.expiry_rule
    # DEPENDS is expired here: on some devices nothing is checked.
    if entry.state_at(context.at, rule) is not ExpiryState.ON:
        yield _finding(
            "pins_expired",
            Severity.BLOCKER,
            entry,
            f"{entry.name}: the pins expired on {entry.expires_on}; since then every chain passes.",
            "Set a later date, or remove the name.",
        )
    elif entry.state_at(context.at + _SOON, rule) is not ExpiryState.ON:
        yield _expires(entry, "pins_expire_soon", f"within {_SOON.days} days")
    elif entry.state_at(context.gone_at, rule) is not ExpiryState.ON:
        yield _expires(
            entry, "pins_expire_early", f"before installs of the release are gone ({context.gone_at:%Y-%m-%d})"
        )


def _expires(entry: PinEntry, code: str, when: str) -> Finding:
    """Report that pins expire too early; from then on every chain is accepted."""
    return _finding(
        code,
        Severity.WARNING,
        entry,
        f"{entry.name}: the pins expire on {entry.expires_on}, {when}; then every chain passes, without a report.",
        "Set a later date, or release an update before it.",
    )


def _check_lists(entry: PinEntry, catalog: Catalog) -> Iterator[Finding]:
    """Find lists of leaf and CA pins that both must match, and CA keys among the leaves' pins."""
    if entry.leaf_pins and entry.ca_pins:
        yield _finding(
            "both_lists_must_match",
            Severity.WARNING,
            entry,
            f"{entry.name}: a chain needs a pin of the leaf list and one of the CA list, not one of either.",
            "Keep one of the lists if they are meant as alternatives.",
        )
    # No leaf has the key of a CA, so such a pin never matches in this list.
    for carried in entry.leaf_pins:
        if carried.pin and (names := catalog.ca_names_of(carried.pin)):
            yield _finding(
                "ca_pin_in_leaf_list",
                Severity.BLOCKER,
                entry,
                f"{entry.name}: {carried} is the key of the CA {names[0].name}, and is compared with leaves only.",
                "Move it to NSPinnedCAIdentities.",
            )


def _check_reports(layer: PinLayer, entry: PinEntry) -> Iterator[Finding]:
    """Find reports that go to a third party, to a pinned host, or nowhere."""
    if entry.reports_to_vendor:
        yield _finding(
            "vendor_gets_reports",
            Severity.WARNING,
            entry,
            f"{entry.name}: a copy of each report goes to overmind.datatheorem.com.",
            "Set disableDefaultReportUri (Android) or TSKDisableDefaultReportUri (Apple).",
        )
    for uri in entry.report_uris:
        host = uri.partition("://")[2].partition("/")[0].partition("@")[2] or uri.partition("://")[2].partition("/")[0]
        host = host.partition(":")[0].lower()
        if layer.form is not Form.TRUSTKIT_PLIST and host and layer.entries_for(host):
            yield _finding(
                "report_host_pinned",
                Severity.BLOCKER,
                entry,
                f"{entry.name}: reports go to {host}, which these pins cover too; if they fail, so does the report.",
                "Report to a host that the pins do not cover.",
            )
    # A form without report-uris reports elsewhere, or not at all; `cannot_report` says so.
    if entry.mode is PinMode.MONITOR and layer.traits.report_uris and not entry.report_uris:
        yield _finding(
            "monitors_for_nobody",
            Severity.WARNING,
            entry,
            f"{entry.name} is not enforced and has no report-uri, so its pins have no effect.",
            "Add the report-uri of the collector.",
        )


def _check_layer(layer: PinLayer) -> Iterator[Finding]:
    """Find what holds for a whole layer: no reports, exempt roots, and pins that are enforced anyway."""
    if layer.traits.reports is Reports.NEVER:
        yield Finding(
            "cannot_report",
            Severity.INFO,
            f"{layer.traits.title}: clients never report, so that nothing is reported is no evidence.",
            "Count its pins against the chains that you serve, and its installs; hpkp app show lists them.",
            {"form": layer.form.value},
        )
    if layer.local_roots_bypass:
        yield Finding(
            "local_roots_bypass",
            Severity.WARNING,
            f"{layer.traits.title}: chains to roots that the user or an administrator installed pass without a pin.",
            "Turn that off unless it is meant.",
            {"form": layer.form.value},
        )
    # What looks like monitoring already locks clients out.
    if layer.form is Form.TRUSTKIT_ANDROID and any(entry.mode is PinMode.MONITOR for entry in layer.entries):
        yield Finding(
            "monitor_not_everywhere",
            Severity.WARNING,
            'enforcePinning="false" holds for connections that use TrustKit\'s trust manager; from API level 24 on the '
            "system enforces the same pins for all others.",
            "Monitor with a release that has no pin-set for the system, or accept it.",
            {"form": layer.form.value},
        )
    # Where entries add up, none replaces another.
    if layer.traits.overlap is not Overlap.UNITED:
        yield from _check_replaced(layer)


def _check_replaced(layer: PinLayer) -> Iterator[Finding]:
    """Find entries that replace the pins of one above them, which many take for added."""
    above = {entry.name: entry for entry in layer.entries if entry.scope is Scope.NAME_AND_BELOW and entry.all_pins}
    for entry in layer.entries:
        parent = next((above[name] for name in superdomains(entry.name) if name in above), None)
        if parent and entry.all_pins and set(entry.all_pins).isdisjoint(parent.all_pins):
            yield _finding(
                "replaces_pins_above",
                Severity.INFO,
                entry,
                f"{entry.name} has none of the pins of {parent.name}: the most specific entry alone counts.",
                f"Add the pins of {parent.name} if they are meant to count.",
            )


def _check_layers_together(layers: tuple[PinLayer, ...]) -> Iterator[Finding]:
    """Find hosts whose layers have no pin in common: then one chain must match each of them."""
    told = set[str]()
    for first in layers:
        for second in layers:
            # Each pair once.
            if first is second:
                break
            for entry in first.entries:
                mine, theirs = first.pins_for(entry.name), second.pins_for(entry.name)
                if mine and theirs and mine.isdisjoint(theirs) and entry.name not in told:
                    told.add(entry.name)
                    yield _finding(
                        "layers_have_no_pin_in_common",
                        Severity.WARNING,
                        entry,
                        f"{entry.name}: {second.traits.title} and {first.traits.title} have no pin in common; a chain "
                        "must match both.",
                        "Give both the same pins.",
                    )


def _finding(code: str, severity: Severity, entry: PinEntry, message: str, fix: str) -> Finding:
    """Make a finding on an entry."""
    return Finding(code, severity, message, fix, {"name": entry.name})
