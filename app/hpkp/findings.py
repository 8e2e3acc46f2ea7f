"""Findings: what a check of a header, a pin, a policy, a probe or a verdict has to say, in one form.

::

    Finding(code, severity, message, fix, evidence, withholds)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters. The value is the word of the verdict's answers."""

    BLOCKER = "blocker"
    WARNING = "caution"
    INFO = "info"

    @property
    def in_lint(self) -> str:
        """The word of the answers on text and files (``header lint``, ``pin``, the editor), as linters have it."""
        return _IN_LINT[self]


_IN_LINT = {Severity.BLOCKER: "error", Severity.WARNING: "warning", Severity.INFO: "info"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to fix or to know.

    ``evidence`` holds the facts as plain JSON values. ``withholds`` keeps a verdict from being `ready` although nothing
    blocks it: evidence is missing.
    """

    code: str
    severity: Severity
    message: str
    fix: str
    # A mapping has no hash; equal findings have equal texts, so these suffice.
    evidence: Mapping[str, object] = field(default_factory=dict, hash=False)
    withholds: bool = False
