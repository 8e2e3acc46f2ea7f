"""What nothing refers to any more, and what unauthenticated senders have left: deleted in short transactions.

Certificates, chains and sources without references; hosts without a policy of which nothing was reported for long; and
overflow after its time. Policies, exposures and what belongs to hosts with a policy stay.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, delete, select

from app.store import tables
from app.store.write.deletion import (
    ProbedChains,
    delete_by_key,
    delete_chains,
    delete_in_pieces,
    delete_violations,
    is_in_no_chain,
)

_CHAINS_AT_ONCE = 100
_ROWS_AT_ONCE = 1000
_SOURCES_AT_ONCE = 100
_VIOLATIONS_AT_ONCE = 20
_HOSTS_AT_ONCE = 5

Progress = Callable[[str, int], None]
"""Told what was deleted and how many, after every transaction."""

_OF_HOSTS = (
    tables.host_hours, tables.host_days, tables.host_clients, tables.verdicts, tables.decision_days, tables.live_keys,
    tables.canaries, tables.former_exposures, tables.refusal_decisions,
)  # fmt: skip
"""What goes with a host that is deleted."""
_KEEPS_HOST = (
    tables.policy_revisions, tables.violations, tables.exposures, tables.app_releases, tables.probes,
    tables.control_pins, tables.control_exposures,
)  # fmt: skip
"""A host with a row in one of these stays."""


def prune_unused(
    engine: Engine, *, hosts_unused_since: int | None, progress: Progress = lambda what, count: None
) -> dict[str, int]:
    """Delete what nothing refers to; return how much, by kind. May be stopped between any two transactions.

    With ``hosts_unused_since``, in milliseconds, also hosts without a policy, and their violations, of which nothing
    was received since.
    """
    removed: dict[str, int] = {}
    steps: list[tuple[str, Iterator[int]]] = []
    if hosts_unused_since is not None:
        steps += [
            ("violations", _delete_violations_of_unregistered(engine, hosts_unused_since)),
            ("hosts", delete_unregistered_hosts(engine, hosts_unused_since)),
        ]
    steps += [
        ("chains", _delete_unused_chains(engine)),
        ("certificates", _delete_unused_certificates(engine)),
        ("sources", _delete_unused_sources(engine)),
    ]
    for what, pieces in steps:
        for count in pieces:
            removed[what] = removed.get(what, 0) + count
            progress(what, count)
    return removed


def prune_overflow(engine: Engine, *, before: int) -> int:
    """Delete the overflow of days before an instant, in milliseconds; return how many rows."""
    days = tables.overflow_days.c
    old = select(days.day).where(days.day < before).distinct()
    return sum(delete_in_pieces(engine, _scalars(old), delete_by_key(days.day), at_once=1))


def _delete_violations_of_unregistered(engine: Engine, since: int) -> Iterator[int]:
    """Delete violations of hosts without a policy of which nothing was received since; their single reports first."""
    violations, reports = tables.violations.c, tables.reports.c
    unused = (violations.last_received_at < since, ~_has(tables.policy_revisions, violations.host))
    of_unused = (
        select(reports.id)
        .join(tables.violations, violations.id == reports.violation_id)
        .where(*unused)
        .order_by(reports.id)
    )
    for _ in delete_in_pieces(engine, _scalars(of_unused), delete_by_key(reports.id), at_once=_ROWS_AT_ONCE):
        pass

    probed = ProbedChains()

    def delete_some(connection: Connection, ids: Sequence[int]) -> int:
        still = connection.scalars(select(violations.id).where(violations.id.in_(ids), *unused)).all()
        return delete_violations(connection, still, probed)

    yield from delete_in_pieces(
        engine,
        _scalars(select(violations.id).where(*unused).order_by(violations.id)),
        delete_some,
        at_once=_VIOLATIONS_AT_ONCE,
    )


def delete_unregistered_hosts(engine: Engine, since: int) -> Iterator[int]:
    """Delete hosts first seen before an instant, in milliseconds, that have neither policy nor violations.

    Their counts go with them; their overflow stays.
    """
    hosts = tables.hosts.c
    unused = [hosts.first_seen_at < since, *(~_has(table, hosts.name) for table in _KEEPS_HOST)]

    def delete_some(connection: Connection, names: Sequence[str]) -> int:
        still = connection.scalars(select(hosts.name).where(hosts.name.in_(names), *unused)).all()
        for table in _OF_HOSTS:
            connection.execute(delete(table).where(table.c.host.in_(still)))
        return connection.execute(delete(tables.hosts).where(hosts.name.in_(still))).rowcount

    find = _scalars(select(hosts.name).where(*unused).order_by(hosts.name))
    yield from delete_in_pieces(engine, find, delete_some, at_once=_HOSTS_AT_ONCE)


def _has(table: Any, host: Any) -> Any:
    """Return the condition that a host has a row in a table."""
    return select(table.c.host).where(table.c.host == host).exists()


def _delete_unused_chains(engine: Engine) -> Iterator[int]:
    chains, violations = tables.chains.c, tables.violations.c
    unused = [
        ~select(violations.id).where(column == chains.digest).exists()
        for column in (violations.served_chain, violations.validated_chain)
    ]

    probed = ProbedChains()

    def delete_some(connection: Connection, digests: Sequence[bytes]) -> int:
        return delete_chains(connection, digests, probed)

    find = _scalars(select(chains.digest).where(*unused).order_by(chains.digest))
    yield from delete_in_pieces(engine, find, delete_some, at_once=_CHAINS_AT_ONCE)


def _delete_unused_certificates(engine: Engine) -> Iterator[int]:
    """Delete certificates that no chain contains: `delete_chains` leaves none, but stores had them before it."""
    sha256 = tables.certificates.c.sha256
    find = _scalars(select(sha256).where(is_in_no_chain()))
    yield from delete_in_pieces(engine, find, delete_by_key(sha256, is_in_no_chain()), at_once=_ROWS_AT_ONCE)


def _delete_unused_sources(engine: Engine) -> Iterator[int]:
    sources = tables.sources.c
    unused = [
        ~select(table.c.source_id).where(table.c.source_id == sources.id).exists()
        for table in (tables.rollup_hours, tables.reports)
    ]
    find = _scalars(select(sources.id).where(*unused))
    yield from delete_in_pieces(engine, find, delete_by_key(sources.id, *unused), at_once=_SOURCES_AT_ONCE)


def _scalars(query: Any) -> Callable[[Connection], Sequence[Any]]:
    return lambda connection: connection.scalars(query).all()
