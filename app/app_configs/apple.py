"""Property lists of Apple apps: TrustKit's configuration and NSPinnedDomains, in Info.plist or in a file of their own.

::

    Info.plist   CFBundleIdentifier, CFBundleShortVersionString, CFBundleVersion
                 TSKConfiguration > TSKPinnedDomains > name > TSKPublicKeyHashes…           -> layer trustkit-plist
                 NSAppTransportSecurity > NSPinnedDomains > name > NSPinnedLeafIdentities…  -> layer ats
    TrustKit.plist   TSKPinnedDomains at the root

Both layers check every connection that they see. TrustKit raises at the app's start for what it does not accept, so
such a file is refused here; ATS skips what it does not understand, and each such place is a finding.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from xml.sax.saxutils import escape

from app.app_configs.limits import AppConfig
from app.app_configs.names import checked_name, literal_identity
from app.app_configs.pin_text import exact_date, junk_tolerant_pin, strict_pin
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.findings import Finding, Severity
from app.hpkp.hosts import superdomains

_EXCLUDE = "kSKExcludeSubdomainFromParentPolicy"
"""The key as TrustKit spells it in a property list (TSKTrustKitConfig.m); the documented spelling is not read."""
_DOCUMENTED_EXCLUDE = "TSKExcludeSubdomainFromParentPolicy"
_ENTRY_KEYS = (
    "TSKPublicKeyHashes",
    "TSKIncludeSubdomains",
    "TSKEnforcePinning",
    "TSKReportUris",
    "TSKDisableDefaultReportUri",
    "TSKExpirationDate",
    "TSKPublicKeyAlgorithms",
    _EXCLUDE,
)
_GLOBAL_KEYS = ("TSKPinnedDomains", "TSKSwizzleNetworkDelegates", "TSKIgnorePinningForUserDefinedTrustAnchors")
_ATS_KEYS = ("NSIncludesSubdomains", "NSPinnedLeafIdentities", "NSPinnedCAIdentities")
_ATS_HASH = "SPKI-SHA256-BASE64"

_WORDS = {"YES": True, "NO": False, "true": True, "false": False, "1": True, "0": False}


def read_apple(root: Mapping[str, Any]) -> AppConfig:
    """Read what a property list says of pins, each part as a layer. Raises InvalidAppConfig where there is nothing."""
    identity, findings = literal_identity(
        root.get("CFBundleIdentifier"), root.get("CFBundleShortVersionString"), root.get("CFBundleVersion")
    )
    parts = [AppConfig((), identity, findings)]
    if "TSKConfiguration" in root:
        parts.append(_read_trustkit(_dictionary(root["TSKConfiguration"], "TSKConfiguration"), root))
    elif "TSKPinnedDomains" in root:
        parts.append(_read_trustkit(root, root))
    if (pinned := pinned_domains_of(root)) is not None:
        parts.append(read_pinned_domains(pinned))
    if len(parts) == 1:
        raise InvalidAppConfig("the property list has neither TSKConfiguration nor NSPinnedDomains")
    return AppConfig(
        tuple(layer for part in parts for layer in part.layers),
        identity,
        tuple(finding for part in parts for finding in part.findings),
    )


def pinned_domains_of(root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return NSPinnedDomains of an Info.plist or of the root; None if there is none."""
    where = root.get("NSAppTransportSecurity", root)
    if not isinstance(where, dict) or "NSPinnedDomains" not in where:
        return None
    return _dictionary(where["NSPinnedDomains"], "NSPinnedDomains")


def _dictionary(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidAppConfig("a dictionary is expected", place=place)
    return value


def _boolean(value: object, place: str) -> bool:
    """Read a boolean as NSNumber and NSString's boolValue do."""
    if isinstance(value, bool | int):
        return bool(value)
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    raise InvalidAppConfig(f"{str(value)[:40]!r} is no boolean", place=place)


def _texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidAppConfig("an array of strings is expected", place=place)
    return tuple(value)


# TrustKit


def _read_trustkit(config: Mapping[str, Any], root: Mapping[str, Any]) -> AppConfig:
    domains = _dictionary(config.get("TSKPinnedDomains"), "TSKPinnedDomains")
    findings = list(_misspelt(config, _GLOBAL_KEYS, "TSKConfiguration", prefix="TSK"))
    entries = []
    for name, value in domains.items():
        place = f"TSKPinnedDomains > {name[:80]}"
        said = _dictionary(value, place)
        findings += _misspelt(said, _ENTRY_KEYS, place, prefix="")
        entries.append(_trustkit_entry(name, said, place))
    including = {entry.name for entry in entries if entry.scope is Scope.NAME_AND_BELOW}
    for entry in entries:
        if entry.mode is PinMode.EXCLUDE and including.isdisjoint(superdomains(entry.name)):
            reason = "TrustKit excludes a name only from an entry above it; the app would not start"
            raise InvalidAppConfig(reason, place=f"TSKPinnedDomains > {entry.name}")
    key = "TSKIgnorePinningForUserDefinedTrustAnchors"
    # TrustKit asks it on macOS alone, where it is on by default; LSMinimumSystemVersion is in every Mac app's list.
    bypass = "LSMinimumSystemVersion" in root and _boolean(config.get(key, True), key)
    return AppConfig((PinLayer(Form.TRUSTKIT_PLIST, tuple(entries), bypass),), findings=tuple(findings))


def _trustkit_entry(name: str, said: Mapping[str, Any], place: str) -> PinEntry:
    name = checked_name(name, place=place)
    if "://" not in name and ("/" in name or ":" in name):
        raise InvalidAppConfig("a name has neither port nor path; the app would not start", place=place)
    if _DOCUMENTED_EXCLUDE in said:
        raise InvalidAppConfig(f"TrustKit reads this key of a property list only as {_EXCLUDE}", place=place)
    if _boolean(said.get(_EXCLUDE, False), place):
        if len(said) > 1:
            raise InvalidAppConfig(f"{_EXCLUDE} is alone in its entry", place=place)
        return PinEntry(name, mode=PinMode.EXCLUDE)
    enforces = _boolean(said.get("TSKEnforcePinning", True), place)
    hashes = _texts(said.get("TSKPublicKeyHashes"), f"{place} > TSKPublicKeyHashes")
    pins = tuple(
        strict_pin(text, place=f"{place} > TSKPublicKeyHashes > {position}") for position, text in enumerate(hashes)
    )
    needed = 2 if enforces else 1
    if len(set(pins)) < needed:
        reason = f"TrustKit needs {needed} distinct pins here, there are {len(set(pins))}; the app would not start"
        raise InvalidAppConfig(reason, place=place)
    expires = said.get("TSKExpirationDate")
    return PinEntry(
        name,
        Scope.NAME_AND_BELOW if _boolean(said.get("TSKIncludeSubdomains", False), place) else Scope.EXACT,
        PinMode.ENFORCE if enforces else PinMode.MONITOR,
        pins,
        expires_on=None if expires is None else exact_date(expires, place=f"{place} > TSKExpirationDate"),
        report_uris=_texts(said.get("TSKReportUris", []), f"{place} > TSKReportUris"),
        reports_to_vendor=not _boolean(said.get("TSKDisableDefaultReportUri", False), place),
    )


def _misspelt(said: Mapping[str, Any], known: tuple[str, ...], place: str, *, prefix: str) -> Iterator[Finding]:
    for key in said:
        if key in known or not key.startswith(prefix):
            continue
        near = get_close_matches(key[:80], known, n=1)
        yield Finding(
            "unknown_key",
            Severity.WARNING,
            f"{place}: the key {key[:80]!r} is passed over in silence.",
            f"Spell it {near[0]}." if near else "Remove it.",
        )


# NSPinnedDomains


def read_pinned_domains(domains: Mapping[str, Any]) -> AppConfig:
    """Read NSPinnedDomains, as ATS does: over what it does not understand, each time with a finding."""
    findings: list[Finding] = []
    entries = []
    for name, value in domains.items():
        place = f"NSPinnedDomains > {name[:80]}"
        said = _dictionary(value, place)
        findings += _misspelt(said, _ATS_KEYS, place, prefix="")
        includes = said.get("NSIncludesSubdomains", False)
        if not isinstance(includes, bool):
            findings.append(_unread(f"{place} > NSIncludesSubdomains", "only a real boolean counts"))
        leaf, leaf_findings = _identities(said, "NSPinnedLeafIdentities", place)
        others, other_findings = _identities(said, "NSPinnedCAIdentities", place)
        findings += leaf_findings + other_findings
        scope = Scope.NAME_AND_ONE_LABEL if includes is True else Scope.EXACT
        canonical = checked_name(name.lower().removesuffix("."), place=place)
        entries.append(PinEntry(canonical, scope, leaf_pins=leaf, ca_pins=others))
    return AppConfig((PinLayer(Form.ATS, tuple(entries)),), findings=tuple(findings))


def _identities(said: Mapping[str, Any], key: str, place: str) -> tuple[tuple[CarriedPin, ...], list[Finding]]:
    values = said.get(key, [])
    if not isinstance(values, list):
        return (), [_unread(f"{place} > {key}", "an array is expected")]
    pins: list[CarriedPin] = []
    findings = []
    for position, value in enumerate(values):
        text = value.get(_ATS_HASH) if isinstance(value, dict) else None
        pin = junk_tolerant_pin(text) if isinstance(text, str) else None
        if pin is None:
            findings.append(_unread(f"{place} > {key} > {position}", f"only a text under {_ATS_HASH} counts"))
        else:
            pins.append(pin)
    return tuple(pins), findings


def _unread(place: str, why: str) -> Finding:
    return Finding(
        "identity_ignored",
        Severity.BLOCKER,
        f"{place} is passed over in silence: {why}. Without any identity the name is not pinned.",
        "Correct it.",
    )


# Writing


def write_trustkit_plist(entries: tuple[PinEntry, ...]) -> str:
    """Write a property list with TSKConfiguration, to be merged into Info.plist."""
    return _plist(
        {"TSKConfiguration": {"TSKPinnedDomains": {entry.name: _trustkit_values(entry) for entry in entries}}}
    )


def _trustkit_values(entry: PinEntry) -> dict[str, Any]:
    if entry.mode is PinMode.EXCLUDE:
        return {_EXCLUDE: True}
    values: dict[str, Any] = {
        "TSKIncludeSubdomains": entry.scope is Scope.NAME_AND_BELOW,
        "TSKEnforcePinning": entry.mode is PinMode.ENFORCE,
        "TSKDisableDefaultReportUri": not entry.reports_to_vendor,
        "TSKPublicKeyHashes": list(map(str, entry.pins)),
    }
    if entry.report_uris:
        values["TSKReportUris"] = list(entry.report_uris)
    if entry.expires_on:
        values["TSKExpirationDate"] = str(entry.expires_on)
    return values


def write_pinned_domains(entries: tuple[PinEntry, ...]) -> str:
    """Write a property list with NSPinnedDomains, to be merged into Info.plist."""
    domains = {
        entry.name: {
            "NSIncludesSubdomains": entry.scope is Scope.NAME_AND_ONE_LABEL,
            **_identity_lists(entry),
        }
        for entry in entries
    }
    return _plist({"NSAppTransportSecurity": {"NSPinnedDomains": domains}})


def _identity_lists(entry: PinEntry) -> dict[str, Any]:
    lists = {"NSPinnedLeafIdentities": entry.leaf_pins, "NSPinnedCAIdentities": entry.ca_pins}
    return {key: [{_ATS_HASH: str(pin)} for pin in pins] for key, pins in lists.items() if pins}


def write_trustkit_swift(entries: tuple[PinEntry, ...]) -> str:
    """Write the dictionary with which TrustKit is initialised in code."""
    lines = ["let trustKitConfig: [String: Any] = [", "    kTSKPinnedDomains: ["]
    for entry in entries:
        lines += [f"        {_swift(entry.name)}: ["]
        values = {key.replace("kSK", "TSK", 1): value for key, value in _trustkit_values(entry).items()}
        lines += [f"            k{key}: {_swift(value)}," for key, value in values.items()]
        lines += ["        ],"]
    return "\n".join((*lines, "    ],", "]", "TrustKit.initSharedInstance(withConfiguration: trustKitConfig)", ""))


def _swift(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(_swift, value)) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plist(value: dict[str, Any]) -> str:
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
            '<plist version="1.0">',
            *_plist_lines(value, ""),
            "</plist>",
            "",
        )
    )


def _plist_lines(value: Any, indent: str) -> Iterator[str]:
    deeper = indent + "    "
    match value:
        case dict():
            yield f"{indent}<dict>"
            for key, inner in value.items():
                yield f"{deeper}<key>{escape(key)}</key>"
                yield from _plist_lines(inner, deeper)
            yield f"{indent}</dict>"
        case list():
            yield f"{indent}<array>"
            for inner in value:
                yield from _plist_lines(inner, deeper)
            yield f"{indent}</array>"
        case bool():
            yield f"{indent}<{str(value).lower()}/>"
        case _:
            yield f"{indent}<string>{escape(str(value))}</string>"
