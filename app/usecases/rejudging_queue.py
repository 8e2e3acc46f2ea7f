"""What waits to be judged again: asked for, gone on with, and by what it is told that knowledge has changed."""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.catalog import Catalog
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.judgement.rules import RULES_VERSION
from app.hpkp.x509.anchors import KnownCertificates
from app.store.engine import to_ms, writing
from app.store.locks import LockKey, try_lock
from app.store.rejudging import ALL, count_waiting, list_runs, request_if_knowledge_changed, request_rejudging
from app.usecases import rejudging
from app.usecases.readiness import ReadinessAssessor
from app.usecases.rejudging import Progress

_AT_ONCE = 1.0
"""Seconds for which a change judges before it is answered: a host of a thousand violations or so is done by then."""


@dataclass(frozen=True, slots=True)
class RejudgingQueue:
    """The violations that are still judged by another policy, catalog, root store or version than is in force."""

    engine: Engine
    judge: JudgeReport
    known: KnownCertificates
    catalog: Catalog
    readiness: ReadinessAssessor

    def request(self, host: str = ALL, *, at: datetime) -> int:
        """Let the violations of a host, or of all, be judged again; return how many there are."""
        with writing(self.engine) as connection:
            request_rejudging(connection, host, knowledge="" if host else self.knowledge(), at=to_ms(at))
            return count_waiting(connection, host)

    def run_if_knowledge_changed(self, *, at: datetime, seconds: float | None = None) -> None:
        """Judge everything again if roots, catalogs or rules are others than the last time, for so many seconds.

        What is left is judged in the background. If another process is at it, this one leaves it to that.
        """
        with try_lock(self.engine, LockKey.REJUDGING) as ours:
            if not ours:
                return
            with writing(self.engine) as connection:
                pending = request_if_knowledge_changed(connection, self.knowledge(), at=to_ms(at))
            if pending:
                for _ in rejudging.run_for(self.engine, self.judge, at=at, seconds=seconds):
                    pass

    def run_at_once(self, host: str, *, at: datetime) -> None:
        """Judge what was requested of a host, for a second."""
        for _ in rejudging.run_for(self.engine, self.judge, host=host, at=at, seconds=_AT_ONCE):
            pass

    def run_at_once_all(self, hosts: Iterable[str], *, at: datetime) -> None:
        """Judge what was requested of several hosts, for a second in all."""
        ends = time.monotonic() + _AT_ONCE
        for host in hosts:
            if (left := ends - time.monotonic()) <= 0:
                return
            for _ in rejudging.run_for(self.engine, self.judge, host=host, at=at, seconds=left):
                pass

    def go_on(self, host: str | None = None, *, at: datetime) -> Progress | None:
        """Judge the next piece of what waits, of a host's run or of any; None if nothing does.

        At the end of a host's, its verdict is recorded: it was withheld until then.
        """
        progress = rejudging.go_on(self.engine, self.judge, host=host, at=at)
        if progress is not None and progress.finished and progress.run.host:
            self.readiness.record(progress.run.host, at=at)
        return progress

    def list_pending(self) -> list[str]:
        """Return the hosts with violations that wait to be judged again, `ALL` for those of all hosts."""
        with self.engine.connect() as connection:
            return list_runs(connection)

    def count_waiting(self, host: str = ALL) -> int:
        """Count the violations of a host, or of all, that are still to be judged again."""
        with self.engine.connect() as connection:
            return count_waiting(connection, host)

    def knowledge(self) -> str:
        """Return a short name for all that a judgement rests on besides report and policy."""
        digest = hashlib.sha256(f"{RULES_VERSION} {self.catalog}".encode())
        for root in (*self.known.public, *self.known.operator, *self.known.intermediates):
            digest.update(root.fingerprint)
        return digest.hexdigest()[:16]
