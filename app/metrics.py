"""Every Prometheus name, once.

One process counts in its memory. Several write what they count into files of a shared folder, and whichever is asked
adds them up; the library looks for the folder in the environment when it is first imported, so the workers have to be
started within `shared_folder`.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.outcomes import Closed, Outcome

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@contextmanager
def shared_folder() -> Iterator[None]:
    """Let the processes started within count together; the folder is removed at the end."""
    before = os.environ.get(_FOLDER)
    with tempfile.TemporaryDirectory(prefix="hpkp-metrics-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = before


def delete_process_metrics(pid: int) -> None:
    """Take a process that ended out of the gauges of `shared_folder`; what it counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """What is shown of the ingest logs of this machine and their fold; instants in seconds since the Unix epoch."""

    lag_seconds: float = 0.0
    log_bytes: int = 0
    appended_at: float = 0.0
    committed_at: float = 0.0
    canary_at: float = 0.0
    refused_logs: int = 0
    fails: bool = False
    starts: int = 0
    new_violations: int = 0
    reports: Mapping[str, int] = field(default_factory=dict)
    overflow: Mapping[str, int] = field(default_factory=dict)
    canaries: Mapping[str, int] = field(default_factory=dict)


class _FoldCollector(Collector):
    """The figures of the fold, which it tells in a file: the same for every process that is asked."""

    def __init__(self) -> None:
        self.read: Callable[[], FoldFigures] = FoldFigures

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the logs and their fold."""
        now = self.read()
        for name, meaning, label, counts in (
            ("hpkp_folded_reports", "Accepted reports by result of the fold.", "result", now.reports),
            ("hpkp_overflow_reports", "Reports over a limit, by reason.", "reason", now.overflow),
            ("hpkp_folded_canaries", "Accepted canaries by result.", "result", now.canaries),
        ):
            yield _counters(name, meaning, label, counts)
        for name, meaning, value in (
            ("hpkp_new_violations", "New violations that were stored.", now.new_violations),
            ("hpkp_fold_starts", "Starts of the fold.", now.starts),
        ):
            yield CounterMetricFamily(name, meaning, value=value)
        for name, meaning, figure in (
            ("hpkp_fold_lag_seconds", "Age of the oldest accepted report that is not counted yet.", now.lag_seconds),
            ("hpkp_ingest_log_bytes", "Bytes of all ingest logs of this machine.", now.log_bytes),
            ("hpkp_refused_ingest_logs", "Ingest logs that cannot be used; see the server log.", now.refused_logs),
            ("hpkp_fold_fails", "Whether the last attempt to count failed, 1 or 0; see the server log.", now.fails),
            ("hpkp_last_append_timestamp_seconds", "When a report was last accepted; Unix time.", now.appended_at),
            ("hpkp_last_fold_timestamp_seconds", "When reports were last counted; Unix time.", now.committed_at),
        ):
            yield GaugeMetricFamily(name, meaning, value=figure)


@dataclass(frozen=True, slots=True)
class JobFigures:
    """What is shown of a background job; instants in seconds since the Unix epoch, 0 for never."""

    runs: int = 0
    failures: int = 0
    failing: int = 0
    last_run_at: float = 0.0
    last_succeeded_at: float = 0.0
    last_failed_at: float = 0.0


class _UpkeepCollector(Collector):
    """The figures of the background jobs, from a file that the process writes which runs them."""

    def __init__(self) -> None:
        self.read: Callable[[], Mapping[str, JobFigures]] = dict

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the background jobs."""
        jobs = self.read()
        for name, meaning, counts in (
            ("hpkp_upkeep_runs", "Runs of a background job.", {name: job.runs for name, job in jobs.items()}),
            (
                "hpkp_upkeep_failures",
                "Failures of a background job, counted per host.",
                {name: job.failures for name, job in jobs.items()},
            ),
        ):
            yield _counters(name, meaning, "job", counts)
        for name, meaning, figures in (
            (
                "hpkp_upkeep_failing",
                "Hosts for which a background job failed when it was last tried, or 1 for the job as a whole.",
                {name: job.failing for name, job in jobs.items()},
            ),
            (
                "hpkp_upkeep_last_run_timestamp_seconds",
                "When a background job last ran; Unix time, 0 for never.",
                {name: job.last_run_at for name, job in jobs.items()},
            ),
            (
                "hpkp_upkeep_last_success_timestamp_seconds",
                "When a background job last ran without a failure; Unix time, 0 for never.",
                {name: job.last_succeeded_at for name, job in jobs.items()},
            ),
            (
                "hpkp_upkeep_last_failure_timestamp_seconds",
                "When a background job last failed; Unix time, 0 for never.",
                {name: job.last_failed_at for name, job in jobs.items()},
            ),
        ):
            family = GaugeMetricFamily(name, meaning, labels=["job"])
            for job, figure in figures.items():
                family.add_metric([job], figure)
            yield family


def _counters(name: str, meaning: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


class _StoreCollector(Collector):
    """How large the store is, where that is cheap to know: the same for every process that is asked."""

    def __init__(self) -> None:
        self.read: Callable[[], int | None] = lambda: None

    def collect(self) -> Iterator[Metric]:
        """Yield the size, or a metric without a value."""
        family = GaugeMetricFamily("hpkp_store_bytes", "Bytes of the files of a store in SQLite.")
        if (size := self.read()) is not None:
            family.add_metric([], size)
        yield family


class Metrics:
    """The service's metrics in a registry of their own; ``shared`` with the other workers where there are any."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.shared = _FOLDER in os.environ
        self._submissions = Counter(
            "hpkp_submissions", "Requests to /report by outcome.", ["outcome"], registry=self.registry
        )
        for outcome in Outcome:
            self._submissions.labels(outcome)
        self._commits = Histogram(
            "hpkp_commit_submissions",
            "Submissions in one write of the ingest log.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=self.registry,
        )
        self._commit_seconds = Histogram(
            "hpkp_commit_seconds",
            "Duration of a write of the ingest log in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._wait_seconds = Histogram(
            "hpkp_commit_wait_seconds",
            "Longest time from receipt to answer within a write, in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._last_canary = Gauge(
            "hpkp_last_canary_timestamp_seconds",
            "When a canary of any host last arrived; Unix time, 0 if none is known.",
            multiprocess_mode="max",
            registry=self.registry,
        )
        self._waiting = Gauge(
            "hpkp_waiting_submissions",
            "Queue length of the ingest log.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._connections = Gauge(
            "hpkp_connections", "Open connections.", multiprocess_mode="livesum", registry=self.registry
        )
        self._closed = Counter(
            "hpkp_connections_closed",
            "Connections closed at a limit, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._probes = Counter(
            "hpkp_probes",
            "Probes by whether any chain was received.",
            ["reached"],
            registry=self.registry,
        )
        self._alerts = Counter(
            "hpkp_alerts", "Alert messages by whether the receiver accepted them.", ["taken"], registry=self.registry
        )
        for which in ("yes", "no"):  # an increase is seen only of what was there before
            self._probes.labels(which)
            self._alerts.labels(which)
        for reason in Closed:
            self._closed.labels(reason)
        self._read_waiting: Callable[[], int] = lambda: 0
        self._fold = _FoldCollector()
        self._upkeep = _UpkeepCollector()
        self._store = _StoreCollector()
        for collector in (self._fold, self._upkeep, self._store):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        self._counters = {outcome: self._submissions.labels(outcome) for outcome in Outcome}

    def show(
        self, *, waiting: Callable[[], int], fold: Callable[[], FoldFigures], store_bytes: Callable[[], int | None]
    ) -> None:
        """Set from where the figures come that are read when they are shown."""
        self._read_waiting, self._fold.read, self._store.read = waiting, fold, store_bytes

    def show_upkeep(self, read: Callable[[], Mapping[str, JobFigures]]) -> None:
        """Set from where the figures of the background jobs come, which are read when they are shown."""
        self._upkeep.read = read

    def refresh(self) -> None:
        """Set the gauges of this process, which another one may show."""
        self._waiting.set(self._read_waiting())

    def count_outcome(self, outcome: Outcome) -> None:
        """Count one submission's fate."""
        self._counters[outcome].inc()

    def count_commit(self, size: int, seconds: float, waited: float) -> None:
        """Record a commit of ``size`` submissions: how long it took, and how long the first of them waited."""
        self._commits.observe(size)
        self._commit_seconds.observe(seconds)
        self._wait_seconds.observe(waited)

    def count_canary(self, at: datetime | None) -> None:
        """Record when a canary last arrived."""
        if at is not None:
            self._last_canary.set(at.timestamp())

    def count_closed(self, reason: Closed) -> None:
        """Count a connection that was closed at a limit."""
        self._closed.labels(reason).inc()

    def show_connections(self, count: int) -> None:
        """Show how many connections this process has."""
        self._connections.set(count)

    def count_probe(self, *, reached: bool) -> None:
        """Count a look at what a host serves."""
        self._probes.labels("yes" if reached else "no").inc()

    def count_alert(self, *, taken: bool) -> None:
        """Count a message with alerts to one receiver."""
        self._alerts.labels("yes" if taken else "no").inc()

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        self.refresh()
        if canary_at := self._fold.read().canary_at:
            self.count_canary(datetime.fromtimestamp(canary_at, UTC))
        if not self.shared:
            return generate_latest(self.registry)
        collected = CollectorRegistry()
        MultiProcessCollector(collected)  # type: ignore[no-untyped-call]
        for collector in (self._fold, self._upkeep, self._store):
            collected.register(collector)
        ProcessCollector(registry=collected)
        return generate_latest(collected)
