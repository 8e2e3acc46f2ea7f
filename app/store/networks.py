"""From which networks violations were reported: the first few of each, as keyed hashes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app.hpkp.judgement.causes import ALARMING, Cause
from app.hpkp.readiness import OpenViolation
from app.hpkp.readiness.sources import FEW, PROVING_ANCHORS, disbelieve, is_believed
from app.store import tables
from app.store.engine import to_ms
from app.store.submissions import UNPLACED

_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Believed:
    """Open violations that count, those left out, and from how many networks those that count came, by cause."""

    violations: tuple[OpenViolation, ...]
    left_out: tuple[OpenViolation, ...]
    networks: dict[Cause, int]


def believe(
    connection: Connection,
    violations: Iterable[tuple[OpenViolation, int]],
    ignored: Iterable[tuple[int, Cause, int]],
    *,
    by: datetime | None = None,
) -> Believed:
    """Part open violations, given with when each was first received, into those that count and those left out.

    ``ignored`` are those that the operator ignores: id, cause, and when it was first received.
    """
    opened, closed = list(violations), list(ignored)
    first = {violation.id: at for violation, at in opened} | {id_: at for id_, _, at in closed}
    known = networks_of(connection, first, by=by)
    causes = {violation.id: violation.cause for violation, _ in opened} | {id_: cause for id_, cause, _ in closed}
    proven = _find_proven(connection, [id_ for id_, cause in causes.items() if cause in ALARMING])
    disbelieved = disbelieve((cause, known.get(id_), id_ in proven) for id_, cause, _ in closed)
    counted, left_out = list[OpenViolation](), list[OpenViolation]()
    networks: dict[Cause, frozenset[bytes] | None] = {}
    for violation, _ in opened:
        where = known.get(violation.id)
        if is_believed(violation.cause, where, disbelieved, proven=violation.id in proven):
            counted.append(violation)
            before = networks.get(violation.cause, frozenset())
            networks[violation.cause] = None if where is None or before is None else before | where
        else:
            left_out.append(violation)
    told = {cause: min(len(where), FEW) for cause, where in networks.items() if where is not None}
    return Believed(tuple(counted), tuple(left_out), told)


def _find_proven(connection: Connection, ids: list[int]) -> frozenset[int]:
    """Find which of these violations their certificates prove: checked signatures up to a public root."""
    violations = tables.violations.c
    proven = set[int]()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        query = select(violations.id).where(
            violations.id.in_(ids[start : start + _IDS_AT_ONCE]),
            violations.judgement["anchor"].as_string().in_(sorted(PROVING_ANCHORS)),
            violations.judgement["path_checkable"].as_boolean(),
        )
        proven.update(connection.scalars(query))
    return frozenset(proven)


def networks_of(
    connection: Connection, first_received: dict[int, int], *, by: datetime | None = None
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
