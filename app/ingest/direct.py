"""What was read is counted without a log: for demos and whoever writes into a store at hand, as of whatever moment."""

from app.ingest.entry_reader import ReadEntries
from app.ingest.fold import Counted, Fold, Section
from app.store.fold_store import FoldStore
from app.store.write.values import LogPosition

WITHOUT_LOG = b"not from any log"
"""Stands for the id of the log that there is not: its mark counts the transactions."""


def count_directly(fold: Fold, store: FoldStore, read: ReadEntries, *, log_id: bytes = WITHOUT_LOG) -> Counted:
    """Count what was read in one transaction. Raises what `FoldStore` raises."""
    # Another process may have moved the mark meanwhile: then this counts behind that.
    while True:
        mark = store.find_mark(log_id)
        begins_at = None if mark is None else mark.position
        sequence = 1 if begins_at is None else begins_at.sequence + 1
        counted = fold.count(read, Section(log_id, begins_at, LogPosition(1, sequence, sequence)))
        if isinstance(counted, Counted):
            return counted
