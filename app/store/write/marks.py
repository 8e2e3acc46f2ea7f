"""How far each ingest log is folded: read and moved in the transaction that counts, so that nothing counts twice."""

from sqlalchemy import Connection, delete, select

from app.store import tables
from app.store.upsert import replace_rows
from app.store.write.values import LogMark, LogPosition

_MARKS = tables.log_marks


def read_mark(connection: Connection, log_id: bytes, *, lock: bool = False) -> LogMark | None:
    """Return a log's mark; None if it was never folded. With ``lock`` nobody else moves it until the transaction ends.

    A log without a mark has no row to lock: its first fold has to be alone, see `app.store.locks.lock_for_fold`.
    """
    query = select(_MARKS).where(_MARKS.c.log_id == log_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        return None
    position = LogPosition(row.segment, row.byte_offset, row.sequence)
    return LogMark(position, row.newest_received_at, row.updated_at)


def set_mark(connection: Connection, log_id: bytes, mark: LogMark) -> None:
    """Set a log's mark."""
    row = {
        "log_id": log_id,
        "segment": mark.position.segment,
        "byte_offset": mark.position.offset,
        "sequence": mark.position.sequence,
        "newest_received_at": mark.newest_received_at,
        "updated_at": mark.updated_at,
    }
    replace_rows(connection, _MARKS, [row])


def delete_mark(connection: Connection, log_id: bytes) -> None:
    """Delete the mark of a log whose files are removed."""
    connection.execute(delete(_MARKS).where(_MARKS.c.log_id == log_id))
