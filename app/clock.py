"""The clock, read at the edges of the program and handed inward as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)
