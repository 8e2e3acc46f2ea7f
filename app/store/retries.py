"""What was taken in the last 24 hours: a retry counts once."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ClauseElement, Connection, delete, select, update

from app.store import tables
from app.store.engine import DAY_MS
from app.store.prepared import Parameters, PreparedForAll
from app.store.submissions import Submission
from app.store.upsert import insert_many_missing_statement

_SEEN = tables.seen_submissions
_COLUMNS = tuple(column.name for column in _SEEN.columns)


def _record(dialect: str, rows: list[Parameters]) -> ClauseElement:
    values = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    return insert_many_missing_statement(dialect, _SEEN).values(values).returning(_SEEN.c.digest)


_RECORD = PreparedForAll(_record, columns=_COLUMNS)


def record(connection: Connection, submissions: Sequence[Submission]) -> dict[bytes, Submission]:
    """Record submissions as taken; return those that are no retries, each once, by digest."""
    fresh: dict[bytes, Submission] = {}
    for submission in submissions:
        fresh.setdefault(submission.digest, submission)
    rows = [(digest, submission.received_at) for digest, submission in sorted(fresh.items(), key=lambda item: item[0])]
    recorded = {bytes(digest) for (digest,) in _RECORD.once(connection, rows)}
    if len(recorded) == len(fresh):
        return fresh
    recorded |= _record_again(connection, [fresh[digest] for digest in fresh.keys() - recorded])
    return {digest: submission for digest, submission in fresh.items() if digest in recorded}


def _record_again(connection: Connection, repeated: Iterable[Submission]) -> set[bytes]:
    """Record those that were taken longer than 24 hours ago and are not forgotten yet."""
    by_digest = {submission.digest: submission for submission in repeated}
    rows = connection.execute(select(_SEEN).where(_SEEN.c.digest.in_(by_digest)))
    stale = [by_digest[d] for d, at in rows if at < by_digest[d].received_at - DAY_MS]
    for submission in stale:
        connection.execute(
            update(_SEEN).where(_SEEN.c.digest == submission.digest).values(received_at=submission.received_at)
        )
    return {submission.digest for submission in stale}


def erase(connection: Connection, digests: Collection[bytes]) -> None:
    """Take back what was recorded of submissions that were not taken after all."""
    if digests:
        connection.execute(delete(_SEEN).where(_SEEN.c.digest.in_(digests)))


def forget_before(connection: Connection, moment: int) -> None:
    """Forget submissions taken before an instant; a retry after that counts again."""
    connection.execute(delete(_SEEN).where(_SEEN.c.received_at < moment))
