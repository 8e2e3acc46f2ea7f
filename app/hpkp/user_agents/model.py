"""What one family of user agents does, as a record: the terms in which `senders` states it.

May know the report's own values and nothing else. A judgement reads these records; it has no rule for one sender.
What a sender says that it checked bounds the causes that are possible: see `Proof`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult


class Compared(StrEnum):
    """The certificates whose pins the user agent compares with the known pins."""

    PATH = "validated path, trust anchor included"
    """As RFC 7469 section 2.6 has it."""
    SENT = "certificates as sent"
    """Whatever the server sent; a trust anchor that was not sent does not count, one that was sent does."""
    LEAF = "the leaf alone"
    """No other certificate's pin counts, although the path is validated."""


class ReportedPath(StrEnum):
    """What is in the ``validated-certificate-chain`` of the report."""

    VALIDATED = "the validated path"
    SERVED_OR_VALIDATED = "the validated path, or the served chain again if the two are equal"
    """Where both members are equal, the path that the user agent validated is unknown."""
    IN_SERVED = "nothing; the served chain may be the validated path"
    PINS_ONLY = "only the pins of the validated path"


class LocalRoots(StrEnum):
    """How a chain to a root that the user or an administrator installed is treated (RFC 7469 section 2.6)."""

    BYPASS = "bypass the pins, never reported"
    PINNED = "checked against the pins like any other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a report of this sender, with this result, proves if it is honest. None: it proves neither."""

    path_trusted: bool | None = None
    """The path validated, host name and dates included; False: it did not, so pins were never compared."""
    pins_failed: bool | None = None
    """The known pins were compared and none matched."""
    shipped_root: bool = False
    """The path ended at a root that the user agent ships: public to that client, whatever stores say today."""


@dataclass(frozen=True, slots=True)
class UserAgentModel:
    """One family of senders. ``results`` holds what each result code proves; its key None is a report without one.

    ``mode`` is the mode that all its clients are in, None where the report or the policy says. ``pins_in_app``:
    the pins come with the program and last until an update; else they come with a header and last for max-age.
    ``date_is_utc``: its ``date-time`` can be trusted to name the right zone.
    """

    sender: Sender
    title: str
    validates: str
    compares: Compared
    reported_path: ReportedPath
    local_roots: LocalRoots
    results: dict[SenderResult | None, Proof]
    reports: str
    never_reports: str
    pins_in_app: bool | None
    sources: tuple[str, ...]
    mode: Mode | None = None
    date_is_utc: bool = True
    notes: tuple[str, ...] = field(default=())

    def proof(self, result: SenderResult | None) -> Proof:
        """Return what a report with this result proves; an unknown result proves nothing."""
        return self.results.get(result, Proof())
