"""What hosts were seen to serve, and the leaf keys that this showed to be theirs."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from app.hpkp.pins import Pin
from app.hpkp.probe_result import Probe, ProbedHost
from app.hpkp.violation import chain_digest
from app.hpkp.wording import count
from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event
from app.store.locks import lock_for_fold
from app.store.policies import live_keys_of
from app.store.read.probes import last_probe_row
from app.store.upsert import insert_missing
from app.store.write.chains import insert_chains

_KEPT_PER_HOST = 1000
_LOOKS_KEPT = 20_000
"""Of looks that saw the same: two years of one an hour."""


def add_probe(connection: Connection, live: ProbedHost) -> frozenset[Pin]:
    """Record a look at a host; what differs from the look before is an event. Returns leaf keys not seen before."""
    probe = live.probe
    at, seen = to_ms(probe.at), _as_json(probe)
    before = last_probe_row(connection, probe.host)
    if before is not None and before.seen == seen and before.port == probe.port:
        row = tables.probes.c.id == before.id
        connection.execute(update(tables.probes).where(row).values(last_at=at, looks=before.looks + 1))
        _add_look(connection, before.id, at)
        return frozenset()
    lock_for_fold(connection, alone=False)  # a chain that nothing refers to yet is not deleted meanwhile
    insert_chains(connection, [chain for endpoint in probe.endpoints for chain in endpoint.chains])
    reached = last_probe_row(connection, probe.host, reached=True)
    events = [
        *(_changes(None if reached is None else reached.seen, seen) if live.chains else ()),
        *_failures(before is not None and bool(_faults(before.seen)), _faults(seen)),
    ]
    added = connection.scalar(
        insert(tables.probes)
        .values(
            host=probe.host,
            port=probe.port,
            first_at=at,
            last_at=at,
            looks=1,
            reached=bool(live.chains),
            seen=seen,
        )
        .returning(tables.probes.c.id)
    )
    _add_look(connection, added, at)
    for kind, text in events:
        add_event(connection, kind, text, host=probe.host, at=at)
    _delete_old(connection, probe.host)
    new = live.leaf_pins - live_keys_of(connection, probe.host)
    if new:
        rows = [{"host": probe.host, "pin": str(pin), "first_seen_at": at} for pin in sorted(new)]
        insert_missing(connection, tables.live_keys, rows)
    return new


def _add_look(connection: Connection, probe_id: int | None, at: int) -> None:
    """Keep when a look was, of a bounded number of looks that saw the same."""
    looks = tables.probe_looks
    insert_missing(connection, looks, [{"probe_id": probe_id, "at": at}])
    of_row = looks.c.probe_id == probe_id
    oldest_kept = select(looks.c.at).where(of_row).order_by(looks.c.at.desc()).offset(_LOOKS_KEPT).limit(1)
    if (too_old := connection.scalar(oldest_kept)) is not None:
        connection.execute(delete(looks).where(of_row, looks.c.at <= too_old))


def _delete_old(connection: Connection, host: str) -> None:
    """Keep the newest looks of a host, for one whose answers never stay the same."""
    kept = (
        select(tables.probes.c.id)
        .where(tables.probes.c.host == host)
        .order_by(tables.probes.c.last_at.desc(), tables.probes.c.id.desc())
        .offset(_KEPT_PER_HOST)
    )
    connection.execute(delete(tables.probe_looks).where(tables.probe_looks.c.probe_id.in_(kept)))
    connection.execute(delete(tables.probes).where(tables.probes.c.id.in_(kept)))


def _as_json(probe: Probe) -> dict[str, Any]:
    """Return what was seen, in an order of its own: that of the addresses in an answer of the DNS changes."""
    return {
        "fault": probe.fault,
        "endpoints": [
            {
                "address": endpoint.address,
                "chains": sorted(chain_digest(chain).hex() for chain in endpoint.chains),
                "answers": [
                    {
                        "path": answer.path,
                        "status": answer.status,
                        "enforcing": list(answer.enforcing),
                        "report_only": list(answer.report_only),
                    }
                    for answer in endpoint.answers
                ],
                "faults": list(endpoint.faults),
            }
            for endpoint in sorted(probe.endpoints, key=lambda endpoint: endpoint.address)
        ],
    }


def _changes(before: dict[str, Any] | None, now: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Say what is served otherwise than when a chain was last seen: events by kind."""
    if before is None or _chains(now) != _chains(before):
        what = "was seen for the first time" if before is None else "changed"
        chains = count(len(_chains(now)), "chain")
        addresses = count(len(now["endpoints"]), "address", "addresses")
        yield "served_chain_changed", f"The served chain {what}: {chains} at {addresses}"
    fields = _fields(now)
    known = set[str]() if before is None else _fields(before)
    if fields != known:
        shown = sorted(fields - known or fields)
        what = f"such as {shown[0][:300]}" if shown else "there is none any more"
        yield "served_header_changed", f"The pinning fields served changed: {what}"


def _failures(failed_before: bool, faults: list[str]) -> Iterator[tuple[str, str]]:
    if faults and not failed_before:
        yield "probe_failed", f"Not everything could be looked at: {faults[0][:300]}"
    if failed_before and not faults:
        yield "probe_recovered", "Everything could be looked at again"


def _chains(seen: dict[str, Any]) -> set[str]:
    return {digest for endpoint in seen["endpoints"] for digest in endpoint["chains"]}


def _fields(seen: dict[str, Any]) -> set[str]:
    answers = [answer for endpoint in seen["endpoints"] for answer in endpoint["answers"]]
    return {value for answer in answers for value in (*answer["enforcing"], *answer["report_only"])}


def _faults(seen: dict[str, Any]) -> list[str]:
    own = [seen["fault"]] if seen["fault"] else []
    return own + [f"{e['address']} {fault}" for e in seen["endpoints"] for fault in e["faults"]]
