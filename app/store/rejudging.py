"""Violations that are judged again: what waits for it, read in pieces and written back.

::

    request ──> rejudgings ──find──> Run ──load_piece──> StoredViolation … ──(judged outside)──write_piece──> Run …
                                                                                                └──finish──> events

A piece is read in one transaction and written in another; between them nothing is locked, and whatever changed
meanwhile (the violation, the policy that speaks for it, the run) makes that part of the piece be read again.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, or_, select, true, update

from app.hpkp.judgement.judge import Judgement
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.store import host_rollups, tables
from app.store.events import add_event
from app.store.judgements import judged_columns
from app.store.locks import lock_inserts
from app.store.read.events import last_event
from app.store.read.fold_inputs import load_pinned_host
from app.store.read.reported import report_of_row
from app.store.upsert import insert_missing, replace_rows

logger = logging.getLogger(__name__)

ALL = ""
"""The run over the violations of all hosts."""
_KNOWLEDGE = "knowledge_changed"


@dataclass(frozen=True, slots=True)
class Run:
    """How far the judging of a host's violations (or of all) is; `tables.Rejudging` says what the members mean."""

    host: str
    knowledge: str
    cursor: int
    last_id: int
    judged: int
    changes: Mapping[str, int]
    moved: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class StoredViolation:
    """A violation as it was read to be judged again, under the policy that speaks for it.

    ``report`` is None if what is stored cannot be read as a report any more.
    """

    id: int
    host: str
    cause: str
    judged_at: int
    first_received_at: int
    report: ViolationReport | None
    pinned: str
    history: PolicyHistory


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A violation and its new judgement; None leaves it as it is."""

    violation: StoredViolation
    judgement: Judgement | None

    @property
    def changes_counts(self) -> bool:
        """Whether its reports are counted under another host or cause from now on."""
        cause = None if self.judgement is None else self.judgement.cause
        return cause is not None and (cause, self.violation.pinned) != (self.violation.cause, self.violation.host)


def request_rejudging(connection: Connection, host: str = ALL, *, knowledge: str = "", at: int) -> None:
    """Let the violations of a host and of the names below it be judged again, from the beginning where it is begun.

    To be called in the transaction that changes the policy: it keeps others from adding violations to its end, so that
    none is judged by what was before and passed over here.
    """
    lock_inserts(connection)
    before = find_run(connection, host)
    last_id = connection.scalar(select(func.max(tables.violations.c.id))) or 0
    row = {
        "host": host,
        "knowledge": knowledge,
        "requested_at": at,
        "cursor": 0,
        "last_id": last_id,
        "judged": before.judged if before else 0,
        "changes": before.changes if before else {},
        "moved": before.moved if before else [],
        "version": before.version + 1 if before else 0,
    }
    replace_rows(connection, tables.rejudgings, [row])


def request_if_knowledge_changed(connection: Connection, knowledge: str, *, at: int) -> bool:
    """Let all be judged again if they were last judged by other roots, catalogs or rules; whether any work is left."""
    lock_inserts(connection)
    last = last_event(connection, _KNOWLEDGE)
    pending = find_run(connection, ALL)
    if pending is None and last is not None and last.text == _describe(knowledge):
        return False
    if pending is None or pending.knowledge != knowledge:
        request_rejudging(connection, ALL, knowledge=knowledge, at=at)
    return True


def find_run(connection: Connection, host: str | None = None) -> Run | None:
    """Find the run of a host; without one any that is to be gone on with, those of single hosts first."""
    runs = tables.rejudgings.c
    query = select(tables.rejudgings).order_by(runs.host == ALL, runs.requested_at, runs.host).limit(1)
    if host is not None:
        query = query.where(runs.host == host)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Run(
        host=row.host,
        knowledge=row.knowledge,
        cursor=row.cursor,
        last_id=row.last_id,
        judged=row.judged,
        changes=row.changes,
        moved=tuple(row.moved),
        version=row.version,
    )


def list_runs(connection: Connection) -> list[str]:
    """Return the hosts with a run, `ALL` for the one over all hosts, in the order of `find_run`."""
    runs = tables.rejudgings.c
    return list(connection.scalars(select(runs.host).order_by(runs.host == ALL, runs.requested_at, runs.host)))


def count_waiting(connection: Connection, host: str = ALL) -> int:
    """Count the violations of a host (or all) that some run has still to judge again."""
    runs, of = tables.rejudgings.c, tables.violations.c
    # Mostly there is none, and then this reads one empty table.
    waiting = 0
    for row in connection.execute(select(runs.host, runs.cursor, runs.last_id)).all():
        in_run = (_within(row.host), of.id > row.cursor, of.id <= row.last_id)
        waiting += connection.scalar(select(func.count()).where(_within(host), *in_run)) or 0
    return waiting


def load_piece(connection: Connection, run: Run, *, limit: int) -> list[StoredViolation]:
    """Load the next violations of a run; none if all are judged."""
    of = tables.violations.c
    rows = connection.execute(
        select(tables.violations)
        .where(_within(run.host), of.id > run.cursor, of.id <= run.last_id)
        .order_by(of.id)
        .limit(limit)
    ).all()
    histories: _Histories = {}
    return [_load(connection, row, histories) for row in rows]


_Histories = dict[tuple[str, str | None], tuple[str, PolicyHistory]]


def _load(connection: Connection, row: Row[Any], histories: _Histories) -> StoredViolation:
    told = row.id, row.host, row.cause, row.judged_at, row.first_received_at
    try:
        report = report_of_row(connection, row)
        pinned, history = _speaks_for(connection, report, histories)
    except (ValueError, KeyError, TypeError):  # of the report, or of the policy of its host
        logger.exception("violation %s cannot be read and keeps its judgement", row.id)
        return StoredViolation(*told, None, row.host, PolicyHistory(()))
    return StoredViolation(*told, report, pinned, history)


def _speaks_for(connection: Connection, report: ViolationReport, histories: _Histories) -> tuple[str, PolicyHistory]:
    names = report.hostname, report.noted_hostname
    if names not in histories:
        histories[names] = load_pinned_host(connection, *names)
    return histories[names]


def write_piece(connection: Connection, run: Run, judged: Sequence[Rejudged], *, at: int) -> Run | None:
    """Write judgements in the order of their violations, and how far the run is; None if another one went on with it.

    Written is what comes before the first violation that was changed meanwhile, or whose policy was.
    """
    lock_inserts(connection)
    if not _is_current(connection, run):
        return None
    cursor, written = _unchanged(connection, run, judged)
    new = [
        (one.violation, one.judgement, one.violation.report)
        for one in written
        if one.judgement is not None and one.violation.report is not None
    ]
    recounted = [one.violation.id for one in written if one.changes_counts]
    moved = {name for v, *_ in new if v.pinned != v.host for name in (v.pinned, v.host)}
    changes = Counter(run.changes)
    changes.update(f"{v.cause} -> {judgement.cause}" for v, judgement, _ in new if judgement.cause != v.cause)

    hosts = [{"name": v.pinned, "first_seen_at": v.first_received_at} for v, *_ in new if v.pinned != v.host]
    if hosts:
        insert_missing(connection, tables.hosts, sorted(hosts, key=lambda row: str(row["name"])))
    host_rollups.subtract(connection, recounted)
    for violation, judgement, report in new:
        columns = judged_columns(judgement, report, received_at=violation.first_received_at)
        values = {"host": violation.pinned, **columns, "judged_at": at}
        connection.execute(update(tables.violations).where(tables.violations.c.id == violation.id).values(values))
    host_rollups.add(connection, recounted)
    return _advance(
        connection,
        run,
        cursor=cursor,
        judged=run.judged + len(new),
        changes=dict(changes),
        moved=sorted({*run.moved, *moved}),
    )


def _unchanged(connection: Connection, run: Run, judged: Sequence[Rejudged]) -> tuple[int, list[Rejudged]]:
    """Return what may be written of a piece, and the id up to which that is. Locks the violations."""
    of = tables.violations.c
    rows = connection.execute(
        select(of.id, of.host, of.cause, of.judged_at)
        .where(of.id.in_([one.violation.id for one in judged]))
        .order_by(of.id)
        .with_for_update(key_share=True)
    )
    there = {row.id: (row.host, row.cause, row.judged_at) for row in rows}
    histories: _Histories = {}
    cursor, unchanged = run.cursor, []
    for one in judged:
        was = one.violation
        if was.id in there:  # else it was deleted, and is done as well
            if there[was.id] != (was.host, was.cause, was.judged_at):
                break
            if was.report is not None:
                if _speaks_for(connection, was.report, histories) != (was.pinned, was.history):
                    break
                unchanged.append(one)
        cursor = was.id
    return cursor, unchanged


def recount_next(connection: Connection, run: Run) -> Run | None:
    """Count the clients of one host again that lost or got violations; None if another one went on with the run."""
    lock_inserts(connection)
    if not _is_current(connection, run):
        return None
    host_rollups.recount_clients(connection, run.moved[:1])
    return _advance(connection, run, moved=list(run.moved[1:]))


def finish(connection: Connection, run: Run, *, at: int) -> bool:
    """End a run whose violations are all judged, with an event that says what changed; False if it is not the last."""
    lock_inserts(connection)
    runs = tables.rejudgings.c
    ended = connection.execute(delete(tables.rejudgings).where(runs.host == run.host, runs.version == run.version))
    if ended.rowcount == 0:
        return False
    if run.judged:
        add_event(connection, "rejudged", describe(run), host=run.host or None, at=at)
    if run.knowledge:
        add_event(connection, _KNOWLEDGE, _describe(run.knowledge), at=at)
    return True


def describe(run: Run) -> str:
    """Say how many violations were judged again, and how many changed from which cause to which."""
    ordered = sorted(run.changes.items(), key=lambda change: (-change[1], change[0]))
    changed = ", ".join(f"{count:,} {change}" for change, count in ordered) or "no cause changed"
    return f"{run.judged:,} violation{'' if run.judged == 1 else 's'} re-evaluated: {changed}"


def _describe(knowledge: str) -> str:
    return f"Roots, catalogs and rules {knowledge}"


def _within(host: str) -> ColumnElement[bool]:
    """Whether a violation is counted under a host or reported for it or a name below it."""
    of = tables.violations.c
    if host == ALL:
        return true()
    return or_(of.host == host, of.hostname == host, of.hostname.endswith("." + host, autoescape=True))


def _is_current(connection: Connection, run: Run) -> bool:
    """Whether nobody went on with a run since it was read; keeps others from it to the end of the transaction."""
    runs = tables.rejudgings.c
    found = select(runs.version).where(runs.host == run.host).with_for_update()
    return connection.scalar(found) == run.version


def _advance(connection: Connection, run: Run, **values: Any) -> Run | None:
    runs = tables.rejudgings.c
    connection.execute(update(tables.rejudgings).where(runs.host == run.host).values(**values, version=run.version + 1))
    return find_run(connection, run.host)
