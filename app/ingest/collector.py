"""One submission in, exactly one outcome out; every one of them counted.

::

    body ──BodyReader──> refused (4xx, with a sample for the operator), or
                         entry ──group commit──> durable in the ingest log ──> accepted

What is no report is refused before the log. What is accepted is counted by the fold, as a report of its violation, as a
retry or as overflow: the sender learns only that nothing of it will be lost.

A batch has several reports; its outcome is the worst that one of them met with. Those that can be taken are taken all
the same, and a repetition of the batch counts them once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from app.canary import MARK, InvalidCanary
from app.ingest.body_reader import BodyReader, ReadBody
from app.ingest.entry import CanaryEntry, Entry, RejectionEntry
from app.ingest.envelope import Envelope, Fate
from app.ingest.keyed_hashes import KeyedHashes
from app.ingest.log_values import AppendResult, FailureKind, NotAppended
from app.ingest.registered_hosts import RegisteredHosts
from app.ingest.rejections import describe_rejection
from app.metrics import Metrics
from app.outcomes import Outcome
from app.store.engine import now_ms

logger = logging.getLogger(__name__)

_REJECTIONS_WAITING = 500
"""Samples that wait for the log; of a flood of rubbish further ones are counted and not kept."""
_REJECTIONS_MISSED = 2000
"""Samples of what could not be logged, 1 kB each: logged later, so that the verdict sees from how many networks reports
were lost. How many there were, the metrics count."""

_ACCEPTED = Fate(Outcome.ACCEPTED)
_UNKNOWN_HOST = Fate(Outcome.UNKNOWN_HOST, "No policy is registered for this host, and this service takes no others.")
_NOT_APPENDED = Fate(Outcome.STORE_UNAVAILABLE, "The service cannot record reports at the moment; nothing was kept.")
_NOT_COLLECTED = "a submission could not be collected"
_FAULT = Fate(Outcome.FAULT, "The fault was logged; nothing was stored.")

_WORST_FIRST = (
    Outcome.FAULT,
    Outcome.STORE_UNAVAILABLE,
    Outcome.UNKNOWN_HOST,
    Outcome.NOT_A_REPORT,
    Outcome.UNREADABLE,
    Outcome.ACCEPTED,
)
"""In this order an outcome of one report is that of the whole batch."""

CheckCanary = Callable[[bytes], None]
"""Check the signature of a canary's body. Raises InvalidCanary."""


class Commit(Protocol):
    """What the collector needs of `GroupCommit`."""

    def submit(self, entry: Entry) -> "asyncio.Future[AppendResult]":
        """Add an entry to the batch that gathers; the future tells whether it is durable."""
        ...


class _Plan(NamedTuple):
    """What becomes of a submission: its fate once the entry is durable, or at once without one."""

    fate: Fate
    entry: Entry | None = None


def _plan(read: ReadBody, unknown: Sequence[Fate] = ()) -> _Plan:
    """Decide on a body: what can be taken of it is taken, and its worst outcome is its fate."""
    if read.entry is not None and not read.refused and not unknown:  # nearly always
        return _Plan(_ACCEPTED, read.entry)
    # If one host is known, the whole body is logged: the fold leaves out the reports of hosts without a policy.
    taken = read.entry is not None and len(unknown) < len(read.hostnames)
    fates = [*read.refused, *unknown, *([_ACCEPTED] if taken else [])]
    if not fates:  # entries of other types are another collector's; the sender has done nothing wrong
        return _Plan(Fate(Outcome.FOREIGN_TYPE))
    return _Plan(min(fates, key=lambda fate: _WORST_FIRST.index(fate.outcome)), read.entry if taken else None)


class Collector:
    """The use case: collects submissions. Addresses are not kept; ``registered`` None accepts reports of all hosts."""

    def __init__(
        self,
        commit: Commit,
        metrics: Metrics,
        hashes: KeyedHashes,
        *,
        registered: RegisteredHosts | None = None,
        check_canary: CheckCanary | None = None,
    ) -> None:
        self._commit = commit
        self._metrics = metrics
        self._hashes = hashes
        self._registered = registered
        self._check_canary = check_canary
        self._bodies = BodyReader(hashes)
        self._rejections_waiting = 0
        self._missed: deque[RejectionEntry] = deque(maxlen=_REJECTIONS_MISSED)

    async def collect(self, body: bytes, envelope: Envelope) -> Fate:
        """Take one body; returns after it is durable, or says why it is not taken."""
        try:
            plan = self._read(body, envelope, now_ms())
            if isinstance(plan, ReadBody):
                # May wait for a look into the store: the reason why `submit` leaves some bodies to this.
                plan = _plan(plan, await self._refuse_hosts(plan))
            fate = plan.fate if plan.entry is None else self._fate_of(plan, await self._commit.submit(plan.entry))
        except Exception:
            # A fault is an outcome, too: each submission has exactly one, and its sender gets an answer.
            logger.exception(_NOT_COLLECTED)
            fate = _FAULT
        return self._conclude(fate, body, envelope)

    def submit(self, body: bytes, envelope: Envelope, answer: Callable[[Fate], None]) -> bool:
        """Take one body as `collect` does, without a task; ``answer`` is called in a later turn of the event loop.

        Returns False, and has done nothing, if that may need a look into the store: `collect` has to take it then.
        """
        try:
            plan = self._read_without_waiting(body, envelope, now_ms())
            if plan is None:
                return False
            if plan.entry is not None:
                durable = self._commit.submit(plan.entry)
                durable.add_done_callback(partial(self._answer, plan, body, envelope, answer))
                return True
            fate = plan.fate
        except Exception:
            logger.exception(_NOT_COLLECTED)
            fate = _FAULT
        # Never before this returns: the caller has to know first that the body was taken.
        asyncio.get_running_loop().call_soon(answer, self._conclude(fate, body, envelope))
        return True

    def _answer(
        self,
        plan: _Plan,
        body: bytes,
        envelope: Envelope,
        answer: Callable[[Fate], None],
        durable: "asyncio.Future[AppendResult]",
    ) -> None:
        """Tell the sender who waits for a batch; called when that is durable or has failed."""
        try:
            fate = self._fate_of(plan, durable.result())
        except Exception:
            logger.exception(_NOT_COLLECTED)
            fate = _FAULT
        answer(self._conclude(fate, body, envelope))

    def _conclude(self, fate: Fate, body: bytes, envelope: Envelope) -> Fate:
        """Count a submission's one outcome, and keep a sample of what was not taken."""
        if fate is _NOT_APPENDED:
            # Not logged now, which would fail as well: kept until an append succeeds.
            self._missed.append(self._describe(fate, envelope, body))
        # A fault of this program is in its own log; samples show what senders send wrong.
        elif fate.reason and fate is not _FAULT:
            return self.reject(fate, envelope, body)
        self._metrics.count_outcome(fate.outcome)
        return fate

    def _read_without_waiting(self, body: bytes, envelope: Envelope, received_at: int) -> _Plan | None:
        """Read a body; None if its hosts may have to be looked for, before the dear part of the reading."""
        if self._registered is None:
            plan = self._read(body, envelope, received_at)
            return _plan(plan) if isinstance(plan, ReadBody) else plan
        recalled = self._bodies.recall(body, envelope, received_at=received_at)
        # What is known is decided now. Reading in full waits, because `collect` would do that again.
        if recalled is None or not all(map(self._registered.knows, recalled.hostnames)):
            return None
        return _plan(recalled)

    def _read(self, body: bytes, envelope: Envelope, received_at: int) -> ReadBody | _Plan:
        """Recognise or read a body. Of a canary it is settled at once what becomes of it."""
        recalled = self._bodies.recall(body, envelope, received_at=received_at)
        if recalled is not None:
            return recalled
        # Not asked of what is recalled: a report with such a member is not remembered.
        if self._check_canary is not None and MARK in body:
            try:
                self._check_canary(body)
            except InvalidCanary as error:
                return _Plan(Fate(Outcome.CANARY_REFUSED, str(error)))
            _, network = self._hashes.of_address(envelope.address)
            return _Plan(Fate(Outcome.CANARY), CanaryEntry(received_at, network, body, envelope.label))
        return self._bodies.read(body, envelope, received_at=received_at)

    async def _refuse_hosts(self, read: ReadBody) -> list[Fate]:
        """Refuse each report whose host is not registered, if that matters."""
        if self._registered is None:
            return []
        # One for each report and not for each body: `_plan` compares their number.
        return [_UNKNOWN_HOST for host in read.hostnames if not await self._registered.covers(host)]

    def _fate_of(self, plan: _Plan, appended: AppendResult) -> Fate:
        """Return what the sender is told once an append has ended; after a success log what was missed."""
        if isinstance(appended, NotAppended):
            return _FAULT if appended.kind is FailureKind.FAULT else _NOT_APPENDED
        while self._missed:  # what could not be logged is logged now, so that the operator is alerted of it
            self._commit.submit(self._missed.popleft())
        return plan.fate

    def reject(self, fate: Fate, envelope: Envelope, body: bytes = b"", *, length: int | None = None) -> Fate:
        """Count a submission that is not taken, and log a sample of it for the operator; nobody waits for that."""
        self._metrics.count_outcome(fate.outcome)
        # Beside `max_waiting_bytes`: samples of rubbish must not take the room of reports.
        if self._rejections_waiting < _REJECTIONS_WAITING:
            self._rejections_waiting += 1
            sample = self._describe(fate, envelope, body, length=length)
            self._commit.submit(sample).add_done_callback(self._rejection_done)
        return fate

    def _describe(self, fate: Fate, envelope: Envelope, body: bytes, *, length: int | None = None) -> RejectionEntry:
        """Build the sample of a submission that is not taken; it has no address."""
        _, network = self._hashes.of_address(envelope.address)
        return describe_rejection(fate, envelope, body, network=network, length=length, received_at=now_ms())

    def _rejection_done(self, _appended: "asyncio.Future[AppendResult]") -> None:
        """Make room for the next sample."""
        # Also for a sample that was not appended: it does not wait any more.
        self._rejections_waiting -= 1

    def count(self, outcome: Outcome) -> None:
        """Count a request that carried no submission."""
        self._metrics.count_outcome(outcome)
