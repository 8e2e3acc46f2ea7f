"""Group commit: what waits together is written together, and has one fate."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from app.ingest.entry import Entry
from app.ingest.group_commit import MAX_BATCH_BYTES, Commit, GroupCommit, Log
from app.ingest.log import IngestLog
from app.ingest.log_values import Appended, AppendResult, FailureKind, NotAppended, Position
from tests.support.ingest.makers import numbers_in, open_small_log, report


class _HeldLog:
    """A log whose writes wait until a test lets them happen."""

    def __init__(self, log: IngestLog) -> None:
        self._log = log
        self.batches: list[list[Entry]] = []
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.failure: NotAppended | None = None

    def append(self, entries: Sequence[Entry]) -> AppendResult:
        self.batches.append(list(entries))
        self.began.release()
        assert self.may_end.acquire(timeout=10)
        return self.failure or self._log.append(entries)


@contextlib.asynccontextmanager
async def _started(
    log: Log, *, max_waiting_bytes: int = 1 << 20, commits: list[Commit] | None = None
) -> AsyncIterator[GroupCommit]:
    group = GroupCommit(
        log,
        max_waiting_bytes=max_waiting_bytes,
        on_commit=(commits if commits is not None else []).append,
    )
    group.start()
    try:
        yield group
    finally:
        await asyncio.wait_for(group.stop(), 10)


def test_many_waiters_share_few_syncs(tmp_path: Path) -> None:
    log = open_small_log(tmp_path, segment_bytes=1 << 20)
    appends, waiters = 6400, 64

    async def run() -> list[Commit]:
        commits: list[Commit] = []
        numbers = iter(range(appends))

        async def waiter(group: GroupCommit) -> None:
            for number in numbers:
                result = await group.append(report(number))
                assert isinstance(result, Appended)
                assert result.end <= log.end

        async with _started(log, commits=commits) as group:
            await asyncio.gather(*(waiter(group) for _ in range(waiters)))
            assert group.waiting_bytes == 0
        return commits

    commits = asyncio.run(run())
    assert log.syncs == len(commits)
    assert log.syncs <= appends / 8
    assert sum(commit.entries for commit in commits) == appends
    log.close()
    assert sorted(numbers_in(log.directory.path)) == list(range(appends))


def test_all_that_arrive_during_a_write_go_into_the_next(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)

    async def run() -> list[AppendResult]:
        held = _HeldLog(log)
        async with _started(held) as group:
            first = [asyncio.create_task(group.append(report(number))) for number in range(3)]
            await asyncio.to_thread(held.began.acquire)
            second = [asyncio.create_task(group.append(report(number))) for number in range(3, 10)]
            await asyncio.sleep(0.05)
            assert [len(batch) for batch in held.batches] == [3]
            held.may_end.release(2)
            results = await asyncio.gather(*first, *second)
            assert [len(batch) for batch in held.batches] == [3, 7]
        return results

    results = asyncio.run(run())
    ends = [result.end for result in results if isinstance(result, Appended)]
    assert [end.sequence for end in ends] == [3] * 3 + [10] * 7


def test_an_append_alone_does_not_wait_for_others(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)

    async def run() -> None:
        async with _started(log) as group:
            for number in range(5):
                assert await asyncio.wait_for(group.append(report(number)), 5) == Appended(log.end)

    asyncio.run(run())
    assert log.syncs == 5


def test_a_cancelled_waiter_cancels_only_itself(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)

    async def run() -> None:
        held = _HeldLog(log)
        async with _started(held) as group:
            tasks = [asyncio.create_task(group.append(report(number))) for number in range(4)]
            await asyncio.to_thread(held.began.acquire)
            tasks[1].cancel()
            await asyncio.sleep(0)
            held.may_end.release()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(results[1], asyncio.CancelledError)
            assert [results[number] for number in (0, 2, 3)] == [Appended(log.end)] * 3

    asyncio.run(run())
    log.close()
    assert numbers_in(log.directory.path) == [0, 1, 2, 3], "what was delivered is counted, acknowledged or not"


def test_a_waiter_with_a_time_limit_is_told_when_the_batch_is_done(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)

    async def run() -> None:
        held = _HeldLog(log)
        async with _started(held) as group:
            limited = asyncio.create_task(asyncio.wait_for(group.append(report(1)), 0.01))
            other = asyncio.create_task(group.append(report(2)))
            await asyncio.sleep(0.05)
            held.may_end.release()
            assert await other == Appended(log.end)
            with pytest.raises(TimeoutError):
                await limited

    asyncio.run(run())


def test_a_failed_write_reaches_all_that_wait_for_it_and_no_others(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    failure = NotAppended(FailureKind.DISK_FULL, "the disk is full")

    async def run() -> None:
        held = _HeldLog(log)
        async with _started(held) as group:
            held.failure = failure
            failing = [asyncio.create_task(group.append(report(number))) for number in range(5)]
            await asyncio.to_thread(held.began.acquire)
            held.may_end.release()
            assert await asyncio.gather(*failing) == [failure] * 5
            held.failure = None
            held.may_end.release()
            assert isinstance(await group.append(report(9)), Appended)
            assert group.waiting_bytes == 0

    asyncio.run(run())
    log.close()
    assert numbers_in(log.directory.path) == [9]


def test_a_mistake_in_an_entry_is_an_answer_and_not_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = open_small_log(tmp_path)

    async def run() -> None:
        async with _started(log) as group:
            wrong = await group.append(report(1)._replace(client=b"short"))
            assert isinstance(wrong, NotAppended)
            assert wrong.kind is FailureKind.FAULT
            assert isinstance(await group.append(report(2)), Appended)

    asyncio.run(run())
    assert "could not be appended" in caplog.text
    log.close()
    assert numbers_in(log.directory.path) == [2]


def test_waiting_bytes_are_bounded(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)

    async def run() -> None:
        held = _HeldLog(log)
        async with _started(held, max_waiting_bytes=100_000) as group:
            tasks = [asyncio.create_task(group.append(report(n, text=b"x" * 11_000, whole=True))) for n in range(40)]
            await asyncio.sleep(0)
            assert 80_000 < group.waiting_bytes <= 100_000
            held.may_end.release(5)
            results = await asyncio.gather(*tasks)
            refused = [result for result in results if isinstance(result, NotAppended)]
            assert len(refused) == 32
            assert {result.kind for result in refused} == {FailureKind.TOO_MANY_WAITING}
            assert isinstance(await group.append(report(99)), Appended)

    asyncio.run(run())
    log.close()
    assert len(numbers_in(log.directory.path)) == 9


def test_a_batch_is_bounded(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)
    size = MAX_BATCH_BYTES // 4

    async def run() -> list[int]:
        held = _HeldLog(log)
        held.may_end.release(20)
        async with _started(held, max_waiting_bytes=64 << 20) as group:
            tasks = [asyncio.create_task(group.append(report(n, text=b"x" * size, whole=True))) for n in range(8)]
            assert all(isinstance(result, Appended) for result in await asyncio.gather(*tasks))
        return [len(batch) for batch in held.batches]

    assert asyncio.run(run()) == [3, 3, 2]


def test_stopping_writes_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    log = open_small_log(tmp_path)

    async def run() -> None:
        held = _HeldLog(log)
        async with _started(held) as group:
            first = asyncio.create_task(group.append(report(1)))
            await asyncio.to_thread(held.began.acquire)
            second = asyncio.create_task(group.append(report(2)))
            await asyncio.sleep(0)
            stopping = asyncio.create_task(group.stop())
            await asyncio.sleep(0)
            refused = await group.append(report(3))
            assert isinstance(refused, NotAppended)
            assert refused.kind is FailureKind.STOPPED
            held.may_end.release(2)
            await stopping
            assert isinstance(await first, Appended)
            assert await second == Appended(log.end)

    asyncio.run(run())
    log.close()
    assert numbers_in(log.directory.path) == [1, 2]


def test_positions_are_ordered_like_the_log() -> None:
    assert Position(1, 900, 7) < Position(2, 512, 7) < Position(2, 600, 8)
