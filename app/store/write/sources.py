"""Where reports came from: app, version, platform and label, each combination once and bounded in number."""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, func, select, tuple_

from app.store import tables
from app.store.text_sanitizing import storable
from app.store.upsert import insert_missing
from app.store.write.values import ReportSource

_SOURCES = tables.sources
_COLUMNS = tuple(_SOURCES.c[name] for name in ReportSource._fields)
_AT_ONCE = 100
NO_SOURCE = ReportSource()


def resolve_sources(connection: Connection, wanted: Collection[ReportSource], *, limit: int) -> dict[ReportSource, int]:
    """Return the ids of sources, adding those that are new; beyond the limit they share the empty one.

    Several folds at once may each add up to the limit: it bounds disk, and no count depends on it.
    """
    # As the store keeps them: a text with a NUL would not be found again.
    stored = {source: ReportSource(*storable(tuple(source))) for source in wanted}
    found = _find(connection, set(stored.values()))
    missing = sorted(set(stored.values()) - found.keys())
    if missing:
        found |= _add(connection, missing, limit)
    return {source: found[stored[source]] for source in wanted}


def _find(connection: Connection, wanted: Iterable[ReportSource]) -> dict[ReportSource, int]:
    keys = sorted(wanted)
    found: dict[ReportSource, int] = {}
    for start in range(0, len(keys), _AT_ONCE):
        some = [tuple(key) for key in keys[start : start + _AT_ONCE]]
        rows = connection.execute(select(_SOURCES.c.id, *_COLUMNS).where(tuple_(*_COLUMNS).in_(some)))
        found |= {ReportSource(*key): id_ for id_, *key in rows}
    return found


def _add(connection: Connection, missing: list[ReportSource], limit: int) -> dict[ReportSource, int]:
    """Add sources in the order of their keys, as far as there is room; the rest gets the empty source's id."""
    room = limit - (connection.scalar(select(func.count()).select_from(_SOURCES)) or 0)
    room -= NO_SOURCE in missing
    added = [source for source in missing if source != NO_SOURCE][: max(room, 0)]
    rest = set(missing) - set(added)
    new = sorted({*added, NO_SOURCE} if rest else added)
    insert_missing(connection, _SOURCES, [source._asdict() for source in new])
    found = _find(connection, new)
    return found | dict.fromkeys(rest, found.get(NO_SOURCE, 0))
