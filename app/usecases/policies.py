"""Set, withdraw and look up pinning policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.errors import InvalidPolicy
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.store import policies as store
from app.store.engine import to_ms, writing
from app.store.locks import lock_inserts
from app.store.policies import StoredPolicy
from app.store.read.fold_inputs import load_pinned_host
from app.store.rejudging import request_rejudging
from app.usecases.readiness import ReadinessAssessor
from app.usecases.rejudging_queue import RejudgingQueue


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of all hosts."""

    engine: Engine
    rejudging: RejudgingQueue
    readiness: ReadinessAssessor

    def set(self, policy: PinningPolicy, *, at: datetime, actor: str | None = None) -> PinningPolicy:
        """Set a host's policy by a new revision and begin to judge the host's violations again.

        What is left after a second is judged in the background; until then no verdict on the host is `ready`. The same
        policy as the one in force, with no date of its own, makes no new revision. Raises InvalidPolicy for one that
        is to take effect in the future.
        """
        if policy.effective_from is not None and policy.effective_from > at:
            raise InvalidPolicy("effective_from lies in the future")
        with writing(self.engine) as connection:
            lock_inserts(connection)  # before the policy is read, on which their judgements rest as well
            current = store.history_of(connection, policy.host).in_force(at)
            if current is not None and policy.effective_from is None and policy.says_the_same_as(current):
                return current
            stored = store.add_revision(connection, policy, at=at, actor=actor)
            request_rejudging(connection, policy.host, at=to_ms(at))
        self.rejudging.run_at_once(policy.host, at=at)
        self.readiness.record(policy.host, at=at)
        return stored

    def withdraw(self, host: str, *, at: datetime, actor: str | None = None) -> PinningPolicy | None:
        """End the policy in force by a last revision and begin to judge again; None if none was in force."""
        with writing(self.engine) as connection:
            lock_inserts(connection)
            withdrawn = store.withdraw(connection, store.history_of(connection, host), at=at, actor=actor)
            if withdrawn is not None:
                request_rejudging(connection, host, at=to_ms(at))
        if withdrawn is not None:
            self.rejudging.run_at_once(host, at=at)
        return withdrawn

    def in_force(self, host: str, *, at: datetime) -> PinningPolicy | None:
        """Return the host's own policy in force, or None."""
        with self.engine.connect() as connection:
            return store.history_of(connection, host).in_force(at)

    def control_pins_of(self, host: str) -> frozenset[Pin]:
        """Return the control pins of a host."""
        with self.engine.connect() as connection:
            return store.history_of(connection, host).control_pins

    def list_revisions(self, host: str) -> Sequence[StoredPolicy]:
        """Return every revision of a host's policy, the newest entry first."""
        with self.engine.connect() as connection:
            return store.list_revisions(connection, host)[::-1]

    def find_for_report(self, report: ViolationReport) -> tuple[str, PolicyHistory]:
        """Return the host under which a report is counted, and the history of its policy, which may be empty."""
        with self.engine.connect() as connection:
            return load_pinned_host(connection, report.hostname, report.noted_hostname)
