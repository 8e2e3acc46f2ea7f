"""Violations that are new: stored with hosts and chains, if they were judged with the policies that are there now."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection

from app.hpkp.pinned_host import find_pinned_host
from app.hpkp.user_agents.senders import mode_of
from app.hpkp.violation import app_of, chain_digest
from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.judgements import judged_columns
from app.store.read.fold_inputs import find_violations, load_histories_for
from app.store.upsert import insert_missing
from app.store.write.chains import insert_chains
from app.store.write.values import JudgedViolation


def find_judged_with_old_policy(connection: Connection, judged: Collection[JudgedViolation]) -> frozenset[str]:
    """Return the hosts for which another policy answers now than the one with which a violation was judged.

    Compares the whole history with the live keys, because all of it can change a judgement.
    """
    names = {(violation.report.hostname, violation.report.noted_hostname) for violation in judged}
    histories = load_histories_for(connection, names)
    now = {name: find_pinned_host(*name, histories) for name in names}
    return frozenset(
        violation.host
        for violation in judged
        if now[violation.report.hostname, violation.report.noted_hostname] != (violation.host, violation.history)
    )


def add_violations(connection: Connection, judged: Sequence[JudgedViolation]) -> dict[bytes, int]:
    """Add violations that are missing; return the ids of all of them by identity.

    Another fold may add the same ones at once: everything is inserted in the order of its keys, and whoever is second
    waits and then finds the rows.
    """
    if not judged:
        return {}
    by_identity = {violation.identity: violation for violation in reversed(judged)}
    ordered = [violation for _, violation in sorted(by_identity.items())]
    first_seen: dict[str, int] = {}
    for violation in ordered:
        first_seen[violation.host] = min(violation.received_at, first_seen.get(violation.host, violation.received_at))
    hosts = [{"name": host, "first_seen_at": at} for host, at in sorted(first_seen.items())]
    insert_missing(connection, tables.hosts, hosts)
    chains = (chain for v in ordered for chain in (v.report.served_chain, v.report.validated_chain))
    insert_chains(connection, [chain for chain in chains if chain is not None])
    insert_missing(connection, tables.violations, [_row(violation) for violation in ordered])
    return {identity: known.id for identity, known in find_violations(connection, by_identity).items()}


def _row(violation: JudgedViolation) -> dict[str, Any]:
    report, at = violation.report, violation.received_at
    in_force = violation.history.in_force(from_ms(at))
    return {
        "identity": violation.identity,
        "host": violation.host,
        "hostname": report.hostname,
        "port": report.port,
        "noted_hostname": report.noted_hostname,
        "include_subdomains": report.include_subdomains,
        "mode": _text(mode_of(report.sender, report.mode) or (in_force.mode if in_force else None)),
        "sender": _text(report.sender),
        "sender_result": _text(report.sender_result),
        "known_pins": [str(pin) for pin in report.known_pins],
        "unreadable_pins": list(report.unreadable_pins),
        "contradictions": list(report.contradictions),
        "app": app_of(report) or None,
        "served_chain": None if report.served_chain is None else chain_digest(report.served_chain),
        "validated_chain": None if report.validated_chain is None else chain_digest(report.validated_chain),
        "date_time": None if report.date_time is None else to_ms(report.date_time),
        **judged_columns(violation.judgement, report, received_at=at),
        "judged_at": violation.judged_at,
        "first_received_at": at,
        "last_received_at": at,
        "reports": 0,
        "raw_bodies": 0,
        "status": "open",
        "note": "",
    }


def _text(value: str | None) -> str | None:
    """Return the plain text of an enumeration's member, which is what the drivers take."""
    return None if value is None else str(value)
