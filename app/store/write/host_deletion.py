"""Deletion of a host with all that is stored of it, because an operator asked for it.

1. Single reports, then violations with their chains, in short transactions: ingest continues between them.
2. In one last transaction the violations that a fold added meanwhile, everything else, and the host itself. So the
   policy stays in force until then, and no fold judges by a policy that is half deleted.

If reports arrive afterwards, the host is listed again, without a policy.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, select

from app.store import tables
from app.store.engine import to_ms, writing
from app.store.events import add_event
from app.store.locks import lock_inserts
from app.store.write.deletion import ProbedChains, delete_by_key, delete_in_pieces, delete_violations
from app.store.write.values import DeletedHost

_REPORTS_AT_ONCE = 1000
_VIOLATIONS_AT_ONCE = 20

_OF_HOST = (
    tables.host_hours, tables.host_days, tables.host_clients, tables.policy_revisions, tables.live_keys,
    tables.exposures, tables.former_exposures, tables.app_releases, tables.control_pins, tables.control_exposures,
    tables.canaries, tables.verdicts, tables.decision_days, tables.alerts, tables.rejudgings, tables.overflow_days,
    tables.refusal_decisions, tables.events,
)  # fmt: skip
"""Tables with a column ``host`` whose rows go as they are; probes and violations take others with them."""


def count_host_data(connection: Connection, host: str) -> DeletedHost | None:
    """Count what a deletion would take; None for a host that is unknown."""
    if connection.scalar(select(tables.hosts.c.name).where(tables.hosts.c.name == host)) is None:
        return None
    violations = tables.violations.c
    row = connection.execute(
        select(func.count().label("violations"), func.coalesce(func.sum(violations.reports), 0).label("reports")).where(
            violations.host == host
        )
    ).one()
    revisions, days = (
        connection.scalar(select(func.count()).select_from(table).where(table.c.host == host)) or 0
        for table in (tables.policy_revisions, tables.exposures)
    )
    return DeletedHost(
        host, violations=row.violations, reports=int(row.reports), revisions=revisions, exposure_days=days
    )


def delete_host(engine: Engine, host: str, *, at: datetime, actor: str | None) -> DeletedHost | None:
    """Delete a host; return what went, or None if it was unknown. Stopped in between, it can be run again."""
    with engine.connect() as connection:
        counted = count_host_data(connection, host)
    if counted is None:
        return None
    violations, reports = tables.violations.c, tables.reports.c
    probed = ProbedChains()

    def find_reports(connection: Connection) -> Sequence[int]:
        of_host = select(violations.id).where(violations.host == host)
        return connection.scalars(
            select(reports.id).where(reports.violation_id.in_(of_host)).order_by(reports.id)
        ).all()

    def find_violations(connection: Connection) -> Sequence[int]:
        return connection.scalars(select(violations.id).where(violations.host == host).order_by(violations.id)).all()

    def delete_some(connection: Connection, ids: Sequence[int]) -> int:
        # A policy that was set meanwhile may have moved some of them to another host.
        still = connection.scalars(select(violations.id).where(violations.id.in_(ids), violations.host == host)).all()
        return delete_violations(connection, still, probed)

    for _ in delete_in_pieces(engine, find_reports, delete_by_key(reports.id), at_once=_REPORTS_AT_ONCE):
        pass
    for _ in delete_in_pieces(engine, find_violations, delete_some, at_once=_VIOLATIONS_AT_ONCE):
        pass
    with writing(engine) as connection:
        lock_inserts(connection)
        delete_violations(connection, find_violations(connection), probed)
        _delete_rest(connection, host)
        add_event(
            connection,
            "host_deleted",
            f"{host} was deleted with {counted.violations:,} violations, {counted.reports:,} reports and "
            f"{counted.revisions:,} policy revisions",
            host=None,  # an event of the host itself would have gone with it
            at=to_ms(at),
            actor=actor,
        )
    return counted


def _delete_rest(connection: Connection, host: str) -> None:
    """Delete what is left when the violations are gone, and the host."""
    probes = tables.probes.c
    of_host = select(probes.id).where(probes.host == host)
    connection.execute(delete(tables.probe_looks).where(tables.probe_looks.c.probe_id.in_(of_host)))
    connection.execute(delete(tables.probes).where(probes.host == host))
    for table in _OF_HOST:
        connection.execute(delete(table).where(table.c.host == host))
    connection.execute(delete(tables.hosts).where(tables.hosts.c.name == host))
