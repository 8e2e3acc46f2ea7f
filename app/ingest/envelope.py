"""What comes around a body, and what becomes of it."""

from dataclasses import dataclass
from typing import NamedTuple

from app.hpkp.policy import Mode
from app.outcomes import Outcome


class Envelope(NamedTuple):
    """What came around a body: from whom, under which label, how."""

    address: str
    label: str = ""
    mode: Mode | None = None
    content_type: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """The outcome of a submission, with what the sender is told about it."""

    outcome: Outcome
    reason: str = ""
    pointer: str | None = None
