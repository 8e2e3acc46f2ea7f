"""How browsers read a Public-Key-Pins field: not as RFC 7469 says, and not alike.

Each function gives what the browser takes from one field value, or None where it ignores the value. Chromium 46 to 71
(net/http/http_security_headers.cc) and Firefox 35 to 71 (nsSecurityHeaderParser.cpp, nsSiteSecurityService.cpp).
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from urllib.parse import urlsplit

from app.hpkp.header.value import PinningHeader
from app.hpkp.pins import Pin

CHROMIUM_LONGEST = 5_184_000
"""Seconds to which Chromium cuts max-age; Firefox has the same by preference."""

_FIREFOX_TOKEN = r"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?={}]+"
_FIREFOX_QUOTED = r'"(?:[^"\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\\[\x00-\x7f])*"'
_FIREFOX_DIRECTIVE = re.compile(
    rf"[ \t\r\n]*(?:(?P<name>{_FIREFOX_TOKEN})[ \t\r\n]*(?:(?P<equals>=)[ \t\r\n]*"
    rf"(?P<value>{_FIREFOX_TOKEN}|{_FIREFOX_QUOTED})[ \t\r\n]*)?)?(?P<end>;|\Z)"
)


def _pin(text: str) -> Pin | None:
    try:
        digest = a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        return None
    return Pin(digest) if len(digest) == 32 else None


def split_quoted(text: str, separator: str) -> Iterator[str]:
    """Split as Chromium does: not inside single or double quotes, blanks cut off, empty parts left out."""
    part, quote = "", ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c == separator:
            if part.strip(" \t"):
                yield part.strip(" \t")
            part = ""
            continue
        part += c
    if part.strip(" \t"):
        yield part.strip(" \t")


def read_as_chromium(value: str, *, report_only: bool) -> PinningHeader | None:
    """Return what Chromium takes from a value; the last of repeated directives counts."""
    first = next(split_quoted(value, ","), "")
    pins: list[Pin] = []
    max_age: int | None = None
    report_uri: str | None = None
    include_subdomains = False
    for directive in split_quoted(first, ";"):
        name, _, raw = (part.strip(" \t") for part in directive.partition("="))
        if not name:
            return None
        text, quoted = _chromium_unquote(raw)
        match name.lower():
            case "max-age":
                if not (text.isascii() and text.isdigit()):
                    return None
                max_age = min(int(text[:20]), CHROMIUM_LONGEST)
            case "pin-sha256":
                pin = _pin(text) if quoted else None
                if pin is None:
                    return None
                pins.append(pin)
            case "includesubdomains":
                include_subdomains = True
            case "report-uri":
                if not quoted or not _is_uri(text):
                    return None
                report_uri = text
    if max_age is None and not report_only:
        return None
    return PinningHeader(tuple(pins), max_age, include_subdomains, report_uri)


def _chromium_unquote(raw: str) -> tuple[str, bool]:
    """Take single or double quotes off; mismatched ones only lose the first."""
    if not raw or raw[0] not in "\"'":
        return raw, False
    if len(raw) == 1 or raw[0] != raw[-1]:
        return raw[1:], False
    return re.sub(r"\\(.)", r"\1", raw[1:-1]), True


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)


def read_as_firefox(value: str) -> PinningHeader | None:
    """Return what Firefox takes from a value; it never read the report-only field, and never sent a report."""
    pins: list[Pin] = []
    seen: dict[str, str] = {}
    at = 0
    while at <= len(value):
        match = _FIREFOX_DIRECTIVE.match(value, at)
        if match is None:
            return None
        if (name := match["name"]) is not None:
            text = _firefox_unquote(match["value"] or "")
            if name.lower() == "pin-sha256":
                pin = _pin(text)
                if pin is None:
                    return None
                pins.append(pin)
            elif name.lower() in ("max-age", "includesubdomains", "report-uri"):
                if name.lower() in seen:
                    return None
                seen[name.lower()] = text
        at = match.end()
        if match["end"] == "":
            break
    max_age = seen.get("max-age", "")
    if not (max_age.isascii() and max_age.isdigit()) or seen.get("includesubdomains"):
        return None
    return PinningHeader(tuple(pins), int(max_age[:20]), "includesubdomains" in seen, seen.get("report-uri"))


def _firefox_unquote(raw: str) -> str:
    return re.sub(r"\\(.)", r"\1", raw[1:-1], flags=re.DOTALL) if raw.startswith('"') else raw


def chromium_notes(header: PinningHeader | None, chain: frozenset[Pin] | None, *, report_only: bool) -> bool:
    """Say whether Chromium acts on a header; without a chain, whether it does where the chain suits."""
    if header is None:
        return False
    if report_only:
        return header.report_uri is not None and bool(header.pins)
    return _pins_suffice(header.pins, chain)


def firefox_notes(header: PinningHeader | None, chain: frozenset[Pin] | None, *, report_only: bool) -> bool:
    """Say whether Firefox acts on a header, as above; a bare max-age of 0 removes what it knew."""
    if report_only or header is None:
        return False
    return True if header.max_age == 0 else _pins_suffice(header.pins, chain)


def _pins_suffice(pins: tuple[Pin, ...], chain: frozenset[Pin] | None) -> bool:
    """Ask for two different pins, one in the chain and one not (RFC 7469 section 2.5)."""
    if len(set(pins)) < 2:
        return False
    if chain is None:
        return True
    return bool(set(pins) & chain) and bool(set(pins) - chain)
