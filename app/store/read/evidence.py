"""The evidence of a window, as it is known now or as it was known at a past moment.

1. Count the violations of the window, with the status that each has or had.
2. Those that are open, or were reported again after they were set to resolved, count. As of a past moment, those that
   were judged since are judged again under the policy of then.
3. Leave out what the operator does not believe (`app.hpkp.readiness.sources`).
4. Count the clients of what is left by the audience that reported it.

What was deleted by age since a past moment is not known any more.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from app.hpkp.audience import SITE, UNKNOWN_APPS, Audience, find_audiences
from app.hpkp.clients import ClientCount
from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.hpkp.readiness import Evidence, Group, Observations, OpenViolation
from app.hpkp.readiness.sources import believe
from app.hpkp.report import Sender
from app.hpkp.violation_status import OPEN, Status
from app.store import tables
from app.store.app_releases import find_releases
from app.store.canaries import find_canary_days, last_canary
from app.store.engine import from_ms, to_ms
from app.store.read.counted_violations import (
    CountedViolation,
    count_sources,
    count_violations,
    find_sketches,
    list_ignored,
)
from app.store.read.exposures import list_exposure
from app.store.read.filters import Filter
from app.store.read.networks import find_networks, find_proven
from app.store.read.probes import list_header_looks
from app.store.read.reported import report_of_row
from app.store.read.statuses import reported_again, statuses_at
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
    return Observations(
        exposure=tuple(list_exposure(connection, host, since=since, until=until, known_by=known_by)),
        looks=list_header_looks(connection, host, policy, since=since - look_age, until=until),
        canary_days=find_canary_days(connection, host, report_uri=policy.report_uri, since=since, until=until),
        releases=find_releases(connection, host, known_by=known_by),
    )


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
    wanted = Filter(host=host, since=since, until=until)
    counted = count_violations(connection, wanted, Window.of(wanted))  # 1
    statuses = _statuses(connection, counted, known_by)
    resolved = [found.id for found in counted if statuses[found.id] == Status.RESOLVED]
    again = reported_again(connection, resolved, until=until)
    opened = [found for found in counted if statuses[found.id] in OPEN or found.id in again]  # 2
    violations = [_as_known(connection, found, again.get(found.id), as_of) for found in opened]
    ignored = list_ignored(connection, host, as_of=known_by) if opened else []
    statuses = _statuses(connection, ignored, known_by)
    ignored = [found for found in ignored if statuses[found.id] == Status.IGNORED]
    closed = [(found.id, _judgement(connection, found, as_of)[0]) for found in ignored]
    first = {found.id: found.first_received_at for found in (*opened, *ignored)}
    causes = [*((violation.id, violation.cause) for violation in violations), *closed]
    believed = believe(  # 3
        violations,
        closed,
        networks=find_networks(connection, first, by=known_by),
        proven=find_proven(connection, causes),
    )
    senders = {found.id: Sender(found.sender) for found in opened}
    known = frozenset(row.audience for row in observed.exposure)
    clients, unknown_apps = count_groups(
        connection, believed.violations, senders=senders, known=known, since=since, until=until
    )
    hostnames = Counter[str]()
    for found in counted:
        hostnames[found.hostname] += found.reports
    return Evidence(
        reports=hostnames.total(),
        open_violations=believed.violations,
        left_out=believed.left_out,
        networks=believed.networks,
        clients=clients,
        unknown_apps=unknown_apps,
        observed=observed,
        canary=last_canary(connection, host, since=since, until=until),
        hostnames=dict(hostnames),
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
) -> tuple[dict[Audience, dict[Group, ClientCount]], tuple[str, ...]]:
    """Count the clients of violations by audience and by whose doing it is; and name apps whose installs are unknown.

    Clients are told apart by violation and not by app. If others reported a violation too, an audience has no more
    clients of it than it sent reports, and all but as many as the others sent.
    """
    window = Window.of(Filter(since=since, until=until))
    by_group: defaultdict[Group, list[int]] = defaultdict(list)
    for violation in violations:
        if violation.group is not None:
            by_group[violation.group].append(violation.id)
    ids = [id_ for of_group in by_group.values() for id_ in of_group]
    sketches: defaultdict[int, list[bytes | None]] = defaultdict(list)
    for id_, sketch in find_sketches(connection, ids, window):
        sketches[id_].append(sketch)
    shares, unknown_apps = _share_out(connection, ids, senders, known, window)  # 4
    found: defaultdict[Audience, dict[Group, ClientCount]] = defaultdict(dict)
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
