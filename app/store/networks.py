"""From which networks violations were reported: the first few of each, as keyed hashes.

The ingest path asks the store only for what this process does not know yet; and it knows only what it has read in a
transaction of its own, since one that wrote may be taken back.
"""

from collections.abc import Iterable

from sqlalchemy import ClauseElement, Connection, select

from app.hpkp.readiness.sources import FEW
from app.store import tables
from app.store.prepared import Parameters, PreparedForAll
from app.store.upsert import insert_many_missing_statement

_REMEMBERED = 20_000
_COLUMNS = ("violation_id", "network", "first_at")


def _find(_dialect: str, rows: list[Parameters]) -> ClauseElement:
    networks = tables.violation_networks
    return select(networks.c.violation_id, networks.c.network).where(
        networks.c.violation_id.in_([id_ for (id_,) in rows])
    )


def _add(dialect: str, rows: list[Parameters]) -> ClauseElement:
    values = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    networks = tables.violation_networks
    added = insert_many_missing_statement(dialect, networks).values(values)
    return added.returning(networks.c.violation_id)


_FIND = PreparedForAll(_find, columns=("violation_id",))
_ADD = PreparedForAll(_add, columns=_COLUMNS)


class Networks:
    """Keeps the first few networks of every violation."""

    def __init__(self) -> None:
        self._known: dict[int, set[bytes]] = {}

    def record(self, connection: Connection, reported: Iterable[tuple[int, bytes, int]]) -> None:
        """Add networks to violations that have room for them: violation, network, and when it was received."""
        new: dict[tuple[int, bytes], int] = {}
        for violation, network, at in reported:
            known = self._known.get(violation, ())
            if network not in known and len(known) < FEW:
                new.setdefault((violation, network), at)
        if not new:
            return
        self._read(connection, {violation for violation, _ in new})
        rows = []
        room = {violation: FEW - len(self._known.get(violation, ())) for violation, _ in new}
        for (violation, network), at in sorted(new.items()):
            if room[violation] > 0 and network not in self._known.get(violation, ()):
                room[violation] -= 1
                rows.append((violation, network, at))
        _ADD.once(connection, rows)

    def _read(self, connection: Connection, violations: set[int]) -> None:
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        for violation, network in _FIND.once(connection, [(violation,) for violation in sorted(violations)]):
            self._known.setdefault(violation, set()).add(bytes(network))
