"""Android's Network Security Config, and TrustKit for Android, which reads the same file in another way.

::

    network-security-config > domain-config (nestable) > domain…, pin-set[expiration] > pin[digest], domain-config…
                                                         trustkit-config[enforcePinning, …] > report-uri…

The system (AOSP XmlConfigSource): a nested config without a pin-set inherits its parent's; every ``domain`` of a config
is pinned; only the most specific name counts; one bad pin makes Android refuse the whole file. TrustKit: only the last
``domain`` of a config; includeSubdomains, expiration, mode and report-uris are inherited too. From API level 24 on both
check, so such a file gives two layers, and a chain must match both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from xml.sax.saxutils import escape, quoteattr

from app.app_configs.limits import AppConfig
from app.app_configs.names import checked_name
from app.app_configs.pin_text import blank_tolerant_pin, leading_date
from app.app_configs.safe_xml import XmlElement
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.findings import Finding, Severity
from app.hpkp.hosts import superdomains

ROOT = "network-security-config"
_CONFIGS = ("base-config", "domain-config", "debug-overrides")


@dataclass(frozen=True, slots=True)
class _PinSet:
    pins: tuple[CarriedPin, ...]
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class _TrustKit:
    """What TrustKit knows of a config, inherited where the config says nothing. Nothing said of the mode: monitor."""

    includes: bool = False
    pin_set: _PinSet | None = None
    expires_on: date | None = None
    enforces: bool = False
    report_uris: tuple[str, ...] = ()
    default_uri_off: bool = False


def read_network_security_config(root: XmlElement) -> AppConfig:
    """Read a parsed file. Raises InvalidAppConfig where Android or TrustKit would refuse it."""
    _check_levels(root)
    entries = [entry for config in root.all("domain-config") for entry in _system_entries(config, None)]
    seen = set[str]()
    for entry, place in entries:
        if entry.name in seen:
            raise InvalidAppConfig(f"{entry.name} is there twice; Android refuses the file", place=place)
        seen.add(entry.name)
    system = PinLayer(Form.NSC, _without_idle([entry for entry, _ in entries]), _bypasses(root))
    layers = [system]
    if any(child.name == "trustkit-config" for config in _configs(root) for child in config.children):
        found = [entry for config in root.all("domain-config") for entry in _trustkit_entries(config, _TrustKit())]
        layers.append(PinLayer(Form.TRUSTKIT_ANDROID, tuple(found), system.local_roots_bypass))
    return AppConfig(tuple(layers), findings=tuple(_findings(root)))


def _configs(element: XmlElement) -> Iterator[XmlElement]:
    for config in element.all("domain-config"):
        yield config
        yield from _configs(config)


def _without_idle(entries: list[PinEntry]) -> tuple[PinEntry, ...]:
    """Leave out names without pins, except those that take a name out of another entry."""
    including = {entry.name for entry in entries if entry.pins and entry.scope is Scope.NAME_AND_BELOW}
    return tuple(entry for entry in entries if entry.pins or not including.isdisjoint(superdomains(entry.name)))


def _system_entries(config: XmlElement, inherited: _PinSet | None) -> Iterator[tuple[PinEntry, str]]:
    """Yield an entry for each domain, with its place. A pin-set that is empty or missing is no pinning."""
    pin_set = _pin_set(config) or inherited
    domains = config.all("domain")
    if not domains:
        raise InvalidAppConfig("a domain-config has at least one domain; Android refuses the file", place=config.place)
    for domain in domains:
        entry = PinEntry(
            checked_name(domain.text.strip().lower(), place=domain.place),
            Scope.NAME_AND_BELOW if _true(domain, "includeSubdomains") else Scope.EXACT,
            PinMode.ENFORCE if pin_set and pin_set.pins else PinMode.EXCLUDE,
            pin_set.pins if pin_set else (),
            expires_on=pin_set.expires_on if pin_set and pin_set.pins else None,
        )
        yield entry, domain.place
    for nested in config.all("domain-config"):
        yield from _system_entries(nested, pin_set)


def _pin_set(config: XmlElement) -> _PinSet | None:
    found = config.all("pin-set")
    if not found:
        return None
    if len(found) > 1:
        raise InvalidAppConfig("a domain-config has one pin-set; Android refuses the file", place=found[1].place)
    pin_set = found[0]
    expiration = pin_set.attributes.get("expiration")
    pins = []
    for pin in pin_set.all("pin"):
        if (pin.attributes.get("digest") or "").upper() != "SHA-256":
            raise InvalidAppConfig('a pin has digest="SHA-256"; Android refuses the file', place=pin.place)
        pins.append(blank_tolerant_pin(pin.text, place=pin.place))
    return _PinSet(tuple(pins), None if expiration is None else leading_date(expiration, place=pin_set.place))


def _true(element: XmlElement, attribute: str) -> bool:
    return element.attributes.get(attribute, "").lower() == "true"


def _trustkit_entries(config: XmlElement, parent: _TrustKit) -> Iterator[PinEntry]:
    """Yield what TrustKit makes of a config and of those in it."""
    known = _trustkit_of(config, parent)
    domain = config.all("domain")[-1]
    if domain.text != domain.text.strip():
        raise InvalidAppConfig("TrustKit does not take blanks around a domain", place=domain.place)
    pins = known.pin_set.pins if known.pin_set else ()
    if known.enforces and len(set(pins)) < 2:
        raise InvalidAppConfig(
            f"TrustKit enforces with two pins at least, {domain.text} has {len(set(pins))}; the app would not start",
            place=config.place,
        )
    if pins:
        yield PinEntry(
            checked_name(domain.text.lower(), place=domain.place),
            Scope.NAME_AND_BELOW if known.includes else Scope.EXACT,
            PinMode.ENFORCE if known.enforces else PinMode.MONITOR,
            pins,
            expires_on=known.expires_on,
            report_uris=known.report_uris,
            reports_to_vendor=not known.default_uri_off,
        )
    for nested in config.all("domain-config"):
        yield from _trustkit_entries(nested, known)


def _trustkit_of(config: XmlElement, parent: _TrustKit) -> _TrustKit:
    domain, pin_set = config.all("domain")[-1], _pin_set(config)
    known = replace(
        parent,
        includes=_true(domain, "includeSubdomains") if "includeSubdomains" in domain.attributes else parent.includes,
        pin_set=pin_set or parent.pin_set,
        expires_on=pin_set.expires_on if pin_set and pin_set.expires_on else parent.expires_on,
    )
    for said in config.all("trustkit-config"):
        known = replace(
            known,
            enforces=_true(said, "enforcePinning"),
            report_uris=tuple(uri.text.strip() for uri in said.all("report-uri")),
            default_uri_off=(
                _true(said, "disableDefaultReportUri")
                if "disableDefaultReportUri" in said.attributes
                else known.default_uri_off
            ),
        )
    return known


def _bypasses(root: XmlElement) -> bool:
    """Whether some anchors that are trusted outside debugging override pins."""
    return any(_true(certificates, "overridePins") for certificates in _trusted(root))


def _trusted(root: XmlElement) -> Iterator[XmlElement]:
    """Yield the certificates elements that count in a released app."""
    for config in (*root.all("base-config"), *_configs(root)):
        for anchors in config.all("trust-anchors"):
            yield from anchors.all("certificates")


def _check_levels(root: XmlElement) -> None:
    """Refuse what Android refuses by its level."""
    for config in (*root.all("base-config"), *root.all("debug-overrides")):
        for name in ("pin-set", "domain"):
            if wrong := config.all(name):
                raise InvalidAppConfig(f"{name} is not allowed in {config.name}", place=wrong[0].place)


def _findings(root: XmlElement) -> Iterator[Finding]:
    """Tell what Android passes over in silence, and of trust that users can add."""
    for parent, element in _walk(root):
        if element.name == "pin" and parent.name != "pin-set":
            yield _ignored("pin_outside_pin_set", element, "a pin counts only in a pin-set")
        elif element.name == "pin-set" and parent.name not in _CONFIGS:
            yield _ignored("pin_set_ignored", element, "a pin-set counts only in a domain-config")
        elif element.name == "pin-set" and not element.all("pin"):
            yield Finding(
                "empty_pin_set",
                Severity.WARNING,
                f"{element.place}: a pin-set without pins turns pinning off for its names.",
                "Add the pins, or remove the pin-set if that is meant.",
            )
    for certificates in _trusted(root):
        if _true(certificates, "overridePins"):
            yield Finding(
                "pins_overridden",
                Severity.WARNING,
                f"{certificates.place}: with overridePins, chains to these roots need no pin, in released builds too.",
                "Move it to debug-overrides.",
            )
        elif certificates.attributes.get("src", "").strip() == "user":
            yield Finding(
                "user_roots_trusted",
                Severity.INFO,
                f"{certificates.place}: roots that the user installs are trusted, and pins are still compared: "
                "behind an intercepting proxy the app fails.",
                "Remove it unless it is meant.",
            )


def _ignored(code: str, element: XmlElement, why: str) -> Finding:
    return Finding(
        code,
        Severity.BLOCKER,
        f"{element.place} is passed over by Android: {why}. The name is not pinned by it.",
        "Move it to where it counts.",
    )


def _walk(element: XmlElement) -> Iterator[tuple[XmlElement, XmlElement]]:
    for child in element.children:
        yield element, child
        yield from _walk(child)


def write_network_security_config(entries: tuple[PinEntry, ...], *, trustkit: bool) -> str:
    """Write a file, one domain-config for each entry; with ``trustkit`` its mode and report-uris too."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<{ROOT}>"]
    for entry in entries:
        includes = "true" if entry.scope is Scope.NAME_AND_BELOW else "false"
        lines += ["    <domain-config>"]
        lines += [f'        <domain includeSubdomains="{includes}">{escape(entry.name)}</domain>']
        if entry.pins:
            expiration = f' expiration="{entry.expires_on}"' if entry.expires_on else ""
            lines += [f"        <pin-set{expiration}>"]
            lines += [f'            <pin digest="SHA-256">{pin}</pin>' for pin in entry.pins]
            lines += ["        </pin-set>"]
        if trustkit:
            lines += _trustkit_lines(entry)
        lines += ["    </domain-config>"]
    return "\n".join((*lines, f"</{ROOT}>", ""))


def _trustkit_lines(entry: PinEntry) -> list[str]:
    enforces = quoteattr("true" if entry.mode is PinMode.ENFORCE else "false")
    vendor_off = quoteattr("false" if entry.reports_to_vendor else "true")
    return [
        f"        <trustkit-config enforcePinning={enforces} disableDefaultReportUri={vendor_off}>",
        *(f"            <report-uri>{escape(uri)}</report-uri>" for uri in entry.report_uris),
        "        </trustkit-config>",
    ]
