"""Everything that one running process holds, wired once."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Engine

from app.catalog import load_known_certificates
from app.catalog.load import load_catalog
from app.clock import now as now
from app.hpkp.catalog import Catalog
from app.hpkp.judgement.judge import Judgement, JudgeWithinBudget, judge
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.budget import Budget
from app.ingest.fold_watch import FoldWatch
from app.ingest.log_directory import find_logs
from app.metrics import Metrics
from app.settings import Settings
from app.store import engine as store_engine
from app.store.engine import exists, find_other_version, from_ms, is_file, open_store, parse_url
from app.store.failures import StoreFailure, StoreState, StoreUnusable
from app.store.locks import LockKey, try_lock
from app.store.service_facts import record_public_url
from app.usecases.alerts import Alerts
from app.usecases.app_overview import AppOverviews
from app.usecases.apps import Apps
from app.usecases.canaries import Canaries
from app.usecases.clock import Clock
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
from app.usecases.sessions import Sessions
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
    watch: FoldWatch
    """How far the fold is behind what was accepted."""
    heavy_reads: HeavyReads = field(default_factory=HeavyReads)
    """Slots for replays and exports, of the whole process."""

    def record_public_url(self) -> None:
        """Write into the store where people open the pages: boards know the store alone."""
        record_public_url(self.engine, self.settings.public_url)

    @cached_property
    def store_check(self) -> StoreCheck:
        """Whether the store can be used."""
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
    def apps(self) -> Apps:
        """Register releases of apps, count their installs, and find out which a chain would lock out."""
        return Apps(self.engine, self.known, self.rejudging, self.readiness)

    @cached_property
    def app_overviews(self) -> AppOverviews:
        """Show registered apps with their releases, installs and hosts."""
        return AppOverviews(self.engine, self.last_probes)

    @cached_property
    def hosts(self) -> Hosts:
        """List, summarise and show hosts."""
        return Hosts(self.engine, self.readiness)

    @cached_property
    def violations(self) -> Violations:
        """List and show violations, and set their status."""
        return Violations(self.engine, self.known, self.catalog, self.readiness)

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
    def sessions(self) -> Sessions:
        """Log-ins to the pages."""
        return Sessions(self.engine)

    @cached_property
    def retention(self) -> Retention:
        """Delete what is too old."""
        return Retention(self.engine, self.settings, self.clock)

    @cached_property
    def clock(self) -> Clock:
        """Check and confirm the clock."""
        return Clock(self.engine)

    def find_other_version(self) -> StoreFailure | None:
        """Return why the store cannot be used if another version of this program has changed its schema, or None."""
        return find_other_version(self.engine)

    def close(self) -> None:
        """Close the store, once no health check asks it; threads of jobs and requests have ended before."""
        self.store_check.close()
        self.engine.dispose()

    def try_lock(self, key: LockKey) -> AbstractContextManager[bool]:
        """Tell whether no other process does this now, and keep others from it within the block."""
        return try_lock(self.engine, key)


def open_service(settings: Settings, metrics: Metrics, *, create: bool = True) -> Service:
    """Open the store, load the trust anchors. With ``create``, a SQLite store is made if it is missing, and upgraded.

    Raises InvalidFile for a file that a setting names and that cannot be used, before the store is touched, and
    StoreUnusable for a store that is missing, or of another version than this program.
    """
    known = load_known_certificates(settings.trust_anchors, settings.known_certificates)
    catalog = load_catalog(settings.catalog)
    if create and is_file(parse_url(settings.database_url)):
        _refuse_to_replace(settings)
        store_engine.upgrade(settings.database_url)
    engine = open_store(settings.database_url)

    def judge_at(
        report: ViolationReport, history: PolicyHistory, received_at: int, at: int, budget: Budget | None = None
    ) -> Judgement:
        return judge(report, history, known, catalog, received_at=from_ms(received_at), at=from_ms(at), budget=budget)

    watch = FoldWatch(settings.log_root, patience=settings.read_wait_seconds)
    service = Service(settings, engine, known, catalog, judge_at, metrics, watch)
    try:
        metrics.count_canary(service.canaries.find_last_arrival())
    except BaseException:
        service.close()
        raise
    return service


def _refuse_to_replace(settings: Settings) -> None:
    """Make no new store next to logs of one that is missing: what was acknowledged belongs there."""
    if not exists(settings.database_url) and find_logs(settings.log_root):
        raise StoreUnusable(
            StoreState.MISSING,
            f"The file is missing, and reports for it wait in {settings.log_root}. Put it back; or, to begin with an "
            "empty one and without these reports, move that directory away.",
        )
