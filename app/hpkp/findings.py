"""What a look at a policy finds: one thing that bears on the verdict."""

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs."""

    BLOCKER = "blocker"
    CAUTION = "caution"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that bears on the verdict. ``withholds`` keeps the verdict from being `ready` by itself."""

    code: str
    severity: Severity
    message: str
    fix: str
    evidence: dict[str, object] = field(default_factory=dict)
    withholds: bool = False
