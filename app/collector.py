"""One submission in, exactly one outcome out; every one of them counted.

::

    body ──ReportReader──> report, identity ──> writer.submit ──(commit)──> Outcome

A batch has several reports; its outcome is the worst that one of them met with, so that a 2xx says that all of them are
durable. Those that can be taken are taken all the same, and a repetition of the batch counts them once.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from app.canary import MARK, InvalidCanary
from app.hpkp.clients import network_of
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.metrics import Metrics
from app.outcomes import Outcome
from app.senders import Unreadable
from app.senders.reader import Identified, ReportReader
from app.store.engine import from_ms, now_ms
from app.store.submissions import UNPLACED, RejectedSubmission, Submission
from app.store.writer import GroupWriter, StoreBusy, StoreUnavailable

logger = logging.getLogger(__name__)

_SAMPLE = 300
_NETWORKS = 10_000
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_RUN = r"[A-Za-z0-9+/=_\\\r\n-]"
_KEY_LIKE = re.compile(rf"(?:[0-9A-Fa-f]{{2}}[:\s]+){{8,}}|{_RUN}{{20,}}(?:[\"', \t]++{_RUN}++(?!\"\s*:))*")
"""Base64, also in lines, in pieces and with the escapes of JSON; hexadecimal, also in pairs."""
_UNFINISHED = re.compile(rf"{_RUN}+\Z")
_MEMBER_NAME = re.compile(r"[a-z-]+")


class Envelope(NamedTuple):
    """What came around a body: from whom, under which label, how."""

    address: str
    label: str = ""
    mode: Mode | None = None
    content_type: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """The outcome of a submission, with what the sender is told about it."""

    outcome: Outcome
    reason: str = ""
    pointer: str | None = None


TakeCanary = Callable[[bytes], None]
"""Record a canary from its body; InvalidCanary for what is none, durable when it returns."""

_ACCEPTED = Fate(Outcome.ACCEPTED)
_REASONS = {
    Outcome.UNKNOWN_HOST: "No policy is registered for this host, and this service takes no others.",
    Outcome.OVER_LIMIT: "A limit on hosts or on new violations was reached; known violations are still counted.",
    Outcome.STORE_UNAVAILABLE: "The store cannot take reports at the moment; nothing was kept.",
}

_WORST_FIRST = (
    Outcome.STORE_UNAVAILABLE,
    Outcome.OVER_LIMIT,
    Outcome.UNKNOWN_HOST,
    Outcome.NOT_A_REPORT,
    Outcome.UNREADABLE,
    Outcome.ACCEPTED,
    Outcome.DUPLICATE,
)
"""In this order an outcome of one report is that of the whole batch."""


class Collector:
    """The use case: collects submissions. ``client_key`` makes client hashes; addresses are not kept."""

    def __init__(
        self, writer: GroupWriter, metrics: Metrics, *, client_key: bytes, take_canary: TakeCanary | None = None
    ) -> None:
        self._writer = writer
        self._metrics = metrics
        self._digests = hashlib.blake2b(digest_size=12, key=client_key)
        self._clients = hashlib.blake2b(digest_size=16, key=client_key)
        networks = hashlib.blake2b(digest_size=8, key=client_key)
        self._network = lru_cache(maxsize=_NETWORKS)(partial(_hash_network, networks))
        self._reader = ReportReader()
        self._take_canary = take_canary

    async def collect(self, body: bytes, envelope: Envelope) -> Fate:
        """Take one body; returns after all of it is durable, or says why it is not."""
        try:
            if MARK in body and self._take_canary is not None:
                return await self._collect_canary(body, envelope)
            read = self.read(body, envelope, received_at=now_ms())
            fates = [await self._submit(read[0])] if len(read) == 1 else await self._submit_all(read)
        except Exception:
            logger.exception("a submission could not be collected")
            self._metrics.count_outcome(Outcome.FAULT)
            return Fate(Outcome.FAULT, "The fault was logged; nothing was stored.")
        if not fates:
            # Entries of other types are another collector's; the sender has done nothing wrong.
            self._metrics.count_outcome(Outcome.FOREIGN_TYPE)
            return Fate(Outcome.FOREIGN_TYPE)
        fate = fates[0] if len(fates) == 1 else min(fates, key=lambda fate: _WORST_FIRST.index(fate.outcome))
        if fate.reason:
            return self.reject(fate, envelope, body)
        self._metrics.count_outcome(fate.outcome)
        return fate

    def read(self, body: bytes, envelope: Envelope, *, received_at: int) -> list[Submission | Unreadable]:
        """Read one body into what the store takes; ``received_at`` in milliseconds since the Unix epoch.

        One submission for each report in it, none where a batch holds only entries of other types.
        """
        return [
            read if isinstance(read, Unreadable) else self._submission(read, envelope, received_at)
            for read in self._reader.read(body, mode=envelope.mode, received_at=from_ms(received_at))
        ]

    def _submission(self, read: Identified, envelope: Envelope, received_at: int) -> Submission:
        report = read.report
        around = f"{len(envelope.address)} {envelope.address} {envelope.label} {envelope.mode} "
        return Submission(
            report=report,
            identity=read.identity,
            digest=_second_of(report) + _hash(self._digests, around.encode() + read.fingerprint),
            client=_hash(self._clients, (report.install_id or envelope.address).encode()),
            received_at=received_at,
            body=read.body,
            label=envelope.label,
            user_agent=envelope.user_agent,
            network=self._network(envelope.address),
        )

    async def _collect_canary(self, body: bytes, envelope: Envelope) -> Fate:
        assert self._take_canary is not None  # asked before
        try:
            await asyncio.to_thread(self._take_canary, body)
        except InvalidCanary as error:
            return self.reject(Fate(Outcome.CANARY_REFUSED, str(error)), envelope, body)
        except SQLAlchemyError as error:
            logger.error("a canary could not be recorded: %s", error)
            return self.reject(Fate(Outcome.STORE_UNAVAILABLE, _REASONS[Outcome.STORE_UNAVAILABLE]), envelope, body)
        self._metrics.count_outcome(Outcome.CANARY)
        return Fate(Outcome.CANARY)

    async def _submit_all(self, read: list[Submission | Unreadable]) -> list[Fate]:
        """Submit together, so that one commit takes them all; return when every one has its fate."""
        fates = await asyncio.gather(*map(self._submit, read), return_exceptions=True)
        for fate in fates:
            if isinstance(fate, BaseException):
                raise fate
        return [fate for fate in fates if isinstance(fate, Fate)]

    async def _submit(self, read: Submission | Unreadable) -> Fate:
        if isinstance(read, Unreadable):
            return Fate(read.outcome, read.reason, read.pointer)
        try:
            outcome = await self._writer.submit(read)
        except (StoreBusy, StoreUnavailable):
            outcome = Outcome.STORE_UNAVAILABLE
        return _ACCEPTED if outcome is Outcome.ACCEPTED else Fate(outcome, _REASONS.get(outcome, ""))

    def reject(self, fate: Fate, envelope: Envelope, body: bytes = b"", *, length: int | None = None) -> Fate:
        """Count a submission that is not taken, and keep a sample of it for the operator."""
        self._metrics.count_outcome(fate.outcome)
        self._writer.keep_rejection(describe_rejection(fate, envelope, body, length=length, received_at=now_ms()))
        return fate

    def count(self, outcome: Outcome) -> None:
        """Count a request that carried no submission."""
        self._metrics.count_outcome(outcome)


def describe_rejection(
    fate: Fate, envelope: Envelope, body: bytes, *, length: int | None = None, received_at: int
) -> RejectedSubmission:
    """Return what is kept of a submission that is not taken; ``received_at`` in milliseconds since the Unix epoch."""
    return RejectedSubmission(
        received_at=received_at,
        outcome=fate.outcome,
        reason=fate.reason[:500],
        length=len(body) if length is None else length,
        pointer=fate.pointer[:200] if fate.pointer else None,
        label=envelope.label,
        content_type=envelope.content_type,
        user_agent=envelope.user_agent,
        sample=_sample(body),
    )


def _hash(keyed: "hashlib.blake2b", value: bytes) -> bytes:
    """Hash with a key that is in already: half of the work for a short value."""
    digest = keyed.copy()
    digest.update(value)
    return digest.digest()


def _hash_network(keyed: "hashlib.blake2b", address: str) -> bytes:
    network = network_of(address)
    return _hash(keyed, network.encode()) if network else UNPLACED


def _second_of(report: ViolationReport) -> bytes:
    """Return the second of a report in 4 bytes, as its body says it.

    Digests begin with it so that those of reports that come together lie together in the store's index: a commit
    writes a few pages of it then, and not one for each report.
    """
    if report.date_time is None or report.sender is Sender.REPORTING_API:  # there it may be reckoned from the receipt
        return b"\0\0\0\0"
    return (int(report.date_time.timestamp()) & 0xFFFFFFFF).to_bytes(4, "big")


def _sample(body: bytes) -> str:
    """Return the beginning of a body, safe to keep: no key material, no control characters."""
    head = body[: 4 * _SAMPLE]
    text = head.decode("utf-8", "replace")
    if _BINARY.search(head) or "private" in text.lower():
        return ""
    if len(body) > len(head):
        text = _UNFINISHED.sub("", text)
    text = _KEY_LIKE.sub(lambda run: run[0] if _MEMBER_NAME.fullmatch(run[0]) else "[…]", text)
    return "".join(c if c.isprintable() else " " for c in text[:_SAMPLE])
