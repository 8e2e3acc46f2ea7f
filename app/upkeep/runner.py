"""Runs background jobs for ever: whatever one of them raises, and however long it takes, the others go on.

::

    run:       lock the directory (one process of a machine runs the jobs) ──> supervise each job
    supervise: find what is due ──> do each item by itself ──> pause ──> …
                    └───────────────────┴── raises, or takes longer than the limit:
                                            a log line, a count, and the next try after a longer and longer pause

A thread cannot be interrupted. What takes longer than the limit is reported then, asked to end, and waited for, so that
it never runs next to itself.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from app.hpkp.errors import HpkpError
from app.ingest.log_directory import Lock
from app.store.engine import now_ms
from app.store.failures import StoreError
from app.threads import wait_until_done
from app.upkeep.status import JobStatus, read_status, write_status

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_FIRST_RETRY = 5.0
"""Seconds after which what failed is tried again; doubled with each failure, up to the longest."""
_LONGEST_RETRY = 900.0
_LOOK = 5.0
"""Seconds between tries to take the place of another process that runs the jobs."""
_SKIPPED_PAUSE = 15.0
"""Seconds after which a job looks again whose turn another process or job had."""
_LONGEST_ERROR = 300

ALL: Sequence[str] = ("",)
"""The items of a job that has no parts."""


def _always_ours() -> AbstractAsyncContextManager[bool]:
    return nullcontext(True)


async def _find_all() -> Sequence[str]:
    return ALL


@dataclass(frozen=True, slots=True)
class Job:
    """A background job. Seconds.

    ``find`` returns what is due, ``do`` does one item of that. ``lock`` tells whether no other machine does it now.
    """

    name: str
    do: Callable[[str], Coroutine[Any, Any, object]]
    pause: float
    """Between two runs."""
    limit: float
    """The longest that finding, or one item, may take."""
    find: Callable[[], Coroutine[Any, Any, Sequence[str]]] = _find_all
    lock: Callable[[], AbstractAsyncContextManager[bool]] = _always_ours
    delay: float = 0.0
    """Before the first run."""
    rest: float = 0.0
    """How many times as long as a run took the next one waits at least."""
    longest_retry: float = _LONGEST_RETRY
    """The longest pause after failures."""
    at_once: int = 1
    """How many items are done at the same time: what waits for others' servers must not hold up the rest."""


class _TookTooLong(Exception):
    """It was reported already."""


@dataclass(slots=True)
class _Retries:
    """What failed, and when it may be tried again; the empty name is the job as a whole."""

    monotonic: Callable[[], float]
    longest: float = _LONGEST_RETRY
    failed: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, item: str) -> None:
        count = self.failed[item][0] + 1 if item in self.failed else 1
        pause = min(_FIRST_RETRY * 2 ** min(count - 1, 10), self.longest)
        self.failed[item] = count, self.monotonic() + pause

    def clear(self, item: str) -> None:
        self.failed.pop(item, None)

    def keep(self, items: Sequence[str]) -> None:
        """Drop what is not due any more, such as a host whose policy was withdrawn."""
        self.failed = {item: tried for item, tried in self.failed.items() if item == "" or item in items}

    def waits(self, item: str) -> bool:
        return item in self.failed and self.monotonic() < self.failed[item][1]

    def soonest(self) -> float:
        """Return the seconds until something may be tried again; infinity if nothing failed."""
        return min((max(at - self.monotonic(), 0) for _, at in self.failed.values()), default=float("inf"))


class Runner:
    """Runs jobs. Their status is in the directory, for every process of the machine."""

    def __init__(self, jobs: Sequence[Job], root: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._root = root
        self._monotonic = monotonic
        self._status: dict[str, JobStatus] = {}
        self._retries = {job.name: _Retries(monotonic, job.longest_retry) for job in jobs}

    async def run(self) -> None:
        """Run until cancelled, once no other process of this machine does."""
        while True:
            async with self._locked() as ours:
                if ours:
                    before = read_status(self._root)
                    self._status = {
                        job.name: replace(before.get(job.name, JobStatus()), failing=0) for job in self._jobs
                    }
                    write_status(self._root, self._status)
                    # Not gather: if it is cancelled, it does not wait for what the jobs still do in threads.
                    async with asyncio.TaskGroup() as running:
                        for job in self._jobs:
                            running.create_task(self._supervise(job))
            await asyncio.sleep(_LOOK)

    @asynccontextmanager
    async def _locked(self) -> Any:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock.take(self._root / "upkeep.lock")
        except OSError as error:
            logger.error("the background jobs cannot run: %s", error)
            lock = None
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    async def _supervise(self, job: Job) -> None:
        await asyncio.sleep(job.delay)
        while True:
            began = self._monotonic()
            had_turn = await self._run(job)
            pause = max(job.pause, job.rest * (self._monotonic() - began))
            if not had_turn:
                # Jobs share turns: a job of a day that was skipped once must not wait for another day.
                pause = min(pause, _SKIPPED_PAUSE)
            # Never 0: what may be tried again at this very moment must not keep the others from running.
            await asyncio.sleep(max(min(pause, self._retries[job.name].soonest()), 0.05))

    async def _run(self, job: Job) -> bool:
        """Do what is due of a job; False if another process or job has its turn."""
        retries = self._retries[job.name]
        if retries.waits(""):
            return True
        try:
            async with AsyncExitStack() as stack:
                if not await self._within(job, "", stack.enter_async_context(job.lock())):
                    return False
                items = await self._within(job, "", job.find())
                retries.keep(items)
                free = asyncio.Semaphore(job.at_once)

                async def do(item: str) -> None:
                    async with free:
                        await self._do(job, item)

                async with asyncio.TaskGroup() as doing:
                    for item in items:
                        if not retries.waits(item):
                            doing.create_task(do(item))
        except Exception as error:  # noqa: BLE001  whatever it is, it is logged and tried again
            self._fail(job, "", error)
        else:
            if "" not in items:
                retries.clear("")
        at, failing = now_ms(), len(retries.failed)
        succeeded = {} if failing else {"last_succeeded_at": at}
        self._change(job, last_run_at=at, runs=self._status[job.name].runs + 1, failing=failing, **succeeded)
        return True

    async def _do(self, job: Job, item: str) -> None:
        try:
            await self._within(job, item, job.do(item))
        except Exception as error:  # noqa: BLE001  whatever it is, it is logged and tried again
            self._fail(job, item, error)
        else:
            self._retries[job.name].clear(item)

    async def _within(self, job: Job, item: str, work: Awaitable[_T]) -> _T:
        """Await something for as long as the job's limit. Raises what it raises, and _TookTooLong."""
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait([task], timeout=job.limit)
            if not done:
                self._fail(job, item, TimeoutError(f"took longer than {job.limit:g} seconds"))
        finally:
            task.cancel()
            await wait_until_done(task)
        if task.cancelled():
            raise _TookTooLong if not done else RuntimeError("it cancelled itself")
        if not done:
            task.exception()  # whatever came of it is not the reason any more
            raise _TookTooLong
        return task.result()

    def _fail(self, job: Job, item: str, error: Exception) -> None:
        """Log, count and remember a failure."""
        if isinstance(error, _TookTooLong):
            return
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0] or type(error).__name__
        expected = isinstance(error, StoreError | HpkpError | OSError)  # a TimeoutError is an OSError
        if not expected:
            reason = f"{type(error).__name__}: {reason}"
        what = f"{item}: {reason}" if item else reason
        logger.error("background job %s failed: %s", job.name, what, exc_info=None if expected else error)
        self._retries[job.name].add(item)
        self._change(
            job,
            last_failed_at=now_ms(),
            last_error=what[:_LONGEST_ERROR],
            failures=self._status[job.name].failures + 1,
            failing=len(self._retries[job.name].failed),
        )

    def _change(self, job: Job, **changes: Any) -> None:
        self._status[job.name] = replace(self._status[job.name], **changes)
        write_status(self._root, self._status)
