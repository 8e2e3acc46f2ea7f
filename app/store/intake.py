"""One transaction for all submissions that wait: what is new is judged and stored, everything is counted.

Counts are exact, detail is bounded: rollups count every report; rows, raw bodies and clients are kept up to limits.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from sqlalchemy import Connection, Update, bindparam, delete, func, insert, select, update

from app.hpkp.chain import Certificate, Chain, Element, UnreadableCertificate
from app.hpkp.hosts import is_subdomain
from app.hpkp.judgement import Judgement
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.violation import chain_digest
from app.outcomes import Outcome
from app.store import policies, tables
from app.store.engine import DAY_MS, HOUR_MS, from_ms, to_ms
from app.store.judgements import judgement_to_json
from app.store.upsert import insert_missing, upsert

JudgeReport = Callable[[ViolationReport, PolicyHistory, int, int], Judgement]
"""Judge (report, history of the host's policy, received at, judged at); instants in milliseconds."""

MAX_SOURCES = 5000
"""App, version, platform and label together come from strangers; further ones share one row."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A report on its way into the store. ``client`` and ``digest`` are keyed hashes of 16 bytes."""

    report: ViolationReport
    identity: bytes
    digest: bytes
    client: bytes
    received_at: int
    body: bytes
    label: str = ""
    user_agent: str | None = None

    @property
    def source(self) -> tuple[str, str, str, str]:
        """App, app version, platform and label; empty where unknown."""
        report = self.report
        return report.app or "", report.app_version or "", report.platform or "", self.label


@dataclass(frozen=True, slots=True)
class RejectedSubmission:
    """A submission that was not taken, as the operator may look at it."""

    received_at: int
    outcome: Outcome
    reason: str
    length: int
    pointer: str | None = None
    label: str = ""
    content_type: str | None = None
    user_agent: str | None = None
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much detail is kept, and how much that is new is taken."""

    accept_unknown_hosts: bool = True
    unknown_hosts: int = 100
    new_violations_per_day: int = 1000
    report_rows_per_day: int = 100
    raw_bodies: int = 5
    clients_per_day: int = 10_000
    rejections: int = 1000


@dataclass(slots=True)
class _Known:
    """What the transaction knows of a violation."""

    id: int
    host: str
    raw_bodies: int


_Day = tuple[int, int]
"""A violation's id, and the start of a day in milliseconds."""


@dataclass(slots=True)
class _Total:
    """What a batch adds to a violation."""

    violation: _Known
    reports: int = 0
    last_received_at: int = 0

    def add(self, received_at: int) -> None:
        self.reports += 1
        self.last_received_at = max(self.last_received_at, received_at)

    def parameters(self) -> dict[str, int]:
        return {
            "violation": self.violation.id,
            "more": self.reports,
            "last": self.last_received_at,
            "raw": self.violation.raw_bodies,
        }


def _by_key(item: tuple[_Day, object]) -> _Day:
    return item[0]


_KEPT_OF_DAYS = select(
    tables.rollup_days.c.violation_id,
    tables.rollup_days.c.day,
    tables.rollup_days.c.rows_kept,
    tables.rollup_days.c.clients_kept,
).where(
    tables.rollup_days.c.violation_id.in_(bindparam("violations", expanding=True)),
    tables.rollup_days.c.day.in_(bindparam("days", expanding=True)),
)
_SEEN_CLIENTS = select(tables.violation_clients).where(
    tables.violation_clients.c.violation_id.in_(bindparam("violations", expanding=True)),
    tables.violation_clients.c.day.in_(bindparam("days", expanding=True)),
    tables.violation_clients.c.client.in_(bindparam("clients", expanding=True)),
)


@cache
def _add_to_violation(dialect: str) -> Update:
    """Add a batch's reports to a violation; its latest receipt never goes back."""
    greatest = func.max if dialect == "sqlite" else func.greatest
    return (
        update(tables.violations)
        .where(tables.violations.c.id == bindparam("violation"))
        .values(
            reports=tables.violations.c.reports + bindparam("more"),
            last_received_at=greatest(tables.violations.c.last_received_at, bindparam("last")),
            raw_bodies=bindparam("raw"),
        )
    )


class Intake:
    """Writes batches of submissions. Not for several threads at once; the group writer sees to that."""

    def __init__(self, judge: JudgeReport, limits: Limits) -> None:
        self._judge = judge
        self._limits = limits

    def write(self, connection: Connection, submissions: Sequence[Submission]) -> list[Outcome]:
        """Store the submissions and return the outcome of each, in their order. Durable once committed."""
        outcomes: list[Outcome] = [Outcome.DUPLICATE] * len(submissions)
        fresh = _without_retries(connection, submissions)
        known = self._known_violations(connection, [submissions[i] for i in fresh])
        accepted: list[tuple[Submission, _Known]] = []
        for index in fresh:
            submission = submissions[index]
            violation = known.get(submission.identity)
            if violation is None:
                added = self._add_violation(connection, submission)
                if isinstance(added, Outcome):
                    outcomes[index] = added
                    continue
                known[submission.identity] = violation = added
            elif not self._limits.accept_unknown_hosts and not policies.is_registered(connection, violation.host):
                outcomes[index] = Outcome.UNKNOWN_HOST
                continue
            outcomes[index] = Outcome.ACCEPTED
            accepted.append((submission, violation))
        refused = {submissions[i].digest: outcomes[i] for i in fresh if outcomes[i] is not Outcome.ACCEPTED}
        for index, submission in enumerate(submissions):
            # A repetition in the same batch of what was refused stands nowhere either, and is no duplicate.
            outcomes[index] = refused.get(submission.digest, outcomes[index])
        if accepted:
            self._count(connection, accepted)
        return outcomes

    def _known_violations(self, connection: Connection, submissions: Iterable[Submission]) -> dict[bytes, _Known]:
        wanted = {submission.identity for submission in submissions}
        rows = connection.execute(
            select(
                tables.violations.c.identity,
                tables.violations.c.id,
                tables.violations.c.host,
                tables.violations.c.raw_bodies,
            ).where(tables.violations.c.identity.in_(wanted))
        )
        return {row.identity: _Known(row.id, row.host, row.raw_bodies) for row in rows}

    def _add_violation(self, connection: Connection, submission: Submission) -> _Known | Outcome:
        report, received_at = submission.report, submission.received_at
        host, history = pinned_host(connection, report)
        if refusal := self._refuse(connection, host, history, received_at):
            return refusal
        insert_missing(connection, tables.hosts, [{"name": host, "first_seen_at": received_at}])
        for chain in (report.served_chain, report.validated_chain):
            if chain is not None:
                add_chain(connection, chain)
        judgement = self._judge(report, history, received_at, received_at)
        in_force = history.in_force(from_ms(received_at))
        inserted = connection.execute(
            insert(tables.violations).values(
                identity=submission.identity,
                host=host,
                hostname=report.hostname,
                port=report.port,
                noted_hostname=report.noted_hostname,
                include_subdomains=report.include_subdomains,
                mode=report.mode or (in_force.mode if in_force else None),
                sender=report.sender,
                sender_result=report.sender_result,
                known_pins=[str(pin) for pin in report.known_pins],
                unreadable_pins=list(report.unreadable_pins),
                contradictions=list(report.contradictions),
                served_chain=None if report.served_chain is None else chain_digest(report.served_chain),
                validated_chain=None if report.validated_chain is None else chain_digest(report.validated_chain),
                date_time=None if report.date_time is None else to_ms(report.date_time),
                cause=judgement.cause,
                judgement=judgement_to_json(judgement),
                judged_at=received_at,
                first_received_at=received_at,
                last_received_at=received_at,
                reports=0,
                raw_bodies=0,
                status="open",
                note="",
            )
        )
        return _Known(cast("tuple[int]", inserted.inserted_primary_key)[0], host, 0)

    def _refuse(self, connection: Connection, host: str, history: PolicyHistory, received_at: int) -> Outcome | None:
        if not history.revisions:
            if not self._limits.accept_unknown_hosts:
                return Outcome.UNKNOWN_HOST
            if _unknown_hosts(connection, besides=host) >= self._limits.unknown_hosts:
                return Outcome.OVER_LIMIT
        today = received_at - received_at % DAY_MS
        new_today = connection.scalar(
            select(func.count())
            .select_from(tables.violations)
            .where(tables.violations.c.host == host, tables.violations.c.first_received_at >= today)
        )
        return Outcome.OVER_LIMIT if (new_today or 0) >= self._limits.new_violations_per_day else None

    def _count(self, connection: Connection, accepted: Sequence[tuple[Submission, _Known]]) -> None:
        """Count accepted submissions everywhere, in a fixed number of statements whatever the size of the batch."""
        sources = _sources(connection, {submission.source for submission, _ in accepted})
        per_hour = Counter[tuple[int, int, int]]()
        per_day: dict[_Day, list[tuple[Submission, _Known]]] = defaultdict(list)
        for submission, violation in accepted:
            at = submission.received_at
            per_hour[violation.id, at - at % HOUR_MS, sources[submission.source]] += 1
            per_day[violation.id, at - at % DAY_MS].append((submission, violation))
        kept = self._count_days(connection, per_day)
        rows = [
            row
            for day, group in sorted(per_day.items(), key=_by_key)
            for row in self._rows(group[: kept[day]], sources)
        ]
        upsert(
            connection,
            tables.rollup_hours,
            [
                {"violation_id": violation_id, "hour": hour, "source_id": source_id, "reports": count}
                for (violation_id, hour, source_id), count in sorted(per_hour.items())
            ],
            add=("reports",),
        )
        if rows:
            connection.execute(insert(tables.reports), rows)
        totals: dict[int, _Total] = {}
        for submission, violation in accepted:
            totals.setdefault(violation.id, _Total(violation)).add(submission.received_at)
        connection.execute(
            _add_to_violation(connection.dialect.name),
            [totals[violation_id].parameters() for violation_id in sorted(totals)],
        )
        insert_missing(
            connection,
            tables.seen_submissions,
            [{"digest": submission.digest, "received_at": submission.received_at} for submission, _ in accepted],
        )

    def _count_days(
        self, connection: Connection, per_day: Mapping[_Day, Sequence[tuple[Submission, _Known]]]
    ) -> dict[_Day, int]:
        """Count each violation's reports of a day; return how many of them may be kept as rows."""
        pairs = {"violations": list({violation for violation, _ in per_day}), "days": list({day for _, day in per_day})}
        before = {
            (row.violation_id, row.day): (row.rows_kept, row.clients_kept)
            for row in connection.execute(_KEPT_OF_DAYS, pairs)
        }
        clients = self._new_clients(connection, per_day, {day: before.get(day, (0, 0))[1] for day in per_day}, pairs)
        room = {day: max(0, self._limits.report_rows_per_day - before.get(day, (0, 0))[0]) for day in per_day}
        kept = {day: min(len(group), room[day]) for day, group in per_day.items()}
        upsert(
            connection,
            tables.rollup_days,
            [
                {
                    "violation_id": day[0],
                    "day": day[1],
                    "reports": len(group),
                    "rows_kept": kept[day],
                    "clients_kept": clients[day],
                }
                for day, group in sorted(per_day.items(), key=_by_key)
            ],
            add=("reports", "rows_kept", "clients_kept"),
        )
        return kept

    def _new_clients(
        self,
        connection: Connection,
        per_day: Mapping[_Day, Sequence[tuple[Submission, _Known]]],
        kept: Mapping[_Day, int],
        pairs: Mapping[str, list[int]],
    ) -> dict[_Day, int]:
        """Add the clients that were not seen yet, up to the limit of each day; return how many were added."""
        seen: dict[_Day, set[bytes]] = defaultdict(set)
        everybody = {submission.client for group in per_day.values() for submission, _ in group}
        for row in connection.execute(_SEEN_CLIENTS, {**pairs, "clients": list(everybody)}):
            seen[row.violation_id, row.day].add(bytes(row.client))
        added: dict[_Day, int] = {}
        rows: list[dict[str, object]] = []
        for day, group in per_day.items():
            new = sorted({submission.client for submission, _ in group} - seen[day])
            new = new[: max(0, self._limits.clients_per_day - kept[day])]
            added[day] = len(new)
            rows.extend({"violation_id": day[0], "day": day[1], "client": client} for client in new)
        if rows:
            connection.execute(insert(tables.violation_clients), rows)
        return added

    def _rows(
        self, group: Sequence[tuple[Submission, _Known]], sources: dict[tuple[str, str, str, str], int]
    ) -> Iterable[dict[str, object]]:
        for submission, violation in group:
            report = submission.report
            keep_body = violation.raw_bodies < self._limits.raw_bodies
            violation.raw_bodies += keep_body
            yield {
                "violation_id": violation.id,
                "source_id": sources[submission.source],
                "received_at": submission.received_at,
                "date_time": None if report.date_time is None else to_ms(report.date_time),
                "date_time_text": report.date_time_text,
                "effective_expiration_text": report.effective_expiration_text,
                "platform_version": report.platform_version,
                "user_agent": submission.user_agent,
                "body": submission.body if keep_body else None,
            }

    def reject(self, connection: Connection, rejected: Sequence[RejectedSubmission]) -> None:
        """Keep rejected submissions, dropping the oldest over the limit."""
        connection.execute(
            insert(tables.rejections),
            [
                {
                    "received_at": item.received_at,
                    "outcome": item.outcome,
                    "reason": item.reason,
                    "pointer": item.pointer,
                    "label": item.label,
                    "content_type": item.content_type,
                    "user_agent": item.user_agent,
                    "length": item.length,
                    "sample": item.sample,
                }
                for item in rejected
            ],
        )
        newest = connection.scalar(select(func.max(tables.rejections.c.id))) or 0
        connection.execute(delete(tables.rejections).where(tables.rejections.c.id <= newest - self._limits.rejections))

    @staticmethod
    def forget_retries(connection: Connection, before: int) -> None:
        """Forget submissions taken before an instant; a retry after that counts again."""
        connection.execute(delete(tables.seen_submissions).where(tables.seen_submissions.c.received_at < before))


def _without_retries(connection: Connection, submissions: Sequence[Submission]) -> list[int]:
    """Return the indexes of submissions that were not taken in the last 24 hours."""
    rows = connection.execute(
        select(tables.seen_submissions.c.digest, tables.seen_submissions.c.received_at).where(
            tables.seen_submissions.c.digest.in_({submission.digest for submission in submissions})
        )
    )
    taken = {row.digest: row.received_at for row in rows}
    stale = [digest for digest, at in taken.items() if _too_old(at, submissions)]
    if stale:
        connection.execute(delete(tables.seen_submissions).where(tables.seen_submissions.c.digest.in_(stale)))
    seen = taken.keys() - set(stale)
    fresh = []
    for index, submission in enumerate(submissions):
        if submission.digest not in seen:
            fresh.append(index)
            seen.add(submission.digest)
    return fresh


def _too_old(at: int, submissions: Sequence[Submission]) -> bool:
    return at < submissions[0].received_at - DAY_MS


def pinned_host(connection: Connection, report: ViolationReport) -> tuple[str, PolicyHistory]:
    """Return the host under which a report is counted, with the history of its policy (maybe empty).

    A noted host with a policy that never covered its subdomains is not answerable for them.
    """
    if covering := policies.find_covering(connection, report.hostname):
        return covering
    noted = report.noted_hostname
    if noted and is_subdomain(report.hostname, of=noted) and not policies.is_registered(connection, noted):
        return noted, PolicyHistory(())
    return report.hostname, PolicyHistory(())


def _unknown_hosts(connection: Connection, *, besides: str) -> int:
    registered = select(tables.policy_revisions.c.host).distinct()
    return (
        connection.scalar(
            select(func.count())
            .select_from(tables.hosts)
            .where(tables.hosts.c.name.not_in(registered), tables.hosts.c.name != besides)
        )
        or 0
    )


def add_chain(connection: Connection, chain: Chain) -> None:
    """Store a chain and its certificates, each once."""
    certificates = [
        {
            "sha256": element.fingerprint,
            "der": element.der,
            "pin": None if element.pin is None else str(element.pin),
            "subject": element.subject if isinstance(element, Certificate) else None,
            "issuer": element.issuer if isinstance(element, Certificate) else None,
            "unreadable": None if isinstance(element, Certificate) else element.reason,
        }
        for element in chain
        if element.der is not None
    ]
    if certificates:
        insert_missing(connection, tables.certificates, certificates)
    elements = list(map(_stored_element, chain))
    insert_missing(connection, tables.chains, [{"digest": chain_digest(chain), "elements": elements}])


def _stored_element(element: Element) -> dict[str, str]:
    if element.fingerprint is not None:
        return {"sha256": element.fingerprint.hex()}
    assert isinstance(element, UnreadableCertificate)  # only of these there may be no DER
    pin = {} if element.pin is None else {"pin": str(element.pin)}
    return {"unreadable": element.reason} | pin


def _sources(connection: Connection, wanted: set[tuple[str, str, str, str]]) -> dict[tuple[str, str, str, str], int]:
    """Return the ids of sources, adding those that are new; beyond the bound they share the empty one."""
    found: dict[tuple[str, str, str, str], int] = {}
    for key in sorted(wanted):
        found[key] = _source(connection, key)
    return found


def _source(connection: Connection, key: tuple[str, str, str, str]) -> int:
    named = dict(zip(("app", "app_version", "platform", "label"), key, strict=True))
    query = select(tables.sources.c.id).filter_by(**named)
    if (found := connection.scalar(query)) is not None:
        return int(found)
    if any(key) and (connection.scalar(select(func.count()).select_from(tables.sources)) or 0) >= MAX_SOURCES:
        return _source(connection, ("", "", "", ""))
    insert_missing(connection, tables.sources, [named])
    return int(connection.execute(query).scalar_one())
