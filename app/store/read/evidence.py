"""The evidence of a window, as it is known now or as it was known at a past moment.

1. Count the violations of the window, with the status that each has or had.
2. Those that are open, or were reported again after they were set to resolved, count. As of a past moment, those that
   were judged since are judged again under the policy of then.
3. Leave out what the operator ignores (`app.hpkp.readiness.ignore_rules`).
4. Reopen what has grown beyond what was decided on (`app.hpkp.readiness.decisions`).
5. Count the clients of what is left by the audience that reported it.

What was deleted by age since a past moment is not known any more.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from app.hpkp.app_pins.exposure import pins_of_audiences, with_installs
from app.hpkp.app_pins.release import AppRelease
from app.hpkp.app_pins.reporting import ReportingRelease, find_reporting
from app.hpkp.audience import SITE, UNKNOWN_APPS, Audience, find_audiences
from app.hpkp.clients import ClientCount
from app.hpkp.exposure import ExposedDay
from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.policy import Mode, PinningPolicy, PolicyHistory
from app.hpkp.readiness import Evidence, LockoutGroup, Observations, OpenViolation
from app.hpkp.readiness.decisions import find_outgrown_causes
from app.hpkp.readiness.evidence import LockedOut
from app.hpkp.readiness.ignore_rules import CountedViolations, apply_ignores
from app.hpkp.report import Sender
from app.hpkp.user_agents.senders import MODELS
from app.hpkp.violation_status import OPEN, Status
from app.store import tables
from app.store.app_releases import find_releases
from app.store.canaries import find_canary_days, last_canary
from app.store.control import list_control_exposure, list_control_pins
from app.store.engine import from_ms, to_ms
from app.store.read.control import gather_control
from app.store.read.counted_violations import (
    CountedViolation,
    count_busiest_day,
    count_clients,
    count_sources,
    count_violations,
    find_sketches,
    list_ignored,
)
from app.store.read.exposures import list_exposure
from app.store.read.filters import Filter
from app.store.read.networks import find_networks, find_proven
from app.store.read.probes import list_header_looks
from app.store.read.releases import list_installs, list_releases_near
from app.store.read.reported import report_of_row
from app.store.read.reported_sources import list_reported_sources
from app.store.read.status_history import find_decisions, reported_again, statuses_at
from app.store.read.window import Window
from app.store.sketches import count_of, union


@dataclass(frozen=True, slots=True)
class AsOf:
    """A past moment: the history of the policy as it was known then, and how to judge by it."""

    moment: datetime
    history: PolicyHistory
    judge: JudgeReport


def observe(
    connection: Connection,
    policy: PinningPolicy,
    *,
    since: datetime,
    until: datetime,
    look_age: timedelta,
    known_by: datetime | None = None,
) -> Observations:
    """Gather what the covered days of a window are worked out from; with ``known_by``, as far as it was known then.

    Looks are wanted from ``look_age`` before the window on: one before its first day says what was served at its start.
    """
    host = policy.host
    registered = [one for one in list_releases_near(connection, host, known_by=known_by) if one.pins_host(host)]
    installs = list_installs(connection, (one.app for one in registered), known_by=known_by)
    exposure = list_exposure(connection, host, since=since, until=until, known_by=known_by)
    control_pins = list_control_pins(connection, host, known_by=known_by)
    return Observations(
        exposure=tuple(
            with_installs(
                exposure,
                registered,
                installs,
                host=host,
                report_uri=policy.report_uri,
                days=(since.date(), until.date()),
            )
        ),
        looks=list_header_looks(
            connection, host, policy, frozenset(one.pin for one in control_pins), since=since - look_age, until=until
        ),
        canary_days=find_canary_days(connection, host, report_uri=policy.report_uri, since=since, until=until),
        releases=find_releases(connection, host, known_by=known_by) | pins_of_audiences(registered, host),
        # On a name of its own, control pins replace no other pins.
        control=_count_control(connection, host, since, until, known_by)
        if not all(p.domain for p in control_pins)
        else {},
    )


def _count_control(
    connection: Connection, host: str, since: datetime, until: datetime, known_by: datetime | None
) -> dict[date, int]:
    """Count the clients of the site that received control pins, by day."""
    days = list_control_exposure(connection, host, since=since, until=until, known_by=known_by)
    return {day.day: day.clients for day in days if not day.app}


def gather_evidence(
    connection: Connection,
    host: str,
    *,
    since: datetime,
    until: datetime,
    as_of: AsOf | None = None,
    observed: Observations | None = None,
) -> Evidence:
    """Gather what was reported for a host in a window, by the hour: the last one counts whole.

    ``until`` is the moment of the answer: now, or that of ``as_of``, which takes longer. ``observed`` says of which
    audiences exposure is known.
    """
    observed = observed or Observations()
    known_by = None if as_of is None else as_of.moment
    counted, after_ignores = find_open_violations(connection, host, since=since, until=until, as_of=as_of)
    senders = {found.id: _read_sender(found.sender) for found in counted}
    clients, unknown_apps = count_groups(
        connection,
        after_ignores.violations,
        senders=senders,
        known=frozenset(row.audience for row in observed.exposure),
        since=since,
        until=until,
    )
    hostnames = Counter[str]()
    for found in counted:
        hostnames[found.hostname] += found.reports
    releases = list_releases_near(connection, host, known_by=known_by)
    return Evidence(
        reporting=_find_reporting(connection, host, after_ignores.violations, releases, since=since, until=until),
        reports=hostnames.total(),
        open_violations=after_ignores.violations,
        left_out=after_ignores.left_out,
        locked_out=_list_locked_out(
            connection,
            after_ignores.violations,
            observed.exposure,
            senders=senders,
            since=since,
            until=until,
        ),
        networks=after_ignores.networks,
        clients=clients,
        unknown_apps=unknown_apps,
        observed=observed,
        canary=last_canary(connection, host, since=since, until=until),
        hostnames=dict(hostnames),
        control=gather_control(connection, host, until=until, known_by=known_by),
    )


def find_open_violations(
    connection: Connection, host: str, *, since: datetime, until: datetime, as_of: AsOf | None = None
) -> tuple[list[CountedViolation], CountedViolations]:
    """Find which violations of a window count, and which are left out; with all of the window."""
    known_by = None if as_of is None else as_of.moment
    wanted = Filter(counted_for=host, since=since, until=until)
    counted = count_violations(connection, wanted, Window.of(wanted))  # 1
    counted = [found for found in counted if found.cause != Cause.CONTROL]
    statuses = _statuses(connection, counted, known_by)
    resolved = [found.id for found in counted if statuses[found.id] == Status.RESOLVED]
    again = reported_again(connection, resolved, until=until)
    expected = {f.id: _judgement(connection, f, as_of)[0] for f in counted if statuses[f.id] == Status.EXPECTED}
    outgrown = _find_outgrown(connection, expected, until)
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
    after_ignores = apply_ignores(  # 3
        violations, closed, networks=find_networks(connection, first, by=known_by), proven=proven
    )
    beyond = _find_outgrown_causes(connection, closed, after_ignores, until=until)  # 4
    reopened = [
        replace(_as_known(connection, in_window[id_], None, as_of), reopened=Status.IGNORED.value)
        for id_, cause in closed
        if id_ in in_window and (cause in beyond or id_ in proven)
    ]
    return counted, after_ignores.with_reopened(reopened, beyond)


def _read_sender(stored: str) -> Sender:
    """Return a sender; one that only another version of this program knows is one of no form known here."""
    try:
        return Sender(stored)
    except ValueError:
        return Sender.RFC7469


def _find_outgrown(connection: Connection, expected: Mapping[int, Cause], until: datetime) -> frozenset[int]:
    """Find the expected violations of another cause than when they were said to be, or of many more clients."""
    decisions = find_decisions(connection, list(expected), Status.EXPECTED, until=until)
    changed = frozenset(id_ for id_, decision in decisions.items() if not decision.is_about(expected[id_]))
    measured = [id_ for id_, decision in decisions.items() if decision.clients is not None and id_ not in changed]
    clients = count_clients(connection, measured, until=until)
    return changed | frozenset(id_ for id_ in measured if not decisions[id_].covers(clients[id_]))


def _find_outgrown_causes(
    connection: Connection, ignored: list[tuple[int, Cause]], found: CountedViolations, *, until: datetime
) -> frozenset[Cause]:
    """Find the causes that many more clients report than when they were ignored, by the busiest day since then."""
    decisions = find_decisions(connection, [id_ for id_, _ in ignored], Status.IGNORED, until=until)
    made = [(cause, decisions[id_]) for id_, cause in ignored if id_ in decisions]
    busiest: dict[Cause, int] = {}
    for cause in {cause for cause, _ in made}:
        ids = [id_ for id_, of in ignored if of is cause] + [v.id for v in found.left_out if v.cause is cause]
        since = max(decision.at for of, decision in made if of is cause)
        busiest[cause] = count_busiest_day(connection, ids, since=since, until=until)
    return find_outgrown_causes(made, busiest)


def _list_locked_out(
    connection: Connection,
    violations: Iterable[OpenViolation],
    exposed: Iterable[ExposedDay],
    *,
    senders: Mapping[int, Sender],
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
    counted = Counter[tuple[str, str, bool | None]]()
    for id_, app, version, reports in count_sources(connection, ids, Window.of(Filter(since=since, until=until))):
        counted[app, version, MODELS[senders[id_]].pins_in_app] += reports
    return tuple(
        LockedOut(app, version, reports, installs.get((app, version)) if app else None, pins_in_app)
        for (app, version, pins_in_app), reports in sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))
    )


def _find_reporting(
    connection: Connection,
    host: str,
    violations: Iterable[OpenViolation],
    releases: Sequence[AppRelease],
    *,
    since: datetime,
    until: datetime,
) -> tuple[ReportingRelease, ...]:
    """Attribute the reports of open violations of the host itself to releases; none if no release is registered."""
    pinning = [release for release in releases if release.pins_host(host)]
    ids = [violation.id for violation in violations if violation.hostname == host]
    if not pinning or not ids:
        return ()
    return find_reporting(list_reported_sources(connection, ids, since=since, until=until), pinning, host=host)


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
        # What is stored may be the mode of the policy; a sender that always enforces does so under any policy.
        enforced=(MODELS[_read_sender(found.sender)].mode or found.mode) == Mode.ENFORCE,
    )


def _judgement(connection: Connection, found: CountedViolation, as_of: AsOf | None) -> tuple[Cause, bool | None]:
    """Return cause and lockout; if they were judged since a past moment, judge again for then."""
    if as_of is None or found.judged_at <= to_ms(as_of.moment):
        return Cause(found.cause), found.locks_out
    row = connection.execute(select(tables.violations).where(tables.violations.c.id == found.id)).one()
    judged = as_of.judge(report_of_row(connection, row), as_of.history, found.first_received_at, to_ms(as_of.moment))
    return judged.cause, judged.locks_out


def count_groups(
    connection: Connection,
    violations: Iterable[OpenViolation],
    *,
    senders: Mapping[int, Sender],
    known: frozenset[Audience],
    since: datetime,
    until: datetime,
) -> tuple[dict[Audience, dict[LockoutGroup, ClientCount]], tuple[str, ...]]:
    """Count the clients of violations by audience and by whose doing it is; and name apps whose installs are unknown.

    Clients are told apart by violation and not by app. If others reported a violation too, an audience has no more
    clients of it than it sent reports, and all but as many as the others sent.
    """
    window = Window.of(Filter(since=since, until=until))
    by_group: defaultdict[LockoutGroup, list[int]] = defaultdict(list)
    for violation in violations:
        if violation.group is not None:
            by_group[violation.group].append(violation.id)
    ids = [id_ for of_group in by_group.values() for id_ in of_group]
    sketches: defaultdict[int, list[bytes | None]] = defaultdict(list)
    for id_, sketch in find_sketches(connection, ids, window):
        sketches[id_].append(sketch)
    shares, unknown_apps = _share_out(connection, ids, senders, known, window)  # 5
    found: defaultdict[Audience, dict[LockoutGroup, ClientCount]] = defaultdict(dict)
    for group, of_group in by_group.items():
        for audience in sorted({audience for id_ in of_group for audience in shares[id_].reports}):
            theirs = [shares[id_] for id_ in of_group if audience in shares[id_].reports]
            met = count_of(union(sketch for share in theirs for sketch in sketches[share.id]))
            found[audience][group] = _part(
                met,
                own=None if all(share.alone for share in theirs) else sum(s.reports[audience] for s in theirs),
                others=sum(share.total - share.reports[audience] for share in theirs),
            )
    return dict(found), tuple(sorted(unknown_apps)[:_APPS_TOLD])


_APPS_TOLD = 20


@dataclass(slots=True)
class _Shares:
    """The reports of a violation by the audiences against which they count; one may count against several."""

    id: int
    reports: Counter[Audience]
    total: int = 0

    @property
    def alone(self) -> bool:
        """Whether all of its reports count against each of its audiences."""
        return all(count == self.total for count in self.reports.values())


def _share_out(
    connection: Connection,
    ids: Iterable[int],
    senders: Mapping[int, Sender],
    known: frozenset[Audience],
    window: Window,
) -> tuple[dict[int, _Shares], set[str]]:
    """Share out the reports of violations among audiences; and name apps whose installs are unknown.

    Those of senders that read the header are the site's, whatever they say they are: their hours need not be read.
    """
    shares, unknown_apps = {id_: _Shares(id_, Counter()) for id_ in ids}, set[str]()
    of_apps = [id_ for id_ in shares if find_audiences(senders[id_], "", "", ()) != {SITE}]
    for id_ in shares.keys() - of_apps:
        shares[id_].reports[SITE] = 0
    for id_, app, version, reports in count_sources(connection, of_apps, window):
        audiences = find_audiences(senders[id_], app, version, known)
        shares[id_].total += reports
        for audience in audiences:
            shares[id_].reports[audience] += reports
        if UNKNOWN_APPS in audiences:
            unknown_apps.add(f"{app} {version}".strip() or "an app without a name")
    for id_ in of_apps:
        if not shares[id_].reports:  # nothing says any more where its reports came from
            shares[id_].reports[UNKNOWN_APPS] = 0
    return shares, unknown_apps


def _part(met: ClientCount, *, own: int | None, others: int) -> ClientCount:
    """Bound the clients of an audience among those of violations that ``others`` sent reports of as well."""
    if own is None:
        return met
    at_most = min(met.at_most, own)
    at_least = min(max(met.at_least - others, 1), at_most)
    return ClientCount(at_least, min(max(met.about - others, at_least), at_most), at_most)
