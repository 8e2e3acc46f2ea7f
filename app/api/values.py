"""Types of values in requests: each accepts what the OpenAPI document says, and nothing else.

Pydantic alone takes numbers for dates, and booleans and texts for numbers, which no JSON Schema says.
"""

import re
from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import AwareDatetime, BeforeValidator, Field, StrictBool

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:?\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _check_instant(value: Any) -> Any:
    if isinstance(value, str) and not _INSTANT.fullmatch(value):
        raise ValueError("an instant is written as in 2026-11-01T12:00:00Z, with its zone")
    return _check_text(value)


def _check_day(value: Any) -> Any:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("a day is written as in 2026-11-01")
    return _check_text(value)


def _check_text(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise ValueError("a text is needed")
    return value


def _check_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("a number is needed")
    return value


Instant: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_check_instant)]
"""An instant by RFC 3339; a blank before the time, no seconds and a zone without a colon are read, too."""

Day: TypeAlias = Annotated[date, BeforeValidator(_check_day)]
"""A day by RFC 3339."""

JSON_NUMBER = BeforeValidator(_check_number)
"""Of a number in a JSON body: no boolean, and no text. It stands after the bounds, or the document lacks these."""

Flag: TypeAlias = StrictBool
"""A JSON boolean."""

HostText: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "idn-hostname"})]
"""A host name in any of its forms, or an IP address; `canonical_host` reads it, and says what is wrong."""

_BASE64 = "[A-Za-z0-9+/]{43}="
PinText: TypeAlias = Annotated[
    str,
    Field(
        max_length=120,
        json_schema_extra={"pattern": f"^(pin-sha256=\"{_BASE64}\"|pin-sha256='{_BASE64}'|(sha256/)?{_BASE64})$"},
    ),
]
"""A pin in the forms that the document shows; `parse_pin` reads some more, and says what is wrong."""
