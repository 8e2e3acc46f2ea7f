"""How values read: numbers, durations, names, and characters that cannot be seen. Pure."""

import re
import unicodedata
from datetime import datetime, timedelta

_NAME_PART = re.compile(r"(?:^|[,+])([A-Z]+)=((?:\\.|[^,+\\])*)")
_ESCAPED = re.compile(r"\\(.)")
_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)


def visible(text: str) -> str:
    r"""Write out what cannot be seen and could deceive, such as a change of direction (U+202E): ``\u202e``."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(c: str) -> str:
    if c.isprintable() or c in "\n\t" or unicodedata.category(c) == "Zs":
        return c
    return f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}"


def cut(text: str, longest: int) -> str:
    """Shorten a text, and say so by an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def name(text: str) -> str:
    """Write a name of the API in words: ``not_ready`` as ``not ready``."""
    return text.replace("_", " ")


def common_name(text: str) -> str:
    """Return the commonName of a name in RFC 4514 form; without one the organization, else the name as it is."""
    parts = dict(reversed(_NAME_PART.findall(text)))
    found = parts.get("CN") or parts.get("O") or text
    return _ESCAPED.sub(r"\1", found)


def count(number: int) -> str:
    """Write a number with thousands separators."""
    return f"{number:,}"


def duration(value: timedelta | float) -> str:
    """Write a duration, or seconds, in the largest unit that fits: 90 days, 3 hours."""
    span = value if isinstance(value, timedelta) else timedelta(seconds=min(value, 10**10))
    unit, size = next(((unit, size) for unit, size in _UNITS if span >= size), _UNITS[-1])
    whole = int(span / size)
    return f"{count(whole)} {unit}{'' if whole == 1 else 's'}"


def unit(value: timedelta) -> str:
    """Write a duration for a rate: reports per day, per 6 hours."""
    return duration(value).removeprefix("1 ")


def ago(moment: datetime, at: datetime) -> str:
    """Say how long before ``at`` a moment was, or how long after."""
    span = at - moment
    if abs(span) < timedelta(minutes=1):
        return "just now"
    return f"{duration(span)} ago" if span > timedelta(0) else f"in {duration(-span)}"
