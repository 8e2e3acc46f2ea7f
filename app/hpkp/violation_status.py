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
    Status.OPEN: "not triaged; counts",
    Status.ACKNOWLEDGED: "being worked on; counts",
    Status.EXPECTED: (
        "known and acceptable, such as your own proxy; does not count while its cause means the same, up to three "
        "times as many clients as now, at least ten more"
    ),
    Status.IGNORED: (
        "forged or noise; also excludes later reports of the same cause from the same networks, up to three times as "
        "many clients a day as now, at least ten more; violations that certificates prove still count"
    ),
    Status.RESOLVED: "fixed; counts again if reported again",
}
"""What each status means for the verdict, on pages, command line, and API."""

OPEN = (Status.OPEN, Status.ACKNOWLEDGED)
"""Statuses under which a violation still counts against readiness."""
