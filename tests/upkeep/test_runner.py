"""The runner with real tasks, threads and files: whatever a job does, the others run, and it is tried again."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from app.hpkp.errors import InvalidPin
from app.threads import in_thread
from app.upkeep import runner
from app.upkeep.runner import Job, Runner
from app.upkeep.status import JobStatus, read_status
from tests.support.server import _PATIENCE


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again and look for the lock soon."""
    monkeypatch.setattr(runner, "_FIRST_RETRY", 0.05)
    monkeypatch.setattr(runner, "_LOOK", 0.05)


def _run(jobs: Sequence[Job], root: Path, until: Callable[[], bool]) -> dict[str, JobStatus]:
    """Run jobs until something is reached; return their status then."""

    async def go() -> None:
        task = asyncio.create_task(Runner(jobs, root).run())
        async with asyncio.timeout(_PATIENCE):
            while not until():
                assert not task.done(), task
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(go())
    return read_status(root)


async def _nothing(_item: str) -> None:
    pass


def _counting(counts: list[str]) -> Job:
    async def count(item: str) -> None:
        counts.append(item)

    return Job("other", do=count, pause=0.01, limit=_PATIENCE)


async def _cancel_itself() -> None:
    raise asyncio.CancelledError


def _raise(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("fail", "told"),
    [
        (_raise(ValueError("a value")), "ValueError: a value"),
        (_raise(KeyError("a key")), "KeyError: 'a key'"),
        (_raise(InvalidPin("not a pin")), "not a pin"),
        (_raise(OSError(28, "No space left on device")), "[Errno 28] No space left on device"),
        (_raise(MemoryError()), "MemoryError: MemoryError"),
        (_raise(RecursionError("too deep\nsecond line")), "RecursionError: too deep"),
        (_raise(ExceptionGroup("both", [ValueError("one")])), "ExceptionGroup: both (1 sub-exception)"),
        (_cancel_itself, "RuntimeError: it cancelled itself"),
    ],
)
def test_whatever_a_job_raises_it_is_told_and_tried_again_and_the_others_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fail: Callable[[], Awaitable[None]], told: str
) -> None:
    tries, others = 0, list[str]()

    async def do(_item: str) -> None:
        nonlocal tries
        tries += 1
        if tries <= 2:
            await fail()

    job = Job("failing", do=do, pause=0.01, limit=_PATIENCE)
    status = _run([job, _counting(others)], tmp_path, lambda: tries >= 4 and len(others) >= 10)
    assert (status["failing"].failures, status["failing"].failing, status["failing"].last_error) == (2, 0, told)
    assert status["failing"].last_run_at == status["failing"].last_succeeded_at >= status["failing"].last_failed_at > 0
    assert (status["other"].failures, status["other"].last_error) == (0, "")
    assert [record.message for record in caplog.records] == [f"background job failing failed: {told}"] * 2


def test_a_host_that_fails_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    done: list[str] = []

    async def find() -> Sequence[str]:
        return ["a.example", "b.example", "c.example"]

    async def do(host: str) -> None:
        if host == "b.example":
            raise ValueError("its policy")
        done.append(host)

    job = Job("hosts", find=find, do=do, pause=0.01, limit=_PATIENCE)
    status = _run([job], tmp_path, lambda: done.count("c.example") >= 10)["hosts"]
    assert set(done) == {"a.example", "c.example"}
    assert (status.failing, status.last_error) == (1, "b.example: ValueError: its policy")
    assert status.last_run_at > status.last_succeeded_at == 0, "a run with a failure is no success"
    assert status.failures < status.runs, "it is tried after longer and longer pauses"


@pytest.mark.parametrize("where", ["find", "turn"])
def test_what_fails_before_the_first_item_is_tried_again(tmp_path: Path, where: str) -> None:
    tries, done = 0, list[str]()

    async def find() -> Sequence[str]:
        nonlocal tries
        tries += 1
        if tries <= 2 and where == "find":
            raise ValueError("the store")
        return ["a.example"]

    def lock() -> Any:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise ValueError("the store")
        return runner._always_ours()

    async def do(item: str) -> None:
        done.append(item)

    options: dict[str, Any] = {"turn": lock} if where == "turn" else {}
    job = Job("finding", find=find, do=do, pause=0.01, limit=_PATIENCE, **options)
    status = _run([job], tmp_path, lambda: len(done) >= 2)["finding"]
    assert (status.failures, status.failing, status.last_error) == (2, 0, "ValueError: the store")


def test_what_takes_too_long_is_told_ended_and_tried_again(tmp_path: Path) -> None:
    ended, others = 0, list[str]()

    async def hang(_item: str) -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1

    job = Job("hanging", do=hang, pause=0.01, limit=0.02)
    status = _run([job, _counting(others)], tmp_path, lambda: ended >= 3 and len(others) >= 10)["hanging"]
    assert (status.failing, status.last_error) == (1, "took longer than 0.02 seconds")


def test_a_thread_that_cannot_be_ended_is_told_and_waited_for(tmp_path: Path) -> None:
    go_on, running, most = threading.Event(), 0, 0
    told: list[JobStatus] = []

    def block() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        go_on.wait(_PATIENCE)
        running -= 1

    async def do(_item: str) -> None:
        await in_thread(block)

    def until() -> bool:
        status = read_status(tmp_path).get("blocked", JobStatus())
        if status.failing and not told:
            told.append(status)
            go_on.set()
        return status.runs >= 2

    others: list[str] = []
    _run([Job("blocked", do=do, pause=0.01, limit=0.02), _counting(others)], tmp_path, until)
    assert told[0].last_error == "took longer than 0.02 seconds"
    assert told[0].runs == 0, "it was told while the thread was still at it"
    assert most == 1
    assert others


def test_pauses_after_failures_double_up_to_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    retries, pauses = runner._Retries(lambda: 0.0), []
    for _ in range(30):
        retries.add("a.example")
        pauses.append(retries.soonest())
    assert pauses[:5] == [5, 10, 20, 40, 80]
    assert pauses[10:] == [900] * 20
    retries.clear("a.example")
    assert retries.soonest() == float("inf")


def test_one_process_runs_the_jobs_and_another_takes_its_place_and_counts_on(tmp_path: Path) -> None:
    first, second = list[str](), list[str]()

    async def go() -> None:
        one = asyncio.create_task(Runner([_counting(first)], tmp_path).run())
        while len(first) < 3:
            await asyncio.sleep(0.01)
        two = asyncio.create_task(Runner([_counting(second)], tmp_path).run())
        while len(first) < 20:
            await asyncio.sleep(0.01)
        assert second == []
        one.cancel()
        await asyncio.wait([one])
        while len(second) < 3:
            await asyncio.sleep(0.01)
        two.cancel()
        await asyncio.wait([two])

    asyncio.run(asyncio.wait_for(go(), _PATIENCE))
    assert read_status(tmp_path)["other"].runs >= len(first) + len(second) - 2


def test_a_job_that_another_machine_does_is_passed_over(tmp_path: Path) -> None:
    class NotOurs:
        async def __aenter__(self) -> bool:
            asked.append("")
            return False

        async def __aexit__(self, *_error: object) -> None:
            pass

    asked, others = list[str](), list[str]()

    async def do(_item: str) -> None:
        raise AssertionError

    job = Job("theirs", do=do, pause=0.01, limit=_PATIENCE, lock=NotOurs)
    status = _run([job, _counting(others)], tmp_path, lambda: len(asked) >= 3 and len(others) >= 3)["theirs"]
    assert status == JobStatus()


def test_a_status_that_cannot_be_read_or_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "upkeep.json").write_text("[1")
    done: list[str] = []
    status = _run([_counting(done)], tmp_path, lambda: len(done) >= 3)
    assert status["other"].runs >= 2
    (tmp_path / "upkeep.json.new").mkdir()
    done.clear()
    _run([_counting(done)], tmp_path, lambda: len(done) >= 3)


def test_a_job_whose_turn_was_taken_once_looks_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of a day shares its turn with another one that comes first."""
    monkeypatch.setattr(runner, "_SKIPPED_PAUSE", 0.05)
    asked, done = list[int](), list[str]()

    def lock() -> Any:
        asked.append(1)
        return nullcontext(len(asked) > 1)

    async def do(item: str) -> None:
        done.append(item)

    _run([Job("daily", do=do, pause=86_400, limit=_PATIENCE, lock=lock)], tmp_path, lambda: bool(done))
    assert len(asked) == 2
