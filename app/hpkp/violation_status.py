"""Statuses that the operator gives to violations."""

from enum import StrEnum


class Status(StrEnum):
    """Status of a violation: set by the operator, open until then."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXPECTED = "expected"
    IGNORED = "ignored"
    RESOLVED = "resolved"


MEANINGS = {
    Status.OPEN: "it counts, and nobody has looked yet",
    Status.ACKNOWLEDGED: "it counts, and somebody is at it",
    Status.EXPECTED: "it is known and may go on: it does not count, up to three times as many clients as now, at least "
    "ten more",
    Status.IGNORED: "it is not believed: neither it nor more of the same cause from the same few networks counts, up "
    "to three times as many clients a day as now, at least ten more; what certificates prove counts all the same",
    Status.RESOLVED: "it was mended: it counts again with the next report",
}
"""What each status means for the verdict: the words of pages, command line and API."""

OPEN = (Status.OPEN, Status.ACKNOWLEDGED)
"""Statuses under which a violation still counts against readiness."""
