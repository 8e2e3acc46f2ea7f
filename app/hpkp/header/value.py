"""The value of a Public-Key-Pins field, by the grammar of RFC 7469 section 2.1.

::

    Public-Key-Directives = directive *( OWS ";" OWS directive )
    directive             = directive-name [ "=" directive-value ]
    directive-name        = token
    directive-value       = token / quoted-string

A value outside the grammar is refused whole, as a UA has to (section 2.1). One departure: an empty directive, such
as a trailing ";" makes, is outside the grammar but every browser took it, and so does this.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.hpkp.errors import InvalidHeader, InvalidPin
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import PinningPolicy

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_DIRECTIVE = re.compile(rf"(?P<name>{_TOKEN})(?:[ \t]*=[ \t]*(?P<value>{_QUOTED}|{_TOKEN}))?")
_STRICT_DIRECTIVE = rf"{_TOKEN}(?:=(?:{_QUOTED}|{_TOKEN}))?"
_STRICT = re.compile(rf"{_STRICT_DIRECTIVE}(?:[ \t]*;[ \t]*{_STRICT_DIRECTIVE})*")
_SEPARATOR = re.compile(r"[ \t]*(?:;[ \t]*)*")

LONGEST_MAX_AGE = 10_000_000_000
"""Seconds to which a longer max-age is cut; no UA keeps pins for three hundred years."""


@dataclass(frozen=True, slots=True)
class PinningHeader:
    """A Public-Key-Pins or Public-Key-Pins-Report-Only value; ``max_age`` in seconds."""

    pins: tuple[Pin, ...]
    max_age: int | None = None
    include_subdomains: bool = False
    report_uri: str | None = None

    @classmethod
    def of_policy(cls, policy: PinningPolicy) -> "PinningHeader":
        """Return the header that a host with this policy serves."""
        pins = tuple(expected.pin for expected in policy.pins)
        return cls(pins, policy.max_age, policy.include_subdomains, policy.report_uri)

    def __str__(self) -> str:
        """Write the value in one line, pins first."""
        parts = [pin.directive for pin in self.pins]
        if self.max_age is not None:
            parts.append(f"max-age={self.max_age}")
        if self.include_subdomains:
            parts.append("includeSubDomains")
        if self.report_uri is not None:
            escaped = self.report_uri.replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f'report-uri="{escaped}"')
        return "; ".join(parts)


def parse_header(value: str) -> PinningHeader:
    """Read a header value; InvalidHeader names the directive and what is wrong with it."""
    pins: list[Pin] = []
    seen: dict[str, str | None] = {}
    for name, raw in read_directives(value):
        if name.startswith("pin-"):
            if name == "pin-sha256":
                pins.append(read_pin_directive(raw))
            continue
        if name in seen:
            raise InvalidHeader(f"{name} stands twice (RFC 7469 section 2.1)")
        seen[name] = raw
    if not pins:
        raise InvalidHeader("no pin-sha256 directive")
    return PinningHeader(tuple(dict.fromkeys(pins)), *read_other_directives(seen))


def read_other_directives(seen: Mapping[str, str | None]) -> tuple[int | None, bool, str | None]:
    """Read max-age, includeSubDomains and report-uri out of directives by name; InvalidHeader says what is wrong."""
    if "includesubdomains" in seen and seen["includesubdomains"] is not None:
        raise InvalidHeader("includeSubDomains takes no value (RFC 7469 section 2.1.3)")
    return _max_age(seen), "includesubdomains" in seen, _report_uri(seen)


def read_directives(value: str) -> list[tuple[str, str | None]]:
    """Return names, in lower case, and values, as they stand, in their order. Raises InvalidHeader."""
    found: list[tuple[str, str | None]] = []
    at = _skip(value, 0)
    while at < len(value):
        match = _DIRECTIVE.match(value, at)
        if match is None:
            raise InvalidHeader(f"no directive can be read at character {at}: {value[at : at + 20]!r}")
        found.append((match["name"].lower(), match["value"]))
        at = _skip(value, match.end())
        if at < len(value) and ";" not in value[match.end() : at]:
            raise InvalidHeader(f"';' expected at character {at}: {value[at : at + 20]!r}")
    return found


def is_strict(value: str) -> bool:
    """Whether a value is within the grammar without the departures that every browser takes."""
    return _STRICT.fullmatch(value.strip(" \t")) is not None


def _skip(value: str, at: int) -> int:
    match = _SEPARATOR.match(value, at)
    return match.end() if match else at


def read_pin_directive(raw: str | None) -> Pin:
    """Read the value of a pin-sha256 directive: base64 in double quotes, nothing else. Raises InvalidHeader.

    Browsers ignore the whole field over the forms of a pin that other places take, so they are refused here.
    """
    if raw is None or not raw.startswith('"'):
        raise InvalidHeader(f"pin-sha256={raw or ''} needs double quotes (RFC 7469 section 2.1.1)")
    text = _unquote(raw)
    if text.lower().startswith("sha256/"):
        raise InvalidHeader(f"pin-sha256={raw} has the prefix sha256/ of app configurations; a field has base64 alone")
    if re.search(r"\s", text):
        raise InvalidHeader(f"pin-sha256={raw} has a blank inside the quotes")
    if re.search(r"[^A-Za-z0-9+/=]", text):
        raise InvalidHeader(f"pin-sha256={raw} is not base64 (RFC 4648 section 4)")
    try:
        return parse_pin(text)
    except InvalidPin as error:
        raise InvalidHeader(f"pin-sha256: {error}") from None


def _max_age(seen: Mapping[str, str | None]) -> int | None:
    if "max-age" not in seen:
        return None
    text = _unquote(seen["max-age"] or "")
    if not (text.isascii() and text.isdigit()):
        raise InvalidHeader(f"max-age={text[:40]} is no number of seconds (RFC 7469 section 2.1.2)")
    return min(int(text[-400:]) if len(text.lstrip("0")) <= 10 else LONGEST_MAX_AGE, LONGEST_MAX_AGE)


def _report_uri(seen: Mapping[str, str | None]) -> str | None:
    if "report-uri" not in seen:
        return None
    raw = seen["report-uri"]
    if raw is None or not raw.startswith('"'):
        raise InvalidHeader("report-uri needs a value in double quotes (RFC 7469 section 2.1.4)")
    return _unquote(raw)


def _unquote(raw: str) -> str:
    return re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else raw
