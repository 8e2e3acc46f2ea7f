"""The evidence of a window, as it is known now or as it was known at a past moment.

1. Count the violations of the window, with the status that each has or had.
2. Those that are open, or were reported again after they were set to resolved, count. As of a past moment, those that
   were judged since are judged again under the policy of then.
3. Leave out what the operator does not believe (`app.hpkp.readiness.sources`).
4. Reopen what has grown beyond what was decided on (`app.hpkp.readiness.decisions`).

What was deleted by age since a past moment is not known any more.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from app.hpkp.clients import ClientCount
from app.hpkp.exposure import ExposedDay, add_up
from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.policy import Mode, PolicyHistory
from app.hpkp.readiness import Evidence, Group, OpenViolation
from app.hpkp.readiness.decisions import find_outgrown_causes
from app.hpkp.readiness.evidence import LockedOut
from app.hpkp.readiness.sources import Believed, believe
from app.hpkp.violation_status import OPEN, Status
from app.store import tables
from app.store.canaries import last_canary
from app.store.engine import from_ms, to_ms
from app.store.read.control import gather_control
from app.store.read.counted_violations import (
    CountedViolation,
    count_busiest_day,
    count_by_release,
    count_clients,
    count_violations,
    find_sketches,
    list_ignored,
)
from app.store.read.exposures import list_exposure
from app.store.read.filters import Filter
from app.store.read.networks import find_networks, find_proven
from app.store.read.reported import report_of_row
from app.store.read.statuses import find_decisions, reported_again, statuses_at
from app.store.read.window import Window
from app.store.sketches import count_of, union


@dataclass(frozen=True, slots=True)
class AsOf:
    """A past moment: the history of the policy as it was known then, and how to judge by it."""

    moment: datetime
    history: PolicyHistory
    judge: JudgeReport


def gather_evidence(
    connection: Connection, host: str, *, since: datetime, until: datetime, as_of: AsOf | None = None
) -> Evidence:
    """Gather what was reported for a host in a window, by the hour: the last one counts whole.

    ``until`` is the moment of the answer: now, or that of ``as_of``, which takes longer.
    """
    known_by = None if as_of is None else as_of.moment
    wanted = Filter(host=host, since=since, until=until)
    counted = count_violations(connection, wanted, Window.of(wanted))  # 1
    counted = [found for found in counted if found.cause != Cause.CONTROL]
    statuses = _statuses(connection, counted, known_by)
    resolved = [found.id for found in counted if statuses[found.id] == Status.RESOLVED]
    again = reported_again(connection, resolved, until=until)
    outgrown = _find_outgrown(connection, [f.id for f in counted if statuses[f.id] == Status.EXPECTED], until)
    opened = [  # 2
        found for found in counted if statuses[found.id] in OPEN or found.id in again or found.id in outgrown
    ]
    violations = [
        replace(
            _as_known(connection, found, again.get(found.id), as_of),
            reopened=Status.EXPECTED.value if found.id in outgrown else "",
        )
        for found in opened
    ]
    violations = [violation for violation in violations if violation.cause is not Cause.CONTROL]
    in_window = {found.id: found for found in counted}
    ignored = list_ignored(connection, host, as_of=known_by)
    statuses = _statuses(connection, ignored, known_by)
    ignored = [found for found in ignored if statuses[found.id] == Status.IGNORED]
    closed = [(found.id, _judgement(connection, found, as_of)[0]) for found in ignored]
    first = {found.id: found.first_received_at for found in (*opened, *ignored)}
    causes = [*((violation.id, violation.cause) for violation in violations), *closed]
    proven = find_proven(connection, causes)
    believed = believe(  # 3
        violations, closed, networks=find_networks(connection, first, by=known_by), proven=proven
    )
    beyond = _find_outgrown_causes(connection, closed, believed, until=until)  # 4
    reopened = [
        replace(_as_known(connection, in_window[id_], None, as_of), reopened=Status.IGNORED.value)
        for id_, cause in closed
        if id_ in in_window and (cause in beyond or id_ in proven)
    ]
    believed = believed.with_reopened(reopened, beyond)
    exposed = list_exposure(connection, host, since=since, until=until, known_by=known_by)
    hostnames = Counter[str]()
    for found in counted:
        hostnames[found.hostname] += found.reports
    return Evidence(
        reports=hostnames.total(),
        open_violations=believed.violations,
        left_out=believed.left_out,
        locked_out=_list_locked_out(connection, believed.violations, exposed, since=since, until=until),
        networks=believed.networks,
        clients=count_groups(connection, believed.violations, since=since, until=until),
        exposure=add_up(exposed, since=since, until=until),
        canary=last_canary(connection, host, since=since, until=until),
        hostnames=dict(hostnames),
        control=gather_control(connection, host, until=until, known_by=known_by),
    )


def _find_outgrown(connection: Connection, expected: list[int], until: datetime) -> frozenset[int]:
    """Find the expected violations that many more clients reported than when they were said to be."""
    decisions = find_decisions(connection, expected, Status.EXPECTED, until=until)
    measured = [id_ for id_, decision in decisions.items() if decision.clients is not None]
    clients = count_clients(connection, measured, until=until)
    return frozenset(id_ for id_ in measured if not decisions[id_].covers(clients[id_]))


def _find_outgrown_causes(
    connection: Connection, ignored: list[tuple[int, Cause]], believed: Believed, *, until: datetime
) -> frozenset[Cause]:
    """Find the causes that many more clients report than when they were ignored, by the busiest day since then."""
    decisions = find_decisions(connection, [id_ for id_, _ in ignored], Status.IGNORED, until=until)
    made = [(cause, decisions[id_]) for id_, cause in ignored if id_ in decisions]
    busiest: dict[Cause, int] = {}
    for cause in {cause for cause, _ in made}:
        ids = [id_ for id_, of in ignored if of is cause] + [v.id for v in believed.left_out if v.cause is cause]
        since = max(decision.at for of, decision in made if of is cause)
        busiest[cause] = count_busiest_day(connection, ids, since=since, until=until)
    return find_outgrown_causes(made, busiest)


def _list_locked_out(
    connection: Connection,
    violations: Iterable[OpenViolation],
    exposed: Iterable[ExposedDay],
    *,
    since: datetime,
    until: datetime,
) -> tuple[LockedOut, ...]:
    """Return who is locked out now, with the installs of each release on its busiest day."""
    ids = [violation.id for violation in violations if violation.locked_out_now]
    if not ids:
        return ()
    installs: dict[tuple[str, str], int] = {}
    for day in exposed:
        if day.clients is not None:
            release = day.app, day.app_version
            installs[release] = max(installs.get(release, 0), day.clients)
    counted = count_by_release(connection, ids, Window.of(Filter(since=since, until=until)))
    return tuple(
        LockedOut(*release, reports, installs.get(release) if release[0] else None)
        for release, reports in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )


def _statuses(
    connection: Connection, violations: Iterable[CountedViolation], as_of: datetime | None
) -> Mapping[int, str]:
    now = {found.id: found.status for found in violations}
    return now if as_of is None else statuses_at(connection, now, as_of)


def _as_known(
    connection: Connection, found: CountedViolation, resolved_at: datetime | None, as_of: AsOf | None
) -> OpenViolation:
    """Return a violation as it is known now, or was then."""
    cause, locks_out = _judgement(connection, found, as_of)
    last = found.last_received_at
    return OpenViolation(
        id=found.id,
        cause=cause,
        reports=found.reports,
        last_received_at=from_ms(last if as_of is None else min(last, to_ms(as_of.moment))),
        locks_out=locks_out,
        hostname=found.hostname,
        resolved_at=resolved_at,
        enforced=found.mode == Mode.ENFORCE,
    )


def _judgement(connection: Connection, found: CountedViolation, as_of: AsOf | None) -> tuple[Cause, bool | None]:
    """Return cause and lockout; if they were judged since a past moment, judge again for then."""
    if as_of is None or found.judged_at <= to_ms(as_of.moment):
        return Cause(found.cause), found.locks_out
    row = connection.execute(select(tables.violations).where(tables.violations.c.id == found.id)).one()
    judged = as_of.judge(report_of_row(connection, row), as_of.history, found.first_received_at, to_ms(as_of.moment))
    return judged.cause, judged.locks_out


def count_groups(
    connection: Connection, violations: Iterable[OpenViolation], *, since: datetime, until: datetime
) -> dict[Group, ClientCount]:
    """Count the clients of violations by whose doing it is, each client once in a group."""
    window = Window.of(Filter(since=since, until=until))
    groups: defaultdict[Group, list[int]] = defaultdict(list)
    for violation in violations:
        if violation.group is not None:
            groups[violation.group].append(violation.id)
    return {group: count_of(union(find_sketches(connection, ids, window))) for group, ids in groups.items()}
