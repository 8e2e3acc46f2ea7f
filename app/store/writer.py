"""Group commit: all submissions that wait when the last commit ends go into the next one.

::

    submit() ──> waiting ──(one thread, one transaction)──> commit ──> every future of the batch resolved
       │
       └─ StoreBusy when too many wait

There is no timer. One future per submission, so that a sender who goes away cancels only its own.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, TimeoutError

from app.outcomes import Outcome
from app.store.engine import DAY_MS, HOUR_MS, now_ms, writing
from app.store.intake import Intake
from app.store.postgres import failed_by_another
from app.store.submissions import RejectedSubmission, Submission

logger = logging.getLogger(__name__)

_BATCH = 512
_REJECTIONS_WAITING = 500
_ATTEMPTS = 4


class StoreBusy(Exception):
    """More submissions wait for the store than it is allowed to hold."""


class StoreUnavailable(Exception):
    """The store did not take the submission; nothing of it was kept."""


class StoreFault(Exception):
    """The submission could not be written for a reason of its own: a mistake in this service."""


_Written = Outcome | StoreUnavailable | StoreFault


class Commit(NamedTuple):
    """A transaction of submissions, whether the store took it or not, in seconds; ``waited`` is the longest wait.

    That is from when a submission came here to when its answer was known, so it holds the transaction too.
    """

    size: int
    seconds: float
    waited: float


class GroupWriter:
    """The one writer of a process. Start and stop it with the service."""

    def __init__(
        self,
        engine: Engine,
        intake: Intake,
        *,
        max_waiting: int,
        on_commit: Callable[[Commit], None] = lambda commit: None,
    ) -> None:
        self._engine = engine
        self._intake = intake
        self._max_waiting = max_waiting
        self._on_commit = on_commit
        self._waiting: deque[tuple[Submission, asyncio.Future[Outcome], float]] = deque()
        self._rejected: deque[RejectedSubmission] = deque(maxlen=_REJECTIONS_WAITING)
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-writer")
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._forgot_at = 0

    @property
    def waiting(self) -> int:
        """How many submissions wait for the next commit."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to write, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="group-writer")

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def submit(self, submission: Submission) -> Outcome:
        """Return the outcome once it is durable.

        Raises StoreBusy when too many wait, StoreUnavailable when the store is away, StoreFault for our own mistake.
        """
        if self._stopping or len(self._waiting) >= self._max_waiting:
            raise StoreBusy
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, future, time.monotonic()))
        self._wake.set()
        return await future

    def keep_rejection(self, rejected: RejectedSubmission) -> None:
        """Keep a rejected submission with the next commit; nobody waits for it."""
        self._rejected.append(rejected)
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or self._rejected:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                rejected = [self._rejected.popleft() for _ in range(len(self._rejected))]
                submissions = [submission for submission, _, _ in batch]
                began = time.monotonic()
                outcomes = await loop.run_in_executor(self._thread, self._write, submissions, rejected)
                for (_, future, _), outcome in zip(batch, outcomes, strict=True):
                    if future.done():
                        continue
                    if isinstance(outcome, Outcome):
                        future.set_result(outcome)
                    else:
                        future.set_exception(outcome)
                if batch:
                    ended = time.monotonic()
                    self._on_commit(Commit(len(batch), ended - began, ended - batch[0][2]))
            if self._stopping:
                return

    def _write(self, submissions: list[Submission], rejected: list[RejectedSubmission]) -> list[_Written]:
        """Write a batch. Where the store is away everybody is told; where one item fails, only that one is lost."""
        try:
            return self._transact_again(submissions, rejected)
        except Exception as error:
            if _is_away(error):
                logger.error("the store is away, %d submissions refused: %s", len(submissions), error)
                return [StoreUnavailable(str(error)) for _ in submissions]
            logger.exception("a batch of %d failed", len(submissions))
            if len(submissions) + len(rejected) > 1:
                for item in rejected:
                    self._write([], [item])
                return [written for submission in submissions for written in self._write([submission], [])]
            return [StoreFault(str(error)) for _ in submissions]

    def _transact_again(self, submissions: list[Submission], rejected: list[RejectedSubmission]) -> list[_Written]:
        """Write a batch, a few times from its beginning where it was broken off for the sake of another writer."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._transact(submissions, rejected)
            except DBAPIError as error:
                if not failed_by_another(error):
                    raise
                logger.info("a batch of %d gave way to another writer: %s", len(submissions), error.orig)
        return self._transact(submissions, rejected)

    def _transact(self, submissions: list[Submission], rejected: list[RejectedSubmission]) -> list[_Written]:
        with writing(self._engine) as connection:
            outcomes = list[_Written](self._intake.write(connection, submissions)) if submissions else []
            if rejected:
                self._intake.reject(connection, rejected)
            if now_ms() - self._forgot_at > HOUR_MS:
                self._intake.forget_retries(connection, now_ms() - DAY_MS)
                self._forgot_at = now_ms()
        return outcomes


def _is_away(error: Exception) -> bool:
    """Whether the store as a whole failed (locked, full, gone), and not one statement for what was in it."""
    if isinstance(error, DBAPIError):
        return not isinstance(error, DataError | IntegrityError | ProgrammingError)
    return isinstance(error, TimeoutError)
