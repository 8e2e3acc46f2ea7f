"""Writes releases of apps and their installs."""

from collections.abc import Iterable
from datetime import UTC, datetime, time

from sqlalchemy import Connection, delete, insert, select, update

from app.hpkp.app_pins.model import PinEntry, PinLayer
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.store import tables
from app.store.engine import to_ms
from app.store.upsert import replace_rows


def record_release(connection: Connection, release: AppRelease, *, at: datetime) -> None:
    """Record a release, in place of what was recorded of it before; whether it is retired stays."""
    releases = tables.registered_releases
    key = (
        releases.c.app == release.app,
        releases.c.platform == release.platform,
        releases.c.version == release.version,
    )
    values = {
        "builds": list(release.builds),
        "shipped_at": None if release.shipped_at is None else to_ms(release.shipped_at),
        "recorded_at": to_ms(at),
    }
    known = connection.scalar(select(releases.c.id).where(*key).with_for_update())
    if known is None:
        names = {"app": release.app, "platform": release.platform.value, "version": release.version}
        known = connection.execute(insert(releases).values(**names, **values).returning(releases.c.id)).scalar_one()
    else:
        connection.execute(update(releases).where(releases.c.id == known).values(**values))
        _delete_layers(connection, known)
    for layer in release.layers:
        _add_layer(connection, known, layer)


def _delete_layers(connection: Connection, release_id: int) -> None:
    layers, entries = tables.pin_layers, tables.pin_entries
    of_release = select(layers.c.id).where(layers.c.release_id == release_id)
    connection.execute(delete(entries).where(entries.c.layer_id.in_(of_release)))
    connection.execute(delete(layers).where(layers.c.release_id == release_id))


def _add_layer(connection: Connection, release_id: int, layer: PinLayer) -> None:
    added = insert(tables.pin_layers).values(
        release_id=release_id, form=layer.form.value, local_roots_bypass=layer.local_roots_bypass
    )
    layer_id = connection.execute(added.returning(tables.pin_layers.c.id)).scalar_one()
    if layer.entries:
        connection.execute(insert(tables.pin_entries), [_values(layer_id, entry) for entry in layer.entries])


def _values(layer_id: int, entry: PinEntry) -> dict[str, object]:
    lists = {"pins": entry.pins, "leaf_pins": entry.leaf_pins, "ca_pins": entry.ca_pins}
    return {
        "layer_id": layer_id,
        "name": entry.name,
        "scope": entry.scope.value,
        "mode": entry.mode.value,
        "pins": {name: list(map(str, pins)) for name, pins in lists.items() if pins},
        "expires_on": None if entry.expires_on is None else entry.expires_on.isoformat(),
        "report_uris": list(entry.report_uris),
        "reports_to_vendor": entry.reports_to_vendor,
    }


def retire_release(connection: Connection, app: str, platform: Platform, version: str, *, at: datetime | None) -> bool:
    """Set since when no install of a release matters, None to take that back; whether there is such a release."""
    releases = tables.registered_releases
    changed = connection.execute(
        update(releases)
        .where(releases.c.app == app, releases.c.platform == platform, releases.c.version == version)
        .values(retired_at=None if at is None else to_ms(at))
    )
    return changed.rowcount > 0


def record_installs(connection: Connection, counts: Iterable[InstallCount], *, at: datetime) -> int:
    """Record counts, each in place of what was known of its day and version or build; return how many."""
    rows = [
        {
            "app": count.app,
            "platform": count.platform.value,
            "day": to_ms(datetime.combine(count.day, time(), UTC)),
            "version": count.version,
            "build": count.build,
            "total": count.count,
            "source": count.source,
            "is_lower_bound": count.is_lower_bound,
            "recorded_at": to_ms(at),
        }
        for count in counts
    ]
    if rows:
        replace_rows(connection, tables.installs, rows)
    return len(rows)
