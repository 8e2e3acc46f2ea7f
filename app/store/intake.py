"""One transaction for all submissions that wait: what is new is judged and stored, everything is counted.

Counts are exact, detail is bounded: rollups count every report, rows and raw bodies are kept up to limits, and of
clients a sketch.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from app.hpkp.judgement.judge import JudgeReport
from app.outcomes import Outcome
from app.store import policies, retries, tables
from app.store.additions import add_violations
from app.store.networks import Networks
from app.store.prepared import Prepared
from app.store.submissions import Limits, RejectedSubmission, Source, Submission
from app.store.tally import Known, Tally, find_known
from app.store.turns import wait_for_other_writers
from app.store.upsert import insert_missing

MAX_SOURCES = 5000
"""App, version, platform and label together come from strangers; further ones share one row."""


class Intake:
    """Writes batches of submissions. Not for several threads at once; the group writer sees to that."""

    def __init__(self, judge: JudgeReport, limits: Limits) -> None:
        self._judge = judge
        self._limits = limits
        self._networks = Networks()
        self._sources: dict[Source, int] = {}

    def write(self, connection: Connection, submissions: Sequence[Submission]) -> list[Outcome]:
        """Store the submissions and return the outcome of each, in their order. Durable once committed."""
        fresh = retries.record(connection, submissions)
        known, unwanted = self._violations_of(connection, fresh.values())
        accepted: list[tuple[Submission, Known]] = []
        refused: dict[bytes, Outcome] = {}
        for digest, submission in fresh.items():
            violation = known.get(submission.identity)
            if violation is None:
                refused[digest] = unwanted[submission.identity]
            elif self._limits.accept_unknown_hosts or policies.is_registered(connection, violation.host):
                accepted.append((submission, violation))
            else:
                refused[digest] = Outcome.UNKNOWN_HOST
        retries.erase(connection, refused)
        self._count(connection, accepted)
        return list(_outcomes(submissions, {submission.digest for submission, _ in accepted}, refused))

    def _violations_of(
        self, connection: Connection, submissions: Iterable[Submission]
    ) -> tuple[dict[bytes, Known], dict[bytes, Outcome]]:
        """Return the violations under which submissions are counted, and why others are refused, by identity.

        What is new is added by one writer after another, and so looked for again: another may have added it.
        """
        known = find_known(connection, submissions)
        new = [submission for submission in submissions if submission.identity not in known]
        if not new:
            return known, {}
        wait_for_other_writers(connection)
        known |= find_known(connection, new)
        new = [submission for submission in new if submission.identity not in known]
        refused = add_violations(connection, new, self._judge, self._limits)
        return known | find_known(connection, new), refused

    def _count(self, connection: Connection, accepted: Sequence[tuple[Submission, Known]]) -> None:
        tally = Tally(self._limits, self._sources_of(connection, {submission.source for submission, _ in accepted}))
        for submission, violation in accepted:
            tally.add(submission, violation)
        tally.write(connection)
        self._networks.record(connection, ((v.id, s.network, s.received_at) for s, v in accepted))

    def _sources_of(self, connection: Connection, wanted: set[Source]) -> dict[Source, int]:
        """Return the ids of sources, adding those that are new; beyond the bound they share the empty one.

        Remembered is what stood there before this transaction, which may be taken back.
        """
        found: dict[Source, int] = {}
        for key in sorted(wanted):
            if key not in self._sources and (there := _find_source(connection, key)) is not None:
                self._sources[key] = there
            found[key] = self._sources.get(key) or _add_source(connection, key)
        return found

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


_SOURCE = ("app", "app_version", "platform", "label")
_FIND_SOURCE = Prepared(
    lambda _dialect: select(tables.sources.c.id).where(
        *(tables.sources.c[name] == bindparam(name) for name in _SOURCE)
    ),
    *_SOURCE,
    texts=True,
)


def _find_source(connection: Connection, key: Source) -> int | None:
    return next((int(id_) for (id_,) in _FIND_SOURCE.once(connection, *key)), None)


def _add_source(connection: Connection, key: Source) -> int:
    if any(key) and (connection.scalar(select(func.count()).select_from(tables.sources)) or 0) >= MAX_SOURCES:
        key = ("", "", "", "")
    insert_missing(connection, tables.sources, [dict(zip(_SOURCE, key, strict=True))])
    added = _find_source(connection, key)
    assert added is not None  # it stands there now, by whomever
    return added
