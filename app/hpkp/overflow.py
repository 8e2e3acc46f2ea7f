"""Reports that were acknowledged but are not kept as violations: counted as overflow, so that the verdict sees them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OverflowReason(StrEnum):
    """Why a report is counted without its violation."""

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


@dataclass(frozen=True, slots=True)
class OverflowDay:
    """The overflow of a host on a day (UTC) for one reason.

    ``host`` is empty for all hosts together that the database does not know: their names come from strangers.
    ``networks`` estimates the distinct networks; exact up to about 190.
    """

    host: str
    day: datetime
    reason: OverflowReason
    reports: int
    networks: int
    last_at: datetime
