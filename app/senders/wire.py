"""The wire form: what any sender may write, accepted as leniently as sense allows.

Raw texts are kept beside the values read from them. What cannot be read in a minor member is dropped or kept as
text; only what makes the report meaningless raises `NotAReport` with a JSON pointer (RFC 6901).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from app.hpkp.errors import InvalidHost, InvalidPin
from app.hpkp.hosts import Host, canonical_host
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.report import gregorian_year
from app.outcomes import Outcome
from app.senders import private_keys
from app.senders.other_kinds import kind_of_members, refusal

MAX_CHAIN = 20
"""Certificates in one chain; the longest chains seen on the web have under ten."""
MAX_PINS = 64
MAX_TEXT = 200


class NotJson(ValueError):
    """The body is empty or no JSON; the message says where it breaks."""


class NotAReport(ValueError):
    """JSON, but not a pin violation report: ``pointer`` (RFC 6901) says where, ``reason`` why."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or '(whole body)'}: {reason}")
        self.pointer = pointer
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A report that could not be read. ``pointer`` is a JSON pointer into the body, where the place is known."""

    outcome: Outcome
    reason: str
    pointer: str | None = None


class WireReport(BaseModel):
    """The members that any known sender writes; others are ignored. All but the hostname may be missing."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    hostname: str
    port: Any = None
    noted_hostname: str | None = Field(None, alias="noted-hostname")
    include_subdomains: Any = Field(None, alias="include-subdomains")
    date_time: Any = Field(None, alias="date-time")
    effective_expiration_date: Any = Field(None, alias="effective-expiration-date")
    served_certificate_chain: list[Any] | str | None = Field(None, alias="served-certificate-chain")
    validated_certificate_chain: list[Any] | str | None = Field(None, alias="validated-certificate-chain")
    known_pins: list[Any] | str | None = Field(None, alias="known-pins")
    app_bundle_id: Any = Field(None, alias="app-bundle-id")
    app_version: Any = Field(None, alias="app-version")
    app_platform: Any = Field(None, alias="app-platform")
    app_platform_version: Any = Field(None, alias="app-platform-version")
    app_vendor_id: Any = Field(None, alias="app-vendor-id")
    trustkit_version: Any = Field(None, alias="trustkit-version")
    enforce_pinning: Any = Field(None, alias="enforce-pinning")
    enforced: Any = None
    validation_result: Any = Field(None, alias="validation-result")
    known_pins_expiration_date: Any = Field(None, alias="known-pins-expiration-date")
    served_pins: list[Any] | None = Field(None, alias="served-pins")

    _order: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all members in the order in which they were sent, unknown ones included."""
        return self._order


EVIDENCE = frozenset({"known-pins", "served-certificate-chain", "validated-certificate-chain", "served-pins"})
"""Members of which a report has one at least."""


def decode(body: bytes) -> Any:
    """Decode JSON that holds no private key. A UTF-8 byte order mark is passed over.

    Raises NotJson, or NotAReport at the place of a private key.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise NotJson("The body is empty; a JSON object is expected.")
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise NotJson(f"Not JSON: {error}.") from None
    if (location := private_keys.find_private_key(body, value)) is not None:
        raise NotAReport(_pointer(location), private_keys.FOUND)
    return value


def read_members(value: Any) -> WireReport:
    """Check that a JSON value can be a report at all. Raises NotAReport."""
    if not isinstance(value, dict):
        raise NotAReport("", "A report is a JSON object.")
    if (kind := kind_of_members(value)) is not None:
        raise NotAReport("", refusal({kind}))
    try:
        wire = WireReport.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise NotAReport(_pointer(first["loc"][:1]), f"{first['msg']}.") from None
    if not value.keys() & EVIDENCE:
        raise NotAReport("", "Neither known-pins nor a certificate chain: this is no pin violation report.")
    wire._order = tuple(value)
    return wire


def _pointer(location: Sequence[int | str]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def read_host(text: str, pointer: str) -> Host:
    """Read a host name that the report cannot do without."""
    try:
        return canonical_host(text)
    except InvalidHost as error:
        raise NotAReport(pointer, str(error)) from None


def read_optional_host(text: str | None, pointer: str) -> Host | None:
    """Read a host name that may be missing, empty, or `*`: a catch-all that names no host (Proton's TrustKit fork)."""
    return read_host(text, pointer) if text and text != "*" else None


def read_port(value: Any) -> int | None:
    """Read a port written as a number or as text; 0 and nothing mean that the sender did not know."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise NotAReport("/port", "a port is a number from 0 to 65535")
    return value or None


def read_flag(value: Any) -> bool | None:
    """Read a JSON boolean, or the text of one; anything else says nothing."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def read_pins(value: list[Any] | str | None) -> tuple[tuple[Pin, ...], tuple[str, ...]]:
    """Read known pins: those that are pins, and the texts of those that are not."""
    texts = [value] if isinstance(value, str) else value or []
    if len(texts) > MAX_PINS:
        raise NotAReport("/known-pins", f"{len(texts)} pins; at most {MAX_PINS} are accepted")
    pins: list[Pin] = []
    unreadable: list[str] = []
    for text in texts:
        try:
            pins.append(parse_pin(text) if isinstance(text, str) else _no_pin(text))
        except InvalidPin:
            unreadable.append(read_text(text) or "")
    return tuple(dict.fromkeys(pins)), tuple(unreadable)


def _no_pin(value: object) -> Pin:
    raise InvalidPin(f"a pin is a text, this is a {type(value).__name__}")


def read_text(value: Any) -> str | None:
    """Read a short text: control characters replaced, at most 200 characters, nothing for nothing."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else type(value).__name__
    text = text[:MAX_TEXT]
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


# \d and int() take the digits of any script.
_DATE = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
    r"(?:[Tt ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"\s*(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?)?"
)
_YEAR = re.compile(r"\s*(?P<year>\d{4})-")
TO_THE_SECOND = r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
"""With milliseconds or none and a Z behind it, the library's own reader takes the same dates in a tenth of the time."""
_USUAL_DATE = re.compile(TO_THE_SECOND + r"(?:\.\d{3})?Z", re.ASCII)


def read_date(value: Any) -> datetime | None:
    """Read a date-time as senders write them (RFC 3339 and less), as UTC.

    Without a zone it is taken as UTC; digits of any script are read. None for anything that is no date.
    """
    if not isinstance(value, str) or len(value) > 64:
        return None
    if _USUAL_DATE.fullmatch(value):
        return read_usual_date(value)
    match = _DATE.fullmatch(value.strip())
    if match is None:
        return None
    try:
        moment = datetime(
            int(match["year"]), int(match["month"]), int(match["day"]),
            int(match["hour"] or 0), int(match["minute"] or 0), _second(match["second"]),
            int((match["fraction"] or "0")[:6].ljust(6, "0")), tzinfo=_zone(match["zone"]),
        )  # fmt: skip
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_clock(value: Any) -> datetime | None:
    """Read a date-time as `read_date` does, of a sender that writes it in its device's own calendar.

    None for a year that no clock of the Gregorian or the Thai calendar shows: the text remains.
    """
    if not isinstance(value, str) or not (written := _YEAR.match(value)):
        return None
    found = int(written["year"])
    year = gregorian_year(found)
    if year is None:
        return None
    # The text is changed and not what is read from it: 29 February is in other years of the other calendar.
    return read_date(value if year == found else str(year) + value[written.end("year") :])


def read_usual_date(text: str) -> datetime | None:
    """Read a date of the form described at `TO_THE_SECOND`."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _second(text: str | None) -> int:
    """Read a second; a leap second (RFC 3339 section 5.7) is taken as the one before it."""
    second = int(text or 0)
    return 59 if second == 60 else second


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
