"""Sources that make room for others: their reports are counted under the empty source from then on.

App, version, platform and label come from unauthenticated senders, and there is room for a limited number of
combinations. Unused ones are deleted while little room is left, and those with few reports if the operator says so.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, delete, func, literal, select, update

from app.store import tables
from app.store.upsert import insert_missing, upsert_selected
from app.store.write.deletion import delete_in_pieces
from app.store.write.sources import NO_SOURCE
from app.store.write.values import FoldLimits

_AT_ONCE = 20
_FREE = 0.2
"""Share of the room below which sources expire."""


def expire_sources(engine: Engine, *, unused_since: int, limit: int = FoldLimits().sources) -> int:
    """Merge sources of which nothing was received since an instant, in milliseconds, if little room is left."""
    with engine.connect() as connection:
        there = connection.scalar(select(func.count()).select_from(tables.sources)) or 0
    if there < limit * (1 - _FREE):
        return 0
    return _merge(engine, func.max(tables.rollup_hours.c.hour) < unused_since)


def free_sources(engine: Engine, *, fewer_reports_than: int) -> int:
    """Merge sources with fewer reports; return how many."""
    return _merge(engine, func.sum(tables.rollup_hours.c.reports) < fewer_reports_than)


def _merge(engine: Engine, condition: object) -> int:
    sources, hours = tables.sources.c, tables.rollup_hours.c
    empty = [sources[name] == "" for name in NO_SOURCE._fields]
    query = (
        select(hours.source_id)
        .join(tables.sources, sources.id == hours.source_id)
        .group_by(hours.source_id)
        .having(condition)  # type: ignore[arg-type]
        .order_by(hours.source_id)
    )

    def find(connection: Connection) -> Sequence[int]:
        unnamed = set(connection.scalars(select(sources.id).where(*empty)))
        return [id_ for id_ in connection.scalars(query) if id_ not in unnamed]

    def merge(connection: Connection, ids: Sequence[int]) -> int:
        # Asked again: a fold may have counted reports of it since, but no fold runs now.
        still = list(connection.scalars(query.where(hours.source_id.in_(ids))))
        insert_missing(connection, tables.sources, [NO_SOURCE._asdict()])
        unnamed = connection.scalar(select(sources.id).where(*empty))
        moved = select(hours.violation_id, hours.hour, literal(unnamed), func.sum(hours.reports))
        moved = moved.where(hours.source_id.in_(still)).group_by(hours.violation_id, hours.hour)
        upsert_selected(connection, tables.rollup_hours, moved, add="reports")
        connection.execute(delete(tables.rollup_hours).where(hours.source_id.in_(still)))
        of_reports = tables.reports.c.source_id
        connection.execute(update(tables.reports).where(of_reports.in_(still)).values(source_id=unnamed))
        return connection.execute(delete(tables.sources).where(sources.id.in_(still))).rowcount

    return sum(delete_in_pieces(engine, find, merge, at_once=_AT_ONCE))
