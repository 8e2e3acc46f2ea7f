"""What hosts were seen to serve, as it is read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, Probe, serves_policy
from app.hpkp.readiness.evidence_days import HeaderLook
from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.read.reported import load_chain


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """One look at a host: which one, and what it saw, as it is stored. Two looks with the same key saw the same."""

    probe_id: int
    at: int
    host: str
    port: int
    seen: Mapping[str, Any]

    @property
    def key(self) -> tuple[int, int]:
        """Cache key: the row of what it saw, and when it was in milliseconds."""
        return self.probe_id, self.at


def find_probe_run(connection: Connection, host: str, *, until: datetime | None = None) -> ProbeRun | None:
    """Find the last look at a host, or None; with ``until`` the last one that is known to have been by then."""
    row = last_probe_row(connection, host, until=until)
    if row is None:
        return None
    at = row.last_at if until is None or row.last_at <= to_ms(until) else _last_look(connection, row, until)
    return ProbeRun(row.id, at, row.host, row.port, row.seen)


def find_probe_runs_before(connection: Connection, run: ProbeRun, *, most: int = 50) -> Iterator[ProbeRun]:
    """Yield what was seen of a host before a look and a chain was among it, the latest first."""
    probes = tables.probes.c
    query = (
        select(tables.probes)
        .where(probes.host == run.host, probes.reached, probes.first_at < run.at, probes.id != run.probe_id)
        .order_by(probes.last_at.desc(), probes.id.desc())
        .limit(most)
    )
    for row in connection.execute(query):
        yield ProbeRun(row.id, min(row.last_at, run.at), row.host, row.port, row.seen)


def list_header_looks(
    connection: Connection,
    host: str,
    policy: PinningPolicy,
    control_pins: frozenset[Pin],
    *,
    since: datetime,
    until: datetime,
) -> tuple[HeaderLook, ...]:
    """List the looks of a window that got answers, in order of time: whether the policy's own header was served.

    Of looks that were not kept one by one, the first and the last that saw the same are known.
    """
    probes, looks = tables.probes.c, tables.probe_looks.c
    window = to_ms(since), to_ms(until)
    rows = connection.execute(
        select(tables.probes).where(
            probes.host == host, probes.last_at >= window[0], probes.first_at <= window[1], probes.reached
        )
    ).all()
    served = {row.id: serves_policy(policy, _endpoints(row.seen), control_pins=control_pins) for row in rows}
    kept = connection.execute(
        select(looks.probe_id, looks.at).where(looks.probe_id.in_(served), looks.at.between(*window))
    )
    ends = [(row.id, at) for row in rows for at in (row.first_at, row.last_at) if window[0] <= at <= window[1]]
    found = {(at, id_) for id_, at in [*((row.probe_id, row.at) for row in kept), *ends]}
    return tuple(HeaderLook(from_ms(at), told) for at, id_ in sorted(found) if (told := served[id_]) is not None)


def _endpoints(seen: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Read the endpoints of a look as stored, without their chains."""
    return tuple(
        Endpoint(
            address=stored["address"],
            answers=tuple(
                Answer(answer["path"], answer["status"], tuple(answer["enforcing"]), tuple(answer["report_only"]))
                for answer in stored["answers"]
            ),
            faults=tuple(stored["faults"]),
        )
        for stored in seen["endpoints"]
    )


def load_probe(connection: Connection, run: ProbeRun) -> Probe:
    """Load what a look saw."""
    endpoints = tuple(
        replace(
            endpoint, chains=tuple(load_chain(connection, bytes.fromhex(digest)) or () for digest in stored["chains"])
        )
        for endpoint, stored in zip(_endpoints(run.seen), run.seen["endpoints"], strict=True)
    )
    return Probe(Host(run.host), run.port, from_ms(run.at), endpoints, run.seen["fault"])


def _last_look(connection: Connection, row: Row[Any], until: datetime) -> int:
    """Return when the last look by then was that saw what a row says; of looks that were not kept, the first."""
    looks = tables.probe_looks.c
    found = connection.scalar(select(func.max(looks.at)).where(looks.probe_id == row.id, looks.at <= to_ms(until)))
    return int(row.first_at if found is None else found)


def hosts_not_probed_since(connection: Connection, moment: datetime, *, until: datetime) -> list[Host]:
    """Return the hosts that ever had a policy and were not looked at between two moments.

    A look from the future, when the clock was ahead, must not keep a host from being looked at until then.
    """
    policies, probes = tables.policy_revisions.c, tables.probes.c
    between = probes.last_at > to_ms(moment), probes.last_at <= to_ms(until)
    seen = select(probes.id).where(probes.host == policies.host, *between).exists()
    return list(map(Host, connection.scalars(select(policies.host).where(~seen).distinct().order_by(policies.host))))


def last_probe_row(
    connection: Connection, host: str, *, reached: bool = False, until: datetime | None = None
) -> Row[Any] | None:
    """Return the newest row of a host; with ``reached``, of those that saw a chain."""
    query = select(tables.probes).where(tables.probes.c.host == host)
    if reached:
        query = query.where(tables.probes.c.reached)
    if until is not None:
        query = query.where(tables.probes.c.first_at <= to_ms(until))
    return connection.execute(
        query.order_by(tables.probes.c.last_at.desc(), tables.probes.c.id.desc()).limit(1)
    ).first()
