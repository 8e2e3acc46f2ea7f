"""How numbers and lists are written in sentences, the same in every answer."""

from collections.abc import Iterable
from datetime import timedelta

_NAMED = 5
"""Items that a sentence or a command names; an ellipsis says that there are more."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: ``1 report``, ``1,742 reports``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def name_first(items: Iterable[object], *, separator: str = ", ") -> str:
    """Write the first items of a list; an ellipsis if there are more."""
    texts = [str(item) for item in items]
    return separator.join([*texts[:_NAMED], *(["…"] if len(texts) > _NAMED else [])])


def describe_duration(span: timedelta) -> str:
    """Write a duration in its largest whole unit: ``60 days``, ``5 minutes``."""
    seconds = int(span.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return count(seconds // length, unit)
    return count(seconds, "second")
