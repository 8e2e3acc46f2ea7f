"""Releases of apps and their installs, as values."""

from binascii import a2b_base64
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from app.hpkp.app_pins.forms import FORMS, Form, PinKind, PinMode, Scope
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.hpkp.hosts import superdomains
from app.store import tables
from app.store.engine import from_ms, to_ms


def list_releases(connection: Connection, *, app: str | None = None, version: str | None = None) -> list[AppRelease]:
    """Return releases of an app or of all, by app, platform and when they were recorded first."""
    releases = tables.registered_releases
    query = select(releases)
    if app is not None:
        query = query.where(releases.c.app == app)
    if version is not None:
        query = query.where(releases.c.version == version)
    return _with_layers(connection, connection.execute(query.order_by(*_ORDER)).all())


def list_releases_pinning(connection: Connection, host: str) -> list[AppRelease]:
    """Return the releases with an entry whose name is the host or one above it; not all of them cover it."""
    return [release for release in _list_near(connection, (host, *superdomains(host))) if release.pins_host(host)]


def find_releases_pinning(connection: Connection, hosts: Collection[str]) -> dict[str, tuple[AppRelease, ...]]:
    """Find the releases that pin each of some hosts; only hosts that are pinned. Most stores have no entry at all."""
    if not hosts or connection.scalar(select(tables.pin_entries.c.id).limit(1)) is None:
        return {}
    names = sorted({name for host in hosts for name in (host, *superdomains(host))})
    near = {
        str(release): release
        for start in range(0, len(names), _AT_ONCE)
        for release in _list_near(connection, names[start : start + _AT_ONCE])
    }
    ordered = [near[name] for name in sorted(near)]
    found = {host: tuple(release for release in ordered if release.pins_host(host)) for host in hosts}
    return {host: releases for host, releases in found.items() if releases}


def list_releases_near(connection: Connection, host: str, *, known_by: datetime | None = None) -> list[AppRelease]:
    """Return the releases with an entry for the host, a name above it or a name below it, as they were recorded."""
    entries = tables.pin_entries
    below = connection.scalars(
        select(entries.c.name).where(entries.c.name.endswith("." + host, autoescape=True)).distinct()
    )
    found = _list_near(connection, (host, *superdomains(host), *below))
    return [one for one in found if known_by is None or one.recorded_at is None or one.recorded_at <= known_by]


def _list_near(connection: Connection, names: Sequence[str]) -> list[AppRelease]:
    """Return the releases with an entry of one of these names."""
    entries, layers, releases = tables.pin_entries, tables.pin_layers, tables.registered_releases
    near = select(layers.c.release_id).join(entries, entries.c.layer_id == layers.c.id).where(entries.c.name.in_(names))
    rows = connection.execute(select(releases).where(releases.c.id.in_(near)).order_by(*_ORDER)).all()
    return _with_layers(connection, rows)


_AT_ONCE = 500

_ORDER = (
    tables.registered_releases.c.app,
    tables.registered_releases.c.platform,
    tables.registered_releases.c.id,
)


def _with_layers(connection: Connection, rows: Sequence[Row[Any]]) -> list[AppRelease]:
    layers, entries = tables.pin_layers, tables.pin_entries
    ids = [row.id for row in rows]
    of_release: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for layer in connection.execute(select(layers).where(layers.c.release_id.in_(ids)).order_by(layers.c.id)):
        of_release[layer.release_id].append(layer)
    layer_ids = [layer.id for found in of_release.values() for layer in found]
    of_layer: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for entry in connection.execute(select(entries).where(entries.c.layer_id.in_(layer_ids)).order_by(entries.c.id)):
        of_layer[entry.layer_id].append(entry)
    return [
        AppRelease(
            row.app,
            row.version,
            Platform(row.platform),
            tuple(_layer(layer, of_layer[layer.id]) for layer in of_release[row.id]),
            tuple(row.builds),
            None if row.shipped_at is None else from_ms(row.shipped_at),
            None if row.retired_at is None else from_ms(row.retired_at),
            from_ms(row.recorded_at),
        )
        for row in rows
    ]


def _layer(row: Row[Any], entries: Iterable[Row[Any]]) -> PinLayer:
    form = Form(row.form)
    kind = FORMS[form].kind
    return PinLayer(form, tuple(_entry(entry, kind) for entry in entries), row.local_roots_bypass)


def _entry(row: Row[Any], kind: PinKind) -> PinEntry:
    lists = {
        name: tuple(CarriedPin(a2b_base64(text), kind) for text in row.pins.get(name, ()))
        for name in ("pins", "leaf_pins", "ca_pins")
    }
    return PinEntry(
        row.name,
        Scope(row.scope),
        PinMode(row.mode),
        lists["pins"],
        lists["leaf_pins"],
        lists["ca_pins"],
        None if row.expires_on is None else date.fromisoformat(row.expires_on),
        tuple(row.report_uris),
        row.reports_to_vendor,
    )


def list_installs(
    connection: Connection, apps: Iterable[str], *, known_by: datetime | None = None
) -> list[InstallCount]:
    """Return all counts of installs of some apps, by day; with ``known_by`` those that were recorded by then."""
    installs, named = tables.installs, sorted(set(apps))
    if not named:
        return []
    query = select(installs).where(installs.c.app.in_(named)).order_by(installs.c.day, installs.c.version)
    if known_by is not None:
        query = query.where(installs.c.recorded_at <= to_ms(known_by))
    rows = connection.execute(query)
    return [
        InstallCount(
            row.app,
            Platform(row.platform),
            from_ms(row.day).date(),
            row.total,
            row.version,
            row.build,
            row.source,
            row.is_lower_bound,
        )
        for row in rows
    ]
