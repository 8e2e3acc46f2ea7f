"""Hashes of whole certificates: Wultra's fingerprints, Electron's and Flutter's. Every renewal breaks them.

Electron spells them ``sha256/BASE64``, as OkHttp spells pins of keys, and Flutter's packages as hexadecimal digits; so
they are told from pins by what is around them.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from app.app_configs.limits import AppConfig
from app.app_configs.names import checked_name
from app.app_configs.okhttp import READ_FROM_SOURCE
from app.app_configs.pin_text import hexadecimal_hash, strict_pin
from app.app_configs.source_text import Kind, tokens_of
from app.hpkp.app_pins.forms import Form, PinKind
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.errors import InvalidAppConfig

ELECTRON_MARK = "setCertificateVerifyProc"
FLUTTER_MARKS = ("HttpCertificatePinning", "allowedSHAFingerprints", "FlutterCertificatePinning")

_HOST = re.compile(r"(?:https://)?([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)(?:[:/].*)?", re.DOTALL)


def read_fingerprints(root: Mapping[str, Any]) -> AppConfig:
    """Read Wultra's ``{"fingerprints": [{name, fingerprint, expires}]}``."""
    values = root.get("fingerprints")
    if not isinstance(values, list):
        raise InvalidAppConfig("an array is expected", place="/fingerprints")
    pins: dict[str, list[CarriedPin]] = {}
    until: dict[str, date] = {}
    for position, value in enumerate(values):
        place = f"/fingerprints/{position}"
        said = value if isinstance(value, dict) else {}
        name = checked_name(said.get("name"), place=f"{place}/name")
        text = said.get("fingerprint")
        if not isinstance(text, str):
            raise InvalidAppConfig("a text is expected", place=f"{place}/fingerprint")
        found = _as_certificate(strict_pin(text, place=f"{place}/fingerprint"))
        expires = _day(said.get("expires"), f"{place}/expires")
        pins.setdefault(name, []).append(found)
        if expires is not None:
            until[name] = max(expires, until.get(name, expires))
    entries = tuple(PinEntry(name, pins=tuple(of_name), expires_on=until.get(name)) for name, of_name in pins.items())
    return AppConfig((PinLayer(Form.CERTIFICATE_HASHES, entries),))


def _day(value: object, place: str) -> date | None:
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(int(str(value)), UTC).date()
    except (ValueError, OverflowError, OSError):
        raise InvalidAppConfig("seconds since 1970 are expected", place=place) from None


def _as_certificate(pin: CarriedPin) -> CarriedPin:
    return CarriedPin(pin.digest, PinKind.CERTIFICATE)


def read_certificate_hashes(text: str, *, name: str | None) -> AppConfig:
    """Read the hashes in source text of Electron or Flutter; the host is ``name``, or the only one in the text."""
    hashes: dict[CarriedPin, None] = {}
    hosts: dict[str, None] = {}
    for token in tokens_of(text):
        if token.kind is not Kind.TEXT or not token.value:
            continue
        if token.value.startswith("sha256/"):
            hashes[_as_certificate(strict_pin(token.value.removeprefix("sha256/"), place=token.place))] = None
        elif found := hexadecimal_hash(token.value):
            hashes[found] = None
        elif match := _HOST.fullmatch(token.value):
            hosts[match[1].lower()] = None
    if not hashes:
        raise InvalidAppConfig("hashes of certificates are compared here, and none is a literal")
    if name is None and len(hosts) != 1:
        raise InvalidAppConfig(
            f"these are {len(hashes)} hashes of certificates, not pins, and the text names {len(hosts)} hosts; "
            "give --name"
        )
    host = checked_name(name or next(iter(hosts)), place="--name")
    layer = PinLayer(Form.CERTIFICATE_HASHES, (PinEntry(host, pins=tuple(hashes)),))
    return AppConfig((layer,), findings=(READ_FROM_SOURCE,))
