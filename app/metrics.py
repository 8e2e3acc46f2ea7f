"""Every Prometheus name, once.

One process counts in its memory. Several write what they count into files of a shared folder, and whichever is asked
adds them up; the library looks for the folder in the environment when it is first imported, so the workers have to be
started within `shared_folder`.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.outcomes import Outcome

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


def forget_process(pid: int) -> None:
    """Take a process that ended out of the gauges of `shared_folder`; what it counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


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
            "Submissions in one commit.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=self.registry,
        )
        self._commit_seconds = Histogram(
            "hpkp_commit_seconds",
            "Seconds that a commit of submissions took.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._wait_seconds = Histogram(
            "hpkp_commit_wait_seconds",
            "Seconds that the submission of a commit waited that waited longest, the commit included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._last_canary = Gauge(
            "hpkp_last_canary_timestamp_seconds",
            "When a canary of any host last arrived, in seconds since the Unix epoch; 0 where none is known.",
            multiprocess_mode="max",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "hpkp_waiting_submissions",
            "Submissions waiting for the store.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._probes = Counter(
            "hpkp_probes",
            "Looks at what hosts serve, by whether any chain was seen.",
            ["reached"],
            registry=self.registry,
        )
        self._alerts = Counter(
            "hpkp_alerts", "Messages with alerts, by whether the receiver took them.", ["taken"], registry=self.registry
        )
        for which in ("yes", "no"):  # an increase is seen only of what was there before
            self._probes.labels(which)
            self._alerts.labels(which)
        self._counters = {outcome: self._submissions.labels(outcome) for outcome in Outcome}

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

    def count_probe(self, *, reached: bool) -> None:
        """Count a look at what a host serves."""
        self._probes.labels("yes" if reached else "no").inc()

    def count_alert(self, *, taken: bool) -> None:
        """Count a message with alerts to one receiver."""
        self._alerts.labels("yes" if taken else "no").inc()

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        if not self.shared:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)
