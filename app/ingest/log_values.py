"""The values that writers and readers of the ingest log share: positions, refusals, and failed appends."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from app.ingest.frames import FORMAT_VERSION


class Position(NamedTuple):
    """A place between two frames of a log; later ones compare greater.

    ``sequence`` is the number of entries before it, counted from the log's beginning.
    """

    segment: int
    offset: int
    sequence: int


class RefusalKind(StrEnum):
    """Why a log is not used."""

    IN_USE = "in_use"
    OTHER_VERSION = "other_version"
    OTHER_STORE = "other_store"
    DAMAGED = "damaged"
    INCOMPLETE = "incomplete"
    """Segments that the watermark does not cover are missing."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class LogRefused:
    """A log that is not used: what is wrong, why, and what to do."""

    path: Path
    kind: RefusalKind
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"Ingest log {self.path} not used: {self.reason}. {self.fix}"


class FailureKind(StrEnum):
    """Why entries were not appended."""

    LOG_FULL = "log_full"
    """The log has reached its size limit: the fold is behind."""
    DISK_FULL = "disk_full"
    WRITE_FAILED = "write_failed"
    TOO_MANY_WAITING = "too_many_waiting"
    STOPPED = "stopped"
    FAULT = "fault"
    """A mistake in this program; it was logged."""


@dataclass(frozen=True, slots=True)
class NotAppended:
    """Entries that are not in the log. Their senders get a 503 and may retry."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class Appended:
    """Entries that are durable; ``end`` is the position behind them."""

    end: Position


AppendResult = Appended | NotAppended


_MOVE_AWAY = "Move the directory away to continue without it: what is in it is then not counted"


def _skip(path: Path) -> str:
    """Return the command that continues a damaged log, and what it does."""
    return f"`hpkp log skip {path.name}` continues with the next readable segment, and says what was left out."


def other_version(path: Path, found: int) -> LogRefused:
    """Refuse a log of another format."""
    return LogRefused(
        path,
        RefusalKind.OTHER_VERSION,
        f"it has format {found}, this program reads format {FORMAT_VERSION}",
        # Not `hpkp log skip`: the entries are whole, and the version that wrote them can count them.
        "Run the version that wrote it until its log is folded (`hpkp serve` folds it), then upgrade again. "
        f"{_MOVE_AWAY}.",
    )


def other_store(path: Path) -> LogRefused:
    """Refuse a log that belongs to another database."""
    return LogRefused(
        path,
        RefusalKind.OTHER_STORE,
        "it belongs to another database, whose keys made its hashes",
        # Neither here: the entries are counted as soon as the log meets its own database.
        "Set HPKP_LOG_DIR to a directory of this database's own, or start the service with the database that the log "
        f"belongs to. {_MOVE_AWAY}.",
    )


def damaged(path: Path, reason: str) -> LogRefused:
    """Refuse a log of which durable bytes have changed."""
    return LogRefused(
        path,
        RefusalKind.DAMAGED,
        reason,
        f"Check the disk, and restore the file from a copy if there is one. {_skip(path)}",
    )


def incomplete(path: Path, reason: str) -> LogRefused:
    """Refuse a log that lacks segments which the watermark does not cover."""
    return LogRefused(
        path,
        RefusalKind.INCOMPLETE,
        reason,
        "If the database was restored from a backup, the reports since then were counted only in what the backup "
        f"replaced. {_skip(path)}",
    )


def unreadable(path: Path, error: OSError) -> LogRefused:
    """Refuse a log whose files cannot be opened or read."""
    # Not damage, which an operator may skip: with other permissions the same bytes may be readable.
    return LogRefused(
        path, RefusalKind.UNREADABLE, f"it cannot be read ({error})", "Check the owner and the mode of its files."
    )


def in_use(path: Path, what: str) -> LogRefused:
    """Refuse a log that another process has locked."""
    return LogRefused(path, RefusalKind.IN_USE, f"another process {what} it", "Stop that process first.")
