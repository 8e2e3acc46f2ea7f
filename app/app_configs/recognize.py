"""Which form a file has, told by its content and never by its name."""

from app.app_configs.apple import read_apple
from app.app_configs.certificate_hashes import ELECTRON_MARK, FLUTTER_MARKS, read_certificate_hashes, read_fingerprints
from app.app_configs.command_lines import CURL_MARK, read_curl
from app.app_configs.json_text import read_json
from app.app_configs.limits import MAX_BYTES, AppConfig
from app.app_configs.network_security_config import ROOT, read_network_security_config
from app.app_configs.okhttp import MARK as OKHTTP_MARK
from app.app_configs.okhttp import read_okhttp
from app.app_configs.property_list import BINARY_MARK, property_list_of, read_property_list
from app.app_configs.react_native import CALL, read_expo, read_pins_json, read_rn_spki, read_ssl_config
from app.app_configs.safe_xml import parse_xml
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.x509.pem import decode_text

_COMPILED_XML = b"\x03\x00\x08\x00"
"""The first bytes of Android's binary XML (ResXMLTree_header)."""

_REFUSED = {
    "addPublicKeyPins": "Cronet's pins are bytes in source text, which cannot be read",
    "kTSKPinnedDomains": "TrustKit's configuration in code cannot be read; import the property list",
}
_KNOWN = (
    "a Network Security Config, a property list with TSKConfiguration or NSPinnedDomains, ssl_config.json, app.json, "
    "pins.json, Wultra's fingerprints, or source text with CertificatePinner, initializeSslPinning or --pinnedpubkey"
)


def read_config(data: bytes, *, name: str | None = None) -> AppConfig:
    """Read a file of any known form. ``name`` is the host for forms that name none.

    Raises InvalidAppConfig with the place and the reason; then nothing of the file counts.
    """
    if len(data) > MAX_BYTES:
        raise InvalidAppConfig(f"the file has more than {MAX_BYTES} bytes")
    if data.startswith(_COMPILED_XML):
        raise InvalidAppConfig(
            "this is compiled XML; print it with aapt2 dump xmltree and import the source, or unpack it"
        )
    if data.startswith(BINARY_MARK):
        return read_apple(read_property_list(data))
    text = decode_text(data)
    if said := next((mark for mark in _REFUSED if mark in text), None):
        raise InvalidAppConfig(_REFUSED[said], place=f"line {text[: text.index(said)].count(chr(10)) + 1}")
    begin = text.lstrip("\ufeff \t\r\n")[:1]
    if begin == "<":
        return _read_xml(data)
    if begin in ("{", "["):
        return _read_json(text)
    return _read_text(text, name)


def _read_xml(data: bytes) -> AppConfig:
    root = parse_xml(data, doctype="plist")
    if root.name == "plist":
        return read_apple(property_list_of(root))
    if root.name == ROOT:
        return read_network_security_config(root)
    raise InvalidAppConfig(f"the root is <{root.name[:80]}>; known are <{ROOT}> and <plist>", place=root.place)


def _read_json(text: str) -> AppConfig:
    root = read_json(text)
    if isinstance(root, dict):
        if "sha256Keys" in root:
            return read_ssl_config(root)
        if "expo" in root or "plugins" in root:
            return read_expo(root)
        if "fingerprints" in root:
            return read_fingerprints(root)
        if "payload" in root and "signature" in root:
            raise InvalidAppConfig("this is a signed set of remote pins, which belongs to no release")
        if "domains" in root:
            return read_pins_json(root)
    raise InvalidAppConfig(f"JSON of no known form; known are {_KNOWN}")


def _read_text(text: str, name: str | None) -> AppConfig:
    if ELECTRON_MARK in text or any(mark in text for mark in FLUTTER_MARKS):
        return read_certificate_hashes(text, name=name)
    if OKHTTP_MARK in text:
        return read_okhttp(text)
    if CALL in text:
        return read_rn_spki(text)
    if CURL_MARK in text:
        return read_curl(text, name=name)
    raise InvalidAppConfig(f"the file is of no known form; known are {_KNOWN}")
