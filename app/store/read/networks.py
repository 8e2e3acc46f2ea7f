"""From which networks violations were reported, as keyed hashes, and which their certificates prove."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from app.hpkp.judgement.causes import Cause
from app.hpkp.readiness.ignore_rules import is_proven
from app.store import tables
from app.store.engine import to_ms
from app.store.submissions import UNPLACED

_IDS_AT_ONCE = 500


def find_proven(connection: Connection, causes: Iterable[tuple[int, Cause]]) -> frozenset[int]:
    """Find which of these violations, given by id and cause, are proven by their certificates (`is_proven`)."""
    asked = dict(causes)
    ids = list(asked)
    violations = tables.violations.c
    proven = set[int]()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        query = select(
            violations.id,
            violations.judgement["anchor"].as_string().label("anchor"),
            violations.judgement["path_checkable"].as_boolean().label("checkable"),
        ).where(violations.id.in_(ids[start : start + _IDS_AT_ONCE]))
        proven.update(
            row.id
            for row in connection.execute(query)
            if is_proven(asked[row.id], row.anchor, path_checkable=row.checkable)
        )
    return frozenset(proven)


def find_networks(
    connection: Connection, first_received: Mapping[int, int], *, by: datetime | None = None
) -> dict[int, frozenset[bytes]]:
    """Return the networks of violations, given with when they were first received; without those not fully known.

    With ``by``, as far as they had reported then. Not fully known are violations of which an address told nothing, and
    those that were there before networks were kept.
    """
    networks = tables.violation_networks
    found: dict[int, set[bytes]] = {}
    incomplete = set(first_received)
    ids = list(first_received)
    for start in range(0, len(ids), _IDS_AT_ONCE):
        query = select(networks).where(networks.c.violation_id.in_(ids[start : start + _IDS_AT_ONCE]))
        if by is not None:
            query = query.where(networks.c.first_at <= to_ms(by))
        for row in connection.execute(query):
            found.setdefault(row.violation_id, set()).add(bytes(row.network))
            if row.first_at <= first_received[row.violation_id]:
                incomplete.discard(row.violation_id)
    return {
        violation: frozenset(known)
        for violation, known in found.items()
        if violation not in incomplete and UNPLACED not in known
    }
