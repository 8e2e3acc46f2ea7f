"""The group writer on a real event loop and a real file: who waits together is written together, and fails alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.outcomes import Outcome
from app.store import tables
from app.store.engine import DAY_MS, now_ms, open_engine
from app.store.submissions import RejectedSubmission, Submission
from app.store.writer import GroupWriter, StoreBusy, StoreFault, StoreUnavailable
from tests.reports import distinct_bodies
from tests.store.desk import AT, Desk, submission

pytestmark = pytest.mark.anyio

ACCEPTED = Outcome.ACCEPTED
POISON: dict[str, Any] = {"user_agent": object()}


@pytest.fixture
def anyio_backend() -> str:
    """Run on the event loop of the service."""
    return "asyncio"


@dataclass(frozen=True)
class Running:
    """A started writer, and how many submissions each of its commits held."""

    writer: GroupWriter
    commits: list[int] = field(default_factory=list)

    def send(self, *submissions: Submission) -> list[asyncio.Task[Outcome]]:
        """Submit each in a task of its own, as requests do."""
        return [asyncio.create_task(self.writer.submit(one)) for one in submissions]

    async def all_fates(self, *submissions: Submission) -> list[Outcome | BaseException]:
        """Submit all at once; return each one's outcome or what was raised."""
        return list(await asyncio.gather(*self.send(*submissions), return_exceptions=True))

    async def until_waiting(self, count: int) -> None:
        """Let the event loop turn until so many wait for the next commit."""
        async with asyncio.timeout(60):
            while self.writer.waiting != count:
                await asyncio.sleep(0)

    @asynccontextmanager
    async def amid_a_commit(self, engine: Engine) -> AsyncIterator[asyncio.Task[Outcome]]:
        """Let a first submission be on its way into the store, kept from it by a lock, for as long as the block."""
        with write_lock(engine):
            (first,) = self.send(submission(client="first"))
            await self.until_waiting(1)
            await self.until_waiting(0)
            yield first


@asynccontextmanager
async def started(desk: Desk, *, max_waiting: int = 2000) -> AsyncIterator[Running]:
    """Start a writer behind the desk; it stops with the block."""
    commits: list[int] = []
    writer = GroupWriter(
        desk.engine, desk.intake, max_waiting=max_waiting, on_commit=lambda commit: commits.append(commit.size)
    )
    writer.start()
    yield Running(writer, commits)
    await writer.stop()


@contextmanager
def write_lock(engine: Engine) -> Iterator[None]:
    """Hold what every transaction of the writer needs, as another program would."""
    if engine.dialect.name == "postgresql":
        another = open_engine(engine.url.render_as_string(hide_password=False))
        with another.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE seen_submissions IN ACCESS EXCLUSIVE MODE")
            yield
        another.dispose()
        return
    assert engine.url.database is not None
    other = sqlite3.connect(engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def on_connect(engine: Engine, *pragmas: str) -> None:
    """Set pragmas on the connections to come, after the store's own."""

    def set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    engine.dispose()
    event.listen(engine, "connect", set_pragmas)


def reports(count: int) -> list[Submission]:
    """Make submissions of one violation, all different."""
    return [submission(body) for body in distinct_bodies(count)]


def rejection(reason: str = "not JSON") -> RejectedSubmission:
    """Make a rejected submission."""
    return RejectedSubmission(received_at=AT, outcome=Outcome.UNREADABLE, reason=reason, length=3, sample="abc")


async def test_an_answer_comes_after_the_commit(desk: Desk) -> None:
    async with started(desk) as running:
        assert await running.writer.submit(submission()) is ACCEPTED
        assert desk.only(tables.violations).reports == 1


async def test_all_that_come_together_go_into_one_commit(desk: Desk) -> None:
    commits: list[object] = []
    event.listen(desk.engine, "commit", commits.append)
    async with started(desk) as running:
        assert await running.all_fates(*reports(50)) == [ACCEPTED] * 50
        assert running.commits == [50]
    assert len(commits) == 1
    assert desk.only(tables.violations).reports == 50


async def test_all_that_come_during_a_commit_go_into_the_next_one(desk: Desk) -> None:
    async with started(desk) as running:
        async with running.amid_a_commit(desk.engine) as first:
            behind = running.send(*reports(20))
            await running.until_waiting(20)
        assert await asyncio.gather(first, *behind) == [ACCEPTED] * 21
        assert running.commits == [1, 20]


async def test_outcomes_go_to_whom_they_belong(desk: Desk) -> None:
    first, second = reports(2)
    retried = [one._replace(received_at=now_ms()) for one in (first, second, first, second, second)]
    async with started(desk) as running:
        fates = await running.all_fates(*retried)
        assert fates == [ACCEPTED, ACCEPTED, *[Outcome.DUPLICATE] * 3]
        assert await running.all_fates(retried[0]) == [Outcome.DUPLICATE]


def _poisons() -> dict[str, dict[str, Any]]:
    """Return what no insert can take, each failing in another layer."""
    return {
        "a body that is no bytes": {"body": 5},
        "a moment beyond 64 bits": {"received_at": 2**70},
        "a value of no known type": POISON,
        "nothing where something is required": {"identity": None},
    }


@pytest.mark.parametrize("poison", _poisons().values(), ids=_poisons())
@pytest.mark.parametrize("place", [0, 2, 4])
async def test_a_poisonous_submission_fails_alone(desk: Desk, poison: dict[str, Any], place: int) -> None:
    batch = reports(5)  # of these few all detail is kept
    batch[place] = batch[place]._replace(**poison)
    async with started(desk) as running:
        fates = await running.all_fates(*batch)
        assert isinstance(fates.pop(place), StoreFault)
        assert fates == [ACCEPTED] * 4
        assert await running.writer.submit(submission(client="afterwards")) is ACCEPTED
    assert desk.only(tables.violations).reports == 5
    assert desk.only(tables.rollup_hours).reports == desk.only(tables.rollup_days).reports == 5
    assert len(desk.rows(tables.reports)) == 5


@pytest.mark.sqlite_file
async def test_a_locked_store_is_unavailable_to_all_and_is_back_without_a_restart(desk: Desk) -> None:
    on_connect(desk.engine, "busy_timeout=0")
    batch = reports(5)
    async with started(desk) as running:
        with write_lock(desk.engine):
            fates = await running.all_fates(*batch)
            assert [type(fate) for fate in fates] == [StoreUnavailable] * 5
        assert desk.rows(tables.violations) == []
        assert await running.all_fates(*batch) == [ACCEPTED] * 5
    assert desk.only(tables.violations).reports == 5


@pytest.mark.sqlite_file
@pytest.mark.parametrize(
    ("pragma", "message"), [("query_only=ON", "readonly database"), ("max_page_count=1", "disk is full")]
)
async def test_a_store_that_takes_no_more_is_unavailable_to_all(desk: Desk, pragma: str, message: str) -> None:
    on_connect(desk.engine, pragma)
    async with started(desk) as running:
        for fate in await running.all_fates(*reports(5)):
            assert isinstance(fate, StoreUnavailable)
            assert message in str(fate)
    assert desk.rows(tables.violations) == desk.rows(tables.seen_submissions) == []


@pytest.mark.sqlite_file
async def test_a_file_opened_for_reading_alone_is_unavailable(desk: Desk) -> None:
    path = desk.engine.url.database
    desk.engine.dispose()

    def open_for_reading(*_: object) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)

    event.listen(desk.engine, "do_connect", open_for_reading)
    async with started(desk) as running:
        (fate,) = await running.all_fates(submission())
        assert isinstance(fate, StoreUnavailable)
    assert desk.rows(tables.violations) == []


async def test_one_too_many_is_refused_at_once_and_those_before_it_are_taken(desk: Desk) -> None:
    *some, last = reports(4)
    async with started(desk, max_waiting=3) as running:
        async with running.amid_a_commit(desk.engine) as first:
            behind = running.send(*some)
            await running.until_waiting(3)
            with pytest.raises(StoreBusy):
                await running.writer.submit(last)
        assert await asyncio.gather(first, *behind) == [ACCEPTED] * 4
        assert await running.writer.submit(last) is ACCEPTED
    assert desk.only(tables.violations).reports == 5


async def test_stopping_answers_all_that_wait_and_takes_no_more(desk: Desk) -> None:
    batch = reports(1100)  # more than go into one commit
    async with started(desk) as running:
        tasks = running.send(*batch)
        await running.until_waiting(1100)
        await running.writer.stop()
        assert await asyncio.gather(*tasks) == [ACCEPTED] * 1100
        with pytest.raises(StoreBusy):
            await running.writer.submit(submission(client="late"))
    assert sum(running.commits) == desk.only(tables.violations).reports == 1100


@pytest.mark.sqlite_file
async def test_stopping_tells_those_that_wait_when_the_store_is_away(desk: Desk) -> None:
    on_connect(desk.engine, "busy_timeout=0")
    async with started(desk) as running:
        with write_lock(desk.engine):
            tasks = running.send(*reports(3))
            await running.until_waiting(3)
            await running.writer.stop()
        fates = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(fate) for fate in fates] == [StoreUnavailable] * 3


def _in_commit(tasks: list[asyncio.Task[Outcome]]) -> asyncio.Task[Outcome]:
    return tasks[0]


def _waiting(tasks: list[asyncio.Task[Outcome]]) -> asyncio.Task[Outcome]:
    return tasks[2]


@pytest.mark.parametrize("gone", [_in_commit, _waiting])
async def test_a_sender_that_goes_away_hurts_no_other(
    desk: Desk, gone: Callable[[list[asyncio.Task[Outcome]]], asyncio.Task[Outcome]]
) -> None:
    async with started(desk) as running:
        async with running.amid_a_commit(desk.engine) as first:
            tasks = [first, *running.send(*reports(4))]
            await running.until_waiting(4)
            gone(tasks).cancel()
        fates = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(fates.pop(tasks.index(gone(tasks))), asyncio.CancelledError)
        assert fates == [ACCEPTED] * 4
        assert await running.writer.submit(submission(client="afterwards")) is ACCEPTED


async def test_rejections_are_kept_with_nobody_waiting(desk: Desk) -> None:
    async with started(desk) as running:
        running.writer.keep_rejection(rejection())
    row = desk.only(tables.rejections)
    assert (row.outcome, row.reason, row.sample, row.length) == ("unreadable", "not JSON", "abc", 3)
    assert running.commits == []


async def test_rejections_go_into_the_commit_of_those_that_wait(desk: Desk) -> None:
    commits: list[object] = []
    event.listen(desk.engine, "commit", commits.append)
    async with started(desk) as running, running.amid_a_commit(desk.engine):
        running.send(*reports(2))
        running.writer.keep_rejection(rejection())
        await running.until_waiting(2)
    assert len(desk.rows(tables.rejections)) == 1
    assert len(commits) == 2


async def test_rejections_outlive_a_poisonous_submission_beside_them(desk: Desk) -> None:
    async with started(desk) as running:
        async with running.amid_a_commit(desk.engine):
            (poisonous,) = running.send(submission()._replace(**POISON))
            running.writer.keep_rejection(rejection())
            await running.until_waiting(1)
        with pytest.raises(StoreFault):
            await poisonous
    assert len(desk.rows(tables.rejections)) == 1


async def test_a_poisonous_rejection_hurts_no_submission_and_no_other_rejection(desk: Desk) -> None:
    async with started(desk) as running:
        for one in (rejection("before"), replace(rejection(), **POISON), rejection("after")):
            running.writer.keep_rejection(one)
        assert await running.all_fates(*reports(2)) == [ACCEPTED] * 2
    assert [row.reason for row in desk.rows(tables.rejections)] == ["before", "after"]


async def test_what_was_taken_over_a_day_ago_is_forgotten_with_a_commit(desk: Desk) -> None:
    present = now_ms()
    old, new = (
        one._replace(received_at=at) for one, at in zip(reports(2), (present - DAY_MS - 1, present), strict=True)
    )
    desk.take(old)
    async with started(desk) as running:
        assert await running.writer.submit(new) is ACCEPTED
    assert [row.digest for row in desk.rows(tables.seen_submissions)] == [new.digest]
