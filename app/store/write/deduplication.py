"""A retry counts once: the digests of what was counted in the last 24 hours.

Digests begin with the second that the report says, so that those of one batch lie together in the index.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Executable,
    LargeBinary,
    bindparam,
    delete,
    func,
    select,
    update,
)

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS
from app.store.upsert import insert_many_missing_statement

Digests = dict[bytes, int]
"""Digests with when the submission was received, in milliseconds."""

_SEEN = tables.seen_submissions
_DIGEST_BYTES = 16
_AT_ONCE = 512
"""Rows of one statement; 8192 take 12 MB more memory and are not faster."""
KEPT = DAY_MS + 6 * HOUR_MS
"""How long digests are kept after the newest receipt that was folded: other logs may be some hours behind."""
DELETED_AT_ONCE = 5000
"""Digests that one fold deletes at most: 4 million in one commit stalled the next report for 11 s."""


def insert_unseen(connection: Connection, digests: Digests) -> set[bytes]:
    """Record digests; return those that were not recorded in the 24 hours before their receipt."""
    dialect = connection.dialect.name
    statement = _insert_statement(dialect)
    unseen: set[bytes] = set()
    for some in _pieces(sorted(digests)):
        received = [digests[digest] for digest in some]
        values: dict[str, Any] = {"digests": some, "received": received}
        if dialect == "sqlite":
            values = {"digests": b"".join(some), "received": json.dumps(received)}
        unseen.update(map(bytes, connection.execute(statement, values).scalars().all()))
    if len(unseen) < len(digests):
        repeated = {digest: at for digest, at in digests.items() if digest not in unseen}
        unseen |= _renew_expired(connection, repeated)
    return unseen


@cache
def _insert_statement(dialect: str) -> Executable:
    """Build an INSERT that takes all its rows in two parameters.

    Measured for 4096 digests on SQLite: 2.8 us each, where executemany with RETURNING takes 6, for the parameters.
    """
    if dialect == "sqlite":
        rows = func.json_each(bindparam("received")).table_valued("key", "value")
        joined = bindparam("digests", type_=LargeBinary)
        digest = func.substr(joined, 1 + _DIGEST_BYTES * rows.c.key, _DIGEST_BYTES)
        query = select(digest, rows.c.value)
    else:
        arrays = (
            bindparam("digests", type_=ARRAY(LargeBinary)),
            bindparam("received", type_=ARRAY(BigInteger)),
        )
        table = func.unnest(*arrays).table_valued("digest", "received_at", name="new").render_derived()
        query = select(table.c.digest, table.c.received_at)
    insert = insert_many_missing_statement(dialect, _SEEN)
    return insert.from_select(["digest", "received_at"], query).returning(_SEEN.c.digest)


def _renew_expired(connection: Connection, repeated: Digests) -> set[bytes]:
    """Record again what was recorded longer than 24 hours ago and is not deleted yet; return it."""
    expired: list[bytes] = []
    for some in _pieces(sorted(repeated)):
        rows = connection.execute(select(_SEEN).where(_SEEN.c.digest.in_(some)))
        expired += (bytes(row.digest) for row in rows if row.received_at < repeated[bytes(row.digest)] - DAY_MS)
    if expired:
        renewed = update(_SEEN).where(_SEEN.c.digest == bindparam("key"))
        rows_of = [{"key": digest, "received_at": repeated[digest]} for digest in sorted(expired)]
        connection.execute(renewed, rows_of)
    return set(expired)


def delete_expired(connection: Connection, *, before: int, limit: int = DELETED_AT_ONCE) -> int:
    """Delete some of the digests of what was received before an instant; return how many. 0: there are no more."""
    query = select(_SEEN.c.digest).where(_SEEN.c.received_at < before).order_by(_SEEN.c.received_at).limit(limit)
    # Several folds delete at once: each takes rows that no other one has locked. SQLite ignores this.
    old = query.with_for_update(skip_locked=True)
    return connection.execute(delete(_SEEN).where(_SEEN.c.digest.in_(old))).rowcount


def _pieces(digests: Sequence[bytes]) -> Iterator[list[bytes]]:
    rest = iter(digests)
    while piece := list(islice(rest, _AT_ONCE)):
        yield piece
