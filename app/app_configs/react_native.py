"""React Native: ssl_config.json of react-native-ssl-manager, react-native-ssl-public-key-pinning, Expo's app.json.

::

    ssl_config.json   {"sha256Keys": {host: ["sha256/…"]}, "domains": {host: {enforcePinning, includeSubdomains,
                      expirationDate}}, "reportUris": […]}
    source text       initializeSslPinning({host: {includeSubdomains, publicKeyHashes: […], expirationDate}})
    app.json          expo.plugins: ["@bam.tech/react-native-app-security", {"sslPinning": {host | "*."host: […]}}],
                      expo.ios.infoPlist.NSAppTransportSecurity.NSPinnedDomains
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.app_configs.apple import pinned_domains_of, read_pinned_domains
from app.app_configs.limits import AppConfig
from app.app_configs.names import checked_name
from app.app_configs.okhttp import READ_FROM_SOURCE
from app.app_configs.pin_text import exact_date, strict_pin
from app.app_configs.source_text import Kind, LiteralReader, tokens_of
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import AppIdentity, CarriedPin, PinEntry, PinLayer
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.findings import Finding, Severity

CALL = "initializeSslPinning"
_PREFIX = "sha256/"


def is_dictionary(value: object, place: str) -> Mapping[str, Any]:
    """Return a JSON object, or refuse what is none."""
    if not isinstance(value, dict):
        raise InvalidAppConfig("an object is expected", place=place)
    return value


def texts(value: object, place: str) -> tuple[str, ...]:
    """Return an array of strings, or refuse what is none."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidAppConfig("an array of strings is expected", place=place)
    return tuple(value)


def flag(said: Mapping[str, Any], key: str, place: str, *, default: bool) -> bool:
    """Return a boolean, the default if it is missing or null."""
    value = said.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidAppConfig("true or false is expected", place=f"{place}/{key}")
    return value


def prefixed_pins(values: object, place: str) -> tuple[CarriedPin, ...]:
    """Read ``sha256/BASE64``, each of 32 bytes."""
    found = []
    for position, text in enumerate(texts(values, place)):
        if not text.startswith(_PREFIX):
            raise InvalidAppConfig(f"a pin begins with {_PREFIX}: {text[:80]!r}", place=f"{place}/{position}")
        found.append(strict_pin(text.removeprefix(_PREFIX), place=f"{place}/{position}"))
    return tuple(found)


def bare_pins(values: object, place: str) -> tuple[CarriedPin, ...]:
    """Read bare base64, each of 32 bytes."""
    found = []
    for position, text in enumerate(texts(values, place)):
        if text.startswith(_PREFIX):
            raise InvalidAppConfig(f"a pin here is bare base64, without {_PREFIX}", place=f"{place}/{position}")
        found.append(strict_pin(text, place=f"{place}/{position}"))
    return tuple(found)


# react-native-ssl-manager


def read_ssl_config(root: Mapping[str, Any]) -> AppConfig:
    """Read ssl_config.json. Names of ``domains`` without keys are refused: they look pinned and are not."""
    keys = is_dictionary(root.get("sha256Keys"), "/sha256Keys")
    domains = is_dictionary(root.get("domains") or {}, "/domains")
    if domains and all(isinstance(value, str) for value in domains.values()):
        raise InvalidAppConfig(
            "this is the form of version 1, in which domains map an environment to a host; version 2 maps a host to "
            "its settings",
            place="/domains",
        )
    uris = texts(root.get("reportUris") or [], "/reportUris")
    entries = []
    for name, values in keys.items():
        place = f"/sha256Keys/{name[:80]}"
        said = is_dictionary(domains.get(name, {}), f"/domains/{name[:80]}")
        entries.append(_ssl_manager_entry(checked_name(name, place=place), prefixed_pins(values, place), said, uris))
    if unpinned := [name for name in domains if name not in keys]:
        raise InvalidAppConfig("there are no sha256Keys of this host", place=f"/domains/{unpinned[0][:80]}")
    return AppConfig((PinLayer(Form.SSL_MANAGER, tuple(entries)),))


def _ssl_manager_entry(
    name: str, pins: tuple[CarriedPin, ...], said: Mapping[str, Any], uris: tuple[str, ...]
) -> PinEntry:
    place = f"/domains/{name}"
    if not pins:
        raise InvalidAppConfig("a pin is needed", place=f"/sha256Keys/{name}")
    expires = said.get("expirationDate")
    return PinEntry(
        name.lower(),
        Scope.NAME_AND_BELOW if flag(said, "includeSubdomains", place, default=True) else Scope.EXACT,
        PinMode.ENFORCE if flag(said, "enforcePinning", place, default=True) else PinMode.MONITOR,
        pins,
        expires_on=None if expires is None else exact_date(expires, place=f"{place}/expirationDate"),
        report_uris=uris,
    )


def write_ssl_config(entries: tuple[PinEntry, ...]) -> str:
    """Write ssl_config.json; its report-uris are for all hosts, which `writers` has checked."""
    domains = {
        entry.name: {
            "enforcePinning": entry.mode is PinMode.ENFORCE,
            "includeSubdomains": entry.scope is Scope.NAME_AND_BELOW,
            **({"expirationDate": str(entry.expires_on)} if entry.expires_on else {}),
        }
        for entry in entries
    }
    keys = {entry.name: [f"{_PREFIX}{pin}" for pin in entry.pins] for entry in entries}
    uris = list(entries[0].report_uris)
    return (
        json.dumps({"sha256Keys": keys, "domains": domains, **({"reportUris": uris} if uris else {})}, indent=2) + "\n"
    )


# react-native-ssl-public-key-pinning


def read_rn_spki(text: str) -> AppConfig:
    """Read each ``initializeSslPinning({…})`` of a text; the argument is a literal."""
    tokens = tokens_of(text)
    entries: dict[str, PinEntry] = {}
    for position, token in enumerate(tokens[:-1]):
        if token.kind is Kind.NAME and token.value == CALL and tokens[position + 1].is_mark("("):
            said = is_dictionary(LiteralReader(tokens, position + 2).read(), token.place)
            for name, value in said.items():
                if name in entries:
                    raise InvalidAppConfig(f"{name[:80]} is there twice", place=token.place)
                entries[name] = _rn_spki_entry(name, value, f"{token.place}: {name[:80]}")
    if not entries:
        raise InvalidAppConfig(f"{CALL} is named, and no call with a literal was found")
    return AppConfig((PinLayer(Form.RN_SPKI, tuple(entries.values())),), findings=(READ_FROM_SOURCE,))


def _rn_spki_entry(name: str, value: object, place: str) -> PinEntry:
    said = is_dictionary(value, place)
    pins = bare_pins(said.get("publicKeyHashes"), f"{place}/publicKeyHashes")
    if len(set(pins)) < 2:
        raise InvalidAppConfig(f"two distinct pins are needed on iOS, there are {len(set(pins))}", place=place)
    expires = said.get("expirationDate")
    return PinEntry(
        checked_name(name, place=place),
        Scope.NAME_AND_BELOW if flag(said, "includeSubdomains", place, default=False) else Scope.EXACT,
        pins=pins,
        expires_on=None if expires is None else exact_date(expires, place=f"{place}/expirationDate"),
    )


def write_rn_spki(entries: tuple[PinEntry, ...]) -> str:
    """Write JavaScript; JSON is JavaScript too."""
    said = {
        entry.name: {
            "includeSubdomains": entry.scope is Scope.NAME_AND_BELOW,
            "publicKeyHashes": list(map(str, entry.pins)),
            **({"expirationDate": str(entry.expires_on)} if entry.expires_on else {}),
        }
        for entry in entries
    }
    return f"await {CALL}({json.dumps(said, indent=2)});\n"


# Expo


def read_expo(root: Mapping[str, Any]) -> AppConfig:
    """Read app.json: the pins of react-native-app-security, and NSPinnedDomains for iOS."""
    expo = is_dictionary(root.get("expo", root), "/expo")
    entries = [entry for place, said in _plugins(expo) for entry in _plugin_entries(said, place)]
    layers, findings = [], list[Finding]()
    if entries:
        layers.append(PinLayer(Form.EXPO_SECURITY, tuple(entries)))
        findings += [_wildcards_differ(entry) for entry in entries if entry.scope is Scope.NAME_AND_BELOW]
    ios = is_dictionary(expo.get("ios") or {}, "/expo/ios")
    pinned = pinned_domains_of(is_dictionary(ios.get("infoPlist") or {}, "/expo/ios/infoPlist"))
    if pinned is not None:
        config = read_pinned_domains(pinned)
        layers += config.layers
        findings += config.findings
    if not layers:
        raise InvalidAppConfig("the app.json has neither sslPinning nor NSPinnedDomains")
    return AppConfig(tuple(layers), _expo_identity(expo), tuple(findings))


def _expo_identity(expo: Mapping[str, Any]) -> AppIdentity:
    version = expo.get("version")
    return AppIdentity(version=version if isinstance(version, str) else "")


def _plugins(expo: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    plugins = expo.get("plugins") or []
    if not isinstance(plugins, list):
        raise InvalidAppConfig("an array is expected", place="/expo/plugins")
    for position, plugin in enumerate(plugins):
        match plugin:
            case [str(), {"sslPinning": said}, *_]:
                place = f"/expo/plugins/{position}/1/sslPinning"
                yield place, is_dictionary(said, place)


def _plugin_entries(said: Mapping[str, Any], place: str) -> Iterator[PinEntry]:
    for pattern, values in said.items():
        here = f"{place}/{pattern[:80]}"
        pins = bare_pins(values, here)
        if len(set(pins)) < 2:
            raise InvalidAppConfig(f"two distinct pins are needed, there are {len(set(pins))}", place=here)
        name = checked_name(pattern.lower().removeprefix("*."), place=here)
        scope = Scope.NAME_AND_BELOW if pattern.startswith("*.") else Scope.EXACT
        yield PinEntry(name, scope, pins=pins, reports_to_vendor=True)


def _wildcards_differ(entry: PinEntry) -> Finding:
    return Finding(
        "platforms_differ",
        Severity.WARNING,
        f"*.{entry.name} covers names of any depth on iOS, and one label below {entry.name} on Android.",
        "List deeper names by themselves.",
    )


# One source for all platforms


def read_pins_json(root: Mapping[str, Any]) -> AppConfig:
    """Read ``{enforcePinning, domains: {host: {hashes: […]}}}``: exact hosts, bare or prefixed pins."""
    mode = PinMode.ENFORCE if flag(root, "enforcePinning", "", default=True) else PinMode.MONITOR
    entries = []
    for name, value in is_dictionary(root.get("domains"), "/domains").items():
        place = f"/domains/{name[:80]}"
        hashes = texts(is_dictionary(value, place).get("hashes"), f"{place}/hashes")
        bare: list[object] = [text.removeprefix(_PREFIX) for text in hashes]
        if not bare:
            raise InvalidAppConfig("a pin is needed", place=f"{place}/hashes")
        entries.append(PinEntry(checked_name(name, place=place), mode=mode, pins=bare_pins(bare, f"{place}/hashes")))
    return AppConfig((PinLayer(Form.EXPENSIFY, tuple(entries)),))


def write_pins_json(entries: tuple[PinEntry, ...]) -> str:
    """Write it; its mode is for all hosts, which `writers` has checked."""
    domains = {entry.name: {"hashes": list(map(str, entry.pins))} for entry in entries}
    return json.dumps({"enforcePinning": entries[0].mode is PinMode.ENFORCE, "domains": domains}, indent=2) + "\n"
