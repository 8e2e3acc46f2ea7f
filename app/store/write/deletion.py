"""Deletion in short transactions: looked for without any lock, deleted by key under it.

::

    find(connection) ──keys──> pieces ──delete(connection, keys)──> count, after each commit

`delete` asks again whether a key may go, because a fold may have come between. Every function here that takes a
connection is called under `lock_inserts`: so no fold adds what refers to the rows meanwhile.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete, or_, select

from app.hpkp.overflow import OverflowReason
from app.store import host_rollups, tables
from app.store.engine import writing
from app.store.locks import lock_inserts
from app.store.write.overflow import OverflowCount, OverflowKey, add_overflow

_Key = TypeVar("_Key", int, str, bytes)

_OF_VIOLATIONS = (
    tables.reports, tables.violation_networks, tables.status_changes, tables.rollup_hours, tables.rollup_days,
)  # fmt: skip


def delete_in_pieces(
    engine: Engine,
    find: Callable[[Connection], Sequence[_Key]],
    delete_some: Callable[[Connection, Sequence[_Key]], int],
    *,
    at_once: int,
) -> Iterator[int]:
    """Delete what is found, a few keys in each transaction; yield how many rows went after each commit."""
    with engine.connect() as connection:
        keys = list(find(connection))
    for start in range(0, len(keys), at_once):
        with writing(engine) as connection:
            lock_inserts(connection)
            count = delete_some(connection, keys[start : start + at_once])
        yield count


def delete_by_key(column: Any, *conditions: Any) -> Callable[[Connection, Sequence[Any]], int]:
    """Return the deletion of a table's rows by a column, where the conditions still hold."""

    def delete_some(connection: Connection, keys: Sequence[Any]) -> int:
        return connection.execute(delete(column.table).where(column.in_(keys), *conditions)).rowcount

    return delete_some


class ProbedChains:
    """The chains that probes refer to, read once for many transactions: later ones read only what is new.

    What was read is never more than a probe that is deleted meanwhile: its chains then stay until the next time.
    """

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._last_probe = 0

    def read(self, connection: Connection) -> set[bytes]:
        """Return the digests. Under the lock no probe is being added, so that none with a lower id comes later."""
        probes = tables.probes.c
        new = select(probes.id, probes.seen).where(probes.id > self._last_probe).order_by(probes.id)
        for id_, seen in connection.execute(new):
            self._last_probe = id_
            chains = (digest for endpoint in seen["endpoints"] for digest in endpoint["chains"])
            self._digests.update(map(bytes.fromhex, chains))
        return self._digests


def delete_violations(connection: Connection, ids: Sequence[int], probed: ProbedChains) -> int:
    """Delete violations with all that belongs to them, and chains and certificates that nothing else refers to."""
    violations = tables.violations.c
    chains = connection.execute(
        select(violations.served_chain, violations.validated_chain).where(violations.id.in_(ids))
    ).all()
    for table in _OF_VIOLATIONS:
        connection.execute(delete(table).where(table.c.violation_id.in_(ids)))
    count = connection.execute(delete(tables.violations).where(violations.id.in_(ids))).rowcount
    delete_chains(connection, sorted({bytes(digest) for row in chains for digest in row if digest is not None}), probed)
    return count


def delete_violations_as_overflow(connection: Connection, ids: Sequence[int], probed: ProbedChains) -> int:
    """Delete violations to make room, and count their reports as overflow: so they still hold a verdict back.

    What the host has as a whole and its overflow are together as many reports as before.
    """
    counts: defaultdict[OverflowKey, OverflowCount] = defaultdict(OverflowCount)
    networks: defaultdict[int, set[bytes]] = defaultdict(set)
    kept = tables.violation_networks
    for row in connection.execute(select(kept).where(kept.c.violation_id.in_(ids))):
        networks[row.violation_id].add(bytes(row.network))
    violations, days = tables.violations.c, tables.rollup_days.c
    query = (
        select(violations.id, violations.host, violations.last_received_at, days.day, days.reports)
        .join(tables.rollup_days, days.violation_id == violations.id)
        .where(violations.id.in_(ids))
    )
    for row in connection.execute(query):
        count = counts[OverflowKey(row.host, row.day, OverflowReason.STORE_FULL)]
        count.reports += row.reports
        count.last_at = max(count.last_at, row.last_received_at)
        count.networks |= networks[row.id]
    host_rollups.subtract(connection, ids)
    add_overflow(connection, counts)
    return delete_violations(connection, ids, probed)


def delete_chains(connection: Connection, digests: Sequence[bytes], probed: ProbedChains) -> int:
    """Delete those of some chains that nothing refers to, and the certificates that no other chain contains."""
    violations = tables.violations.c
    query = select(violations.served_chain, violations.validated_chain).where(
        or_(violations.served_chain.in_(digests), violations.validated_chain.in_(digests))
    )
    referenced = {bytes(digest) for row in connection.execute(query) for digest in row if digest is not None}
    unused = [digest for digest in digests if digest not in referenced | probed.read(connection)]
    contained = tables.chain_certificates
    of_unused = contained.c.chain.in_(unused)
    certificates = list(connection.scalars(select(contained.c.sha256).where(of_unused).distinct()))
    connection.execute(delete(contained).where(of_unused))
    count = connection.execute(delete(tables.chains).where(tables.chains.c.digest.in_(unused))).rowcount
    delete_by_key(tables.certificates.c.sha256, is_in_no_chain())(connection, certificates)
    return count


def is_in_no_chain() -> Any:
    """Return the condition on certificates that no chain contains them."""
    contained = tables.chain_certificates.c
    return ~select(contained.chain).where(contained.sha256 == tables.certificates.c.sha256).exists()
