"""What came in and is not kept as a violation: overflow that was acknowledged, and submissions that were refused.

Both are counted by host, day, reason and number of networks, because both may be reports that would change a verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OverflowReason(StrEnum):
    """Why a report, or what may be one, is counted without its violation."""

    UNKNOWN_HOST = "unknown_host"
    """Its host has no policy, and the collector accepts no others."""
    UNREGISTERED_HOSTS = "unregistered_hosts"
    """There are too many hosts without a policy."""
    UNREGISTERED_HOSTS_OF_NETWORK = "unregistered_hosts_of_network"
    """Its network reported too many new hosts without a policy on that day."""
    UNREGISTERED_VIOLATIONS = "unregistered_violations"
    """Hosts without a policy had too many new violations together on that day."""
    HOST_AND_DAY = "host_and_day"
    """The host had too many new violations on that day."""
    NETWORK_AND_HOST = "network_and_host"
    """Its network sent too many new violations of the host on that day."""
    NETWORK_AND_DAY = "network_and_day"
    """Its network sent too many new violations on that day."""
    BODY = "body"
    """The other reports of its body had cost so much that this one was not judged."""
    STORE_FULL = "store_full"
    """Its violation was deleted to keep the database below its size limit."""
    FAULT = "fault"
    """It could not be judged or stored because of a mistake in the collector, whose log says which."""
    UNREADABLE = "unreadable"
    """Refused: not JSON, as a body is that was cut short."""
    NOT_A_REPORT = "not_a_report"
    """Refused: JSON, but no report that can be read, and of no other kind that is known."""
    TOO_LARGE = "too_large"
    """Refused: longer than the limit."""
    TOO_SLOW = "too_slow"
    """Refused: not complete in time."""
    CONTENT_ENCODING = "content_encoding"
    """Refused: compressed."""
    BAD_REQUEST = "bad_request"
    """Refused: the path or the query is wrong."""
    STORE_UNAVAILABLE = "store_unavailable"
    """Refused: the ingest log was full, or its disk failed."""


REFUSED = frozenset(
    {
        OverflowReason.UNREADABLE,
        OverflowReason.NOT_A_REPORT,
        OverflowReason.TOO_LARGE,
        OverflowReason.TOO_SLOW,
        OverflowReason.CONTENT_ENCODING,
        OverflowReason.BAD_REQUEST,
        OverflowReason.STORE_UNAVAILABLE,
    }
)
"""Reasons of submissions that were refused; each has the name of its outcome."""

FROM_MANY_NETWORKS = 8
"""Refused submissions that name no host count for every host from so many networks on a day: fewer are stray bots."""


@dataclass(frozen=True, slots=True)
class OverflowDay:
    """The overflow of a host on a day (UTC) for one reason.

    ``host`` is empty for all hosts together that the database does not know: unauthenticated senders name those.
    ``networks`` estimates the distinct networks; exact up to about 190.
    """

    host: str
    day: datetime
    reason: OverflowReason
    reports: int
    networks: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class RefusalDecision:
    """The operator's decision that what was refused does not matter, with what had been seen when it was made."""

    at: datetime
    networks: int
    note: str = ""

    def covers(self, networks: int) -> bool:
        """Whether it holds for what came from so many networks."""
        return networks <= most_covered(self.networks)


@dataclass(frozen=True, slots=True)
class Refusals:
    """What may be reports about a host and was refused or not kept, in a window; counts are lower bounds.

    ``networks`` are the distinct ones of all reasons together. ``decision`` is the last one of the operator's.
    """

    reports: int
    networks: int
    last_at: datetime
    by_reason: Mapping[OverflowReason, int]
    decision: RefusalDecision | None = None

    @property
    def is_decided(self) -> bool:
        """Whether the operator's decision holds for all of it."""
        return self.decision is not None and self.decision.covers(self.networks)


def most_covered(seen: int) -> int:
    """Return how many senders a decision holds for that was made when so many had been seen.

    Three times as many, for what is steady varies from day to day; and ten more, for the first report is of one client.
    """
    return max(3 * seen, seen + 10)
