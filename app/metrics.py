"""Every Prometheus name, once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.outcomes import Outcome


class Metrics:
    """The service's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.waiting = Gauge("hpkp_waiting_submissions", "Submissions waiting for the store.", registry=self.registry)
        self._probes = Counter(
            "hpkp_probes",
            "Looks at what hosts serve, by whether any chain was seen.",
            ["reached"],
            registry=self.registry,
        )
        self._alerts = Counter(
            "hpkp_alerts", "Messages with alerts, by whether the receiver took them.", ["taken"], registry=self.registry
        )
        self._counters = {outcome: self._submissions.labels(outcome) for outcome in Outcome}

    def count_outcome(self, outcome: Outcome) -> None:
        """Count one submission's fate."""
        self._counters[outcome].inc()

    def count_commit(self, size: int) -> None:
        """Record a commit of ``size`` submissions."""
        self._commits.observe(size)

    def count_probe(self, *, reached: bool) -> None:
        """Count a look at what a host serves."""
        self._probes.labels("yes" if reached else "no").inc()

    def count_alert(self, *, taken: bool) -> None:
        """Count a message with alerts to one receiver."""
        self._alerts.labels("yes" if taken else "no").inc()

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)
