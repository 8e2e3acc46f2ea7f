"""What goes into the store: submissions, rejected ones, and how much of them is kept."""

from dataclasses import dataclass
from typing import NamedTuple, SupportsBytes

from app.hpkp.report import ViolationReport
from app.outcomes import Outcome

UNPLACED = bytes(8)
"""Stands for every network of which an address tells nothing."""

Source = tuple[str, str, str, str]
"""App, app version, platform and label; empty where unknown."""


class Submission(NamedTuple):
    """A report on its way into the store.

    ``client`` is a keyed hash of 16 bytes; ``digest`` names what was sent by whom, the same for a retry, in 16 bytes.
    ``network`` is a keyed hash of 8 bytes of where it came from.
    """

    report: ViolationReport
    identity: bytes
    digest: bytes
    client: bytes
    received_at: int
    body: SupportsBytes
    label: str = ""
    user_agent: str | None = None
    network: bytes = UNPLACED
    body_digest: bytes = b""
    """The digest of the first report in the same body; empty stands for its own."""

    @property
    def source(self) -> Source:
        """What the report came from besides the violation."""
        report = self.report
        return report.app or "", report.app_version or "", report.platform or "", self.label


@dataclass(frozen=True, slots=True)
class RejectedSubmission:
    """A submission that was not taken, as the operator may look at it."""

    received_at: int
    outcome: Outcome
    reason: str
    length: int
    pointer: str | None = None
    label: str = ""
    content_type: str | None = None
    user_agent: str | None = None
    sample: str = ""
    network: bytes = UNPLACED
    host: str | None = None
    """The host that its text names, empty if it names none; None if it is known to be no report."""
