"""Statuses that the operator gives to violations."""

from enum import StrEnum


class Status(StrEnum):
    """Status of a violation: set by the operator, open until then."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXPECTED = "expected"
    IGNORED = "ignored"
    RESOLVED = "resolved"


OPEN = (Status.OPEN, Status.ACKNOWLEDGED)
"""Statuses under which a violation still counts against readiness."""
