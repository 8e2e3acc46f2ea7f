"""One transaction for all submissions that wait: what is new is judged and stored, everything is counted.

Counts are exact, detail is bounded: rollups count every report; rows, raw bodies and clients are kept up to limits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from app.hpkp.chain import Certificate, Chain, Element, UnreadableCertificate
from app.hpkp.hosts import is_subdomain
from app.hpkp.judgement import Judgement
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.violation import chain_digest
from app.outcomes import Outcome
from app.store import policies, retries, tables
from app.store.engine import DAY_MS, from_ms, to_ms
from app.store.judgements import judgement_to_json
from app.store.networks import Networks
from app.store.prepared import Prepared
from app.store.submissions import Limits, RejectedSubmission, Source, Submission
from app.store.tally import Known, Tally, find_known
from app.store.turns import wait_for_other_writers
from app.store.upsert import insert_missing, insert_missing_statement

JudgeReport = Callable[[ViolationReport, PolicyHistory, int, int], Judgement]
"""Judge (report, history of the host's policy, received at, judged at); instants in milliseconds."""

MAX_SOURCES = 5000
"""App, version, platform and label together come from strangers; further ones share one row."""


class Intake:
    """Writes batches of submissions. Not for several threads at once; the group writer sees to that."""

    def __init__(self, judge: JudgeReport, limits: Limits) -> None:
        self._judge = judge
        self._limits = limits
        self._networks = Networks()

    def write(self, connection: Connection, submissions: Sequence[Submission]) -> list[Outcome]:
        """Store the submissions and return the outcome of each, in their order. Durable once committed."""
        fresh = retries.record(connection, submissions)
        known = find_known(connection, fresh.values())
        accepted: list[tuple[Submission, Known]] = []
        refused: dict[bytes, Outcome] = {}
        for digest, submission in fresh.items():
            violation = self._violation_of(connection, submission, known)
            if isinstance(violation, Known):
                accepted.append((submission, violation))
            else:
                refused[digest] = violation
        retries.erase(connection, refused)
        self._count(connection, accepted)
        return list(_outcomes(submissions, {submission.digest for submission, _ in accepted}, refused))

    def _violation_of(
        self, connection: Connection, submission: Submission, known: dict[bytes, Known]
    ) -> Known | Outcome:
        """Return the violation that a submission is counted under, or why it is refused.

        What is new is added by one writer after another, and so looked for again: another may have added it.
        """
        violation = known.get(submission.identity)
        if violation is None:
            wait_for_other_writers(connection)
            known |= find_known(connection, [submission])
            violation = known.get(submission.identity)
        if violation is None:
            added = self._add_violation(connection, submission)
            if isinstance(added, Known):
                known[submission.identity] = added
            return added
        if not self._limits.accept_unknown_hosts and not policies.is_registered(connection, violation.host):
            return Outcome.UNKNOWN_HOST
        return violation

    def _add_violation(self, connection: Connection, submission: Submission) -> Known | Outcome:
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
        added = connection.scalar(
            insert_missing_statement(connection.dialect.name, tables.violations)
            .values(
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
            .returning(tables.violations.c.id)
        )
        if added is None:
            return find_known(connection, [submission])[submission.identity]
        return Known(added, host)

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

    def _count(self, connection: Connection, accepted: Sequence[tuple[Submission, Known]]) -> None:
        tally = Tally(self._limits, _sources(connection, {submission.source for submission, _ in accepted}))
        for submission, violation in accepted:
            tally.add(submission, violation)
        tally.write(connection)
        self._networks.record(connection, ((v.id, s.network, s.received_at) for s, v in accepted))

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
        retries.forget_before(connection, before)


def _outcomes(
    submissions: Iterable[Submission], accepted: set[bytes], refused: Mapping[bytes, Outcome]
) -> Iterator[Outcome]:
    """Tell the outcome of each; the first of those with an accepted digest is the one that was accepted."""
    for submission in submissions:
        if submission.digest in accepted:
            accepted.remove(submission.digest)
            yield Outcome.ACCEPTED
        else:
            # A repetition in the same batch of what was refused stands nowhere either, and is no duplicate.
            yield refused.get(submission.digest, Outcome.DUPLICATE)


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


def _sources(connection: Connection, wanted: set[Source]) -> dict[Source, int]:
    """Return the ids of sources, adding those that are new; beyond the bound they share the empty one."""
    found: dict[Source, int] = {}
    for key in sorted(wanted):
        found[key] = _source(connection, key)
    return found


_SOURCE = ("app", "app_version", "platform", "label")
_FIND_SOURCE = Prepared(
    lambda _dialect: select(tables.sources.c.id).where(
        *(tables.sources.c[name] == bindparam(name) for name in _SOURCE)
    ),
    *_SOURCE,
    texts=True,
)


def _source(connection: Connection, key: Source) -> int:
    for (found,) in _FIND_SOURCE.once(connection, *key):
        return int(found)
    if any(key) and (connection.scalar(select(func.count()).select_from(tables.sources)) or 0) >= MAX_SOURCES:
        return _source(connection, ("", "", "", ""))
    insert_missing(connection, tables.sources, [dict(zip(_SOURCE, key, strict=True))])
    ((added,),) = _FIND_SOURCE.once(connection, *key)
    return int(added)
