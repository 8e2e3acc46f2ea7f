"""Everything that one running process holds, wired once."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from sqlalchemy import Engine

from app.catalog import load_known_certificates
from app.catalog.load import load_catalog
from app.hpkp.catalog import Catalog
from app.hpkp.judgement.judge import Judgement, JudgeWithinBudget, judge
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.budget import Budget
from app.ingest.fold_watch import FoldWatch
from app.metrics import Metrics
from app.settings import Settings
from app.store import engine as store_engine
from app.store.engine import from_ms, open_engine
from app.store.secrets import session_key
from app.store.turns import Upkeep, turn
from app.usecases.alerts import Alerts
from app.usecases.canaries import Canaries
from app.usecases.control import ControlPins
from app.usecases.deployment import Deployment
from app.usecases.heavy_reads import HeavyReads
from app.usecases.hosts import Hosts
from app.usecases.last_probes import LastProbes
from app.usecases.policies import Policies
from app.usecases.probing import Probing
from app.usecases.readiness import ReadinessAssessor
from app.usecases.records import Records
from app.usecases.rejudging_queue import RejudgingQueue
from app.usecases.retention import Retention
from app.usecases.store_check import StoreCheck
from app.usecases.tokens import Tokens
from app.usecases.violations import Violations
from app.usecases.what_if import WhatIfReplay


@dataclass(frozen=True)
class Service:
    """The parts of a process. Made by `open_service`; `app.wiring` adds the ingest path.

    Below the parts stand the use cases over them, each made when it is first asked for.
    """

    settings: Settings
    engine: Engine
    known: KnownCertificates
    catalog: Catalog
    judge: JudgeWithinBudget
    metrics: Metrics
    session_key: bytes
    """Signs the sessions and forms of the pages."""
    watch: FoldWatch
    """How far the fold is behind what was accepted."""
    heavy_reads: HeavyReads = field(default_factory=HeavyReads)
    """Slots for replays and exports, of the whole process."""

    @cached_property
    def store_check(self) -> StoreCheck:
        """Whether the store answers."""
        return StoreCheck(self.engine)

    @cached_property
    def last_probes(self) -> LastProbes:
        """The last probe of each host."""
        return LastProbes(self.engine, self.known)

    @cached_property
    def readiness(self) -> ReadinessAssessor:
        """Assess readiness."""
        return ReadinessAssessor(self.engine, self.judge, self.catalog, self.settings, self.last_probes)

    @cached_property
    def rejudging(self) -> RejudgingQueue:
        """What waits to be judged again."""
        return RejudgingQueue(self.engine, self.judge, self.known, self.catalog, self.readiness)

    @cached_property
    def policies(self) -> Policies:
        """Set and look up policies."""
        return Policies(self.engine, self.rejudging, self.readiness)

    @cached_property
    def control(self) -> ControlPins:
        """Make control pins and measure delivery."""
        return ControlPins(self.engine, self.rejudging, self.readiness)

    @cached_property
    def probing(self) -> Probing:
        """Probe hosts."""
        return Probing(self.engine, self.known, self.settings, self.metrics, self.policies, self.rejudging)

    @cached_property
    def canaries(self) -> Canaries:
        """Send canaries."""
        return Canaries(self.engine, self.settings, self.policies)

    @cached_property
    def what_if(self) -> WhatIfReplay:
        """Replay what was reported under other pins."""
        return WhatIfReplay(self.engine, self.known, self.catalog, self.heavy_reads)

    @cached_property
    def deployment(self) -> Deployment:
        """Check chains before they are deployed."""
        return Deployment(self.engine, self.known)

    @cached_property
    def hosts(self) -> Hosts:
        """List, summarise and show hosts."""
        return Hosts(self.engine, self.readiness)

    @cached_property
    def violations(self) -> Violations:
        """List and show violations, and set their status."""
        return Violations(self.engine, self.known, self.catalog)

    @cached_property
    def records(self) -> Records:
        """Events, exposure, rejections, alerts, exports."""
        return Records(self.engine)

    @cached_property
    def alerts(self) -> Alerts:
        """Find out what to alert of."""
        return Alerts(self.engine, self.settings, self.readiness)

    @cached_property
    def tokens(self) -> Tokens:
        """API tokens."""
        return Tokens(self.engine)

    @cached_property
    def retention(self) -> Retention:
        """Delete what is too old."""
        return Retention(self.engine, self.settings)

    def turn(self, upkeep: Upkeep) -> AbstractContextManager[bool]:
        """Tell whether no other process does this now, and keep others from it within the block."""
        return turn(self.engine, upkeep)


def open_service(settings: Settings, metrics: Metrics) -> Service:
    """Open the store (upgrading an embedded one), load the trust anchors.

    Raises RuntimeError where a shared store's schema is behind.
    """
    engine = open_engine(settings.database_url)
    if engine.dialect.name == "sqlite":
        store_engine.upgrade(settings.database_url)
    elif not store_engine.schema_is_current(engine):
        raise RuntimeError("The store's schema is behind this program. Run: hpkp db upgrade")
    known = load_known_certificates(settings.trust_anchors, settings.known_certificates)
    catalog = load_catalog(settings.catalog)

    def judge_at(
        report: ViolationReport, history: PolicyHistory, received_at: int, at: int, budget: Budget | None = None
    ) -> Judgement:
        return judge(report, history, known, catalog, received_at=from_ms(received_at), at=from_ms(at), budget=budget)

    watch = FoldWatch(settings.log_root, patience=settings.read_wait_seconds)
    service = Service(settings, engine, known, catalog, judge_at, metrics, session_key(engine), watch)
    metrics.count_canary(service.canaries.find_last_arrival())
    return service


def now() -> datetime:
    """Return the present moment, UTC."""
    return datetime.now(UTC)
