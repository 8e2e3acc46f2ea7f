"""Violations that are new: judged, and stored with their host, chains and certificates.

::

    Submission … ──add──> refused, or judged and laid ready ──write──> certificates, chains, violations

What strangers can make grow stops at limits: hosts without a policy, and new violations of a host and day.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, func, select

from app.hpkp.hosts import is_subdomain
from app.hpkp.judgement.judge import Judgement, JudgeReport
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.violation import chain_digest
from app.hpkp.x509.certificate import Chain
from app.outcomes import Outcome
from app.store import policies, tables
from app.store.engine import DAY_MS, from_ms, to_ms
from app.store.judgements import judged_columns
from app.store.prepared import PreparedForEach, Row, into
from app.store.submissions import Limits, Submission
from app.store.texts import to_json
from app.store.upsert import insert_missing, insert_missing_statement
from app.store.write.chains import insert_chains


def add_violations(
    connection: Connection, submissions: Iterable[Submission], judge: JudgeReport, limits: Limits
) -> dict[bytes, Outcome]:
    """Add the violations that submissions are the first to report; return why others are refused, by identity.

    Nobody else may add violations meanwhile.
    """
    additions = _Additions(connection, judge, limits)
    refused: dict[bytes, Outcome] = {}
    for submission in submissions:
        if (refusal := additions.add(submission)) is not None:
            refused[submission.identity] = refusal
    additions.write()
    return refused


class _Additions:
    """What one transaction adds."""

    def __init__(self, connection: Connection, judge: JudgeReport, limits: Limits) -> None:
        self._connection = connection
        self._judge = judge
        self._limits = limits
        self._pinned: dict[tuple[str, str | None], tuple[str, PolicyHistory]] = {}
        self._full_for: dict[str, bool] = {}
        self._today: dict[tuple[str, int], int] = {}
        self._hosts: set[str] = set()
        self._chains: list[Chain] = []
        self._violations: dict[bytes, Row] = {}

    def add(self, submission: Submission) -> Outcome | None:
        """Judge the violation of a submission and lay it ready, or say why it is refused."""
        if submission.identity in self._violations:
            return None
        report, at = submission.report, submission.received_at
        names = report.hostname, report.noted_hostname
        if names not in self._pinned:
            self._pinned[names] = pinned_host(self._connection, report)
        host, history = self._pinned[names]
        if (refusal := self._refuse(host, history, at)) is not None:
            return refusal
        if host not in self._hosts:
            self._hosts.add(host)
            insert_missing(self._connection, tables.hosts, [{"name": host, "first_seen_at": at}])
        for chain in (report.served_chain, report.validated_chain):
            if chain is not None:
                self._chains.append(chain)
        judgement = self._judge(report, history, at, at)
        self._violations[submission.identity] = _violation(submission, host, history, judgement)
        return None

    def _refuse(self, host: str, history: PolicyHistory, received_at: int) -> Outcome | None:
        if not history.revisions:
            if not self._limits.accept_unknown_hosts:
                return Outcome.UNKNOWN_HOST
            if host not in self._full_for:
                others = _unknown_hosts(self._connection, besides=host)
                self._full_for[host] = others >= self._limits.unknown_hosts
            if self._full_for[host]:
                return Outcome.OVER_LIMIT
        day = host, received_at - received_at % DAY_MS
        if day not in self._today:
            self._today[day] = _new_violations(self._connection, *day)
        if self._today[day] >= self._limits.new_violations_per_day:
            return Outcome.OVER_LIMIT
        self._today[day] += 1
        return None

    def write(self) -> None:
        """Write what lies ready; violations in the order in which they were reported."""
        insert_chains(self._connection, self._chains)
        _ADD_VIOLATION.run(self._connection, list(self._violations.values()))


def _adding(table: Table, *but: str) -> PreparedForEach:
    types = {column.name: column.type for column in table.columns if column.name not in but}
    return PreparedForEach(
        lambda dialect, values: into(insert_missing_statement(dialect, table), values), types, texts=True
    )


_NOT_YET = "id", "client_sketch"
_ADD_VIOLATION = _adding(tables.violations, *_NOT_YET)
_VIOLATION = tuple(column.name for column in tables.violations.columns if column.name not in _NOT_YET)


def _violation(submission: Submission, host: str, history: PolicyHistory, judgement: Judgement) -> Row:
    report, at = submission.report, submission.received_at
    in_force = history.in_force(from_ms(at))
    values: dict[str, Any] = {
        "identity": submission.identity,
        "host": host,
        "hostname": report.hostname,
        "port": report.port,
        "noted_hostname": report.noted_hostname,
        "include_subdomains": report.include_subdomains,
        "mode": _text(report.mode or (in_force.mode if in_force else None)),
        "sender": _text(report.sender),
        "sender_result": _text(report.sender_result),
        "known_pins": to_json([str(pin) for pin in report.known_pins]),
        "unreadable_pins": to_json(report.unreadable_pins),
        "contradictions": to_json(report.contradictions),
        "served_chain": None if report.served_chain is None else chain_digest(report.served_chain),
        "validated_chain": None if report.validated_chain is None else chain_digest(report.validated_chain),
        "date_time": None if report.date_time is None else to_ms(report.date_time),
        **judged_columns(judgement),
        "judged_at": at,
        "first_received_at": at,
        "last_received_at": at,
        "reports": 0,
        "raw_bodies": 0,
        "clients": 0,
        "status": "open",
        "note": "",
    }
    values |= {"cause": _text(judgement.cause), "judgement": to_json(values["judgement"])}
    return tuple(values[name] for name in _VIOLATION)


def _text(value: str | None) -> str | None:
    """Return a plain text for a member of an enumeration, which drivers take for something else."""
    return None if value is None else str(value)


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


def _new_violations(connection: Connection, host: str, since: int) -> int:
    violations = tables.violations.c
    counted = select(func.count()).where(violations.host == host, violations.first_received_at >= since)
    return connection.scalar(counted) or 0
