"""``curl --pinnedpubkey "sha256//BASE64;sha256//…" https://HOST/``, and Cronet's builder, which is written only."""

import re

from app.app_configs.limits import AppConfig
from app.app_configs.names import checked_name
from app.app_configs.pin_text import strict_pin
from app.hpkp.app_pins.forms import Form, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer
from app.hpkp.errors import InvalidAppConfig

CURL_MARK = "sha256//"
_PINS = re.compile(r"sha256//[^\s\"']{1,4000}")
_URL = re.compile(r"https://([A-Za-z0-9._-]{1,253})")


def read_curl(text: str, *, name: str | None) -> AppConfig:
    """Read the pins of each line; the host is that of the line's URL, else ``name``."""
    entries: dict[str, PinEntry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = _PINS.search(line)
        if not found:
            continue
        place = f"line {number}"
        url = _URL.search(line)
        host = url[1].lower() if url else name
        if host is None:
            raise InvalidAppConfig("curl's pins name no host; give --name", place=place)
        if host in entries:
            raise InvalidAppConfig(f"{host} is there twice", place=place)
        pins = tuple(strict_pin(pin.removeprefix(CURL_MARK), place=place) for pin in found[0].split(";") if pin.strip())
        entries[host] = PinEntry(checked_name(host, place=place), pins=pins)
    return AppConfig((PinLayer(Form.CURL, tuple(entries.values())),))


def write_curl(entries: tuple[PinEntry, ...]) -> str:
    """Write a command for each host."""
    return "".join(
        f'curl --pinnedpubkey "{";".join(f"{CURL_MARK}{pin}" for pin in entry.pins)}" https://{entry.name}/\n'
        for entry in entries
    )


def write_cronet(entries: tuple[PinEntry, ...]) -> str:
    """Write Kotlin; every entry has an expiry."""
    lines = ["fun pin(base64: String): ByteArray = Base64.decode(base64, Base64.DEFAULT)", "", "engineBuilder"]
    for entry in entries:
        pins = ", ".join(f'pin("{pin}")' for pin in entry.pins)
        includes = "true" if entry.scope is Scope.NAME_AND_BELOW else "false"
        until = f'Date.from(Instant.parse("{entry.expires_on}T00:00:00Z"))'
        lines.append(f'    .addPublicKeyPins("{entry.name}", setOf({pins}), {includes}, {until})')
    return "\n".join((*lines, ""))
