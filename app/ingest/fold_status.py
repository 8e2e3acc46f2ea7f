"""What the fold tells of itself: a small file next to the logs, for every process there to show.

It counts on where the fold before it ended, so that its counters only grow, whoever restarts it.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import NamedTuple

from app.store.write.values import FoldResult

logger = logging.getLogger(__name__)

_NAME = "fold.json"


class Folded(NamedTuple):
    """How far a log is folded, and the newest receipt among that, in milliseconds since the Unix epoch."""

    segment: int
    offset: int
    newest_received_at: int


@dataclass(frozen=True, slots=True)
class FoldStatus:
    """The fold of a directory of logs: what it has counted since the directory came into being, and what hinders it.

    Instants are in milliseconds since the Unix epoch. ``refused`` are the logs that it does not use, by name, each
    with reason and remedy. ``error`` is why the last batch could not be counted; None if it was.
    """

    pid: int = 0
    starts: int = 0
    committed_at: int = 0
    accepted: int = 0
    duplicates: int = 0
    unreadable: int = 0
    canaries: int = 0
    canaries_refused: int = 0
    new_violations: int = 0
    overflow: Mapping[str, int] = field(default_factory=dict)
    canary_at: int = 0
    folded: Mapping[str, Folded] = field(default_factory=dict)
    """By the name of the log."""
    refused: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    def plus(self, result: FoldResult, *, unreadable: int, canary_at: int, at: int) -> "FoldStatus":
        """Add what a batch has counted."""
        overflow = dict(self.overflow)
        for reason, count in result.overflow.items():
            overflow[str(reason)] = overflow.get(str(reason), 0) + count
        return replace(
            self,
            committed_at=at,
            accepted=self.accepted + result.accepted,
            duplicates=self.duplicates + result.duplicates,
            unreadable=self.unreadable + unreadable,
            canaries=self.canaries + result.canaries_arrived,
            canaries_refused=self.canaries_refused + result.canaries_refused,
            new_violations=self.new_violations + result.new_violations,
            overflow=overflow,
            # A canary that was refused proves nothing about the path to the store.
            canary_at=max(self.canary_at, canary_at if result.canaries_arrived else 0),
            error=None,
        )


def read_status(root: Path) -> FoldStatus:
    """Read what the fold of a directory told last; nothing if it never ran, or if that cannot be read."""
    try:
        told = json.loads((root / _NAME).read_bytes())
        # A file of another version may have members that this one does not know.
        known = {item.name for item in fields(FoldStatus)}
        status = FoldStatus(**{name: value for name, value in told.items() if name in known})
        folded = {name: Folded(*mark) for name, mark in status.folded.items()}
        return replace(status, folded=folded)
    except FileNotFoundError:
        return FoldStatus()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        logger.warning("%s cannot be read; the counters of the fold restart at zero", root / _NAME)
        return FoldStatus()


def write_status(root: Path, status: FoldStatus) -> None:
    """Write the status in place of the one before. It is for show, so neither is it synced nor is a failure one."""
    new = root / f"{_NAME}.new"
    try:
        # Under another name first: a process that reads meanwhile gets the old status, never a part of one.
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(status)))
        new.replace(root / _NAME)
    except OSError as error:
        logger.warning("the status of the fold cannot be written: %s", error)
