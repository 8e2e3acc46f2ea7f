"""Probe hosts: look at what they serve, and record it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.hpkp.hosts import Host
from app.hpkp.policy import PinningPolicy
from app.hpkp.probe_result import Probe, ProbedHost, describe_live
from app.hpkp.x509.anchors import KnownCertificates
from app.metrics import Metrics
from app.probe import ProbeOptions, probe
from app.settings import Settings
from app.store.engine import to_ms, writing
from app.store.locks import lock_inserts
from app.store.probes import add_probe
from app.store.read.probes import hosts_not_probed_since
from app.store.rejudging import request_rejudging
from app.threads import in_thread
from app.usecases.policies import Policies
from app.usecases.rejudging_queue import RejudgingQueue


@dataclass(frozen=True, slots=True)
class Probing:
    """Probes hosts that have a policy of their own in force, and no others."""

    engine: Engine
    known: KnownCertificates
    settings: Settings
    metrics: Metrics
    policies: Policies
    rejudging: RejudgingQueue

    async def probe(
        self, host: Host, *, port: int | None = None, at: datetime
    ) -> tuple[PinningPolicy, ProbedHost] | None:
        """Look at what a host serves and record it; None, and no connection, if no policy of its own is in force.

        A leaf key seen for the first time, in a chain that holds, is the host's: its violations are judged again.
        """
        policy = await in_thread(self.policies.in_force, host, at=at)
        if policy is None:
            return None
        chosen = self.settings
        options = ProbeOptions(
            port=port or chosen.probe_port,
            paths=chosen.probe_paths,
            timeout=chosen.probe_timeout_seconds,
            private_addresses=chosen.probe_private_addresses,
        )
        seen = await probe(host, options)
        return policy, await in_thread(self.record, seen)

    def record(self, seen: Probe) -> ProbedHost:
        """Record what a host was seen to serve."""
        live = describe_live(seen, self.known)
        with writing(self.engine) as connection:
            lock_inserts(connection)
            new_keys = add_probe(connection, live)
            if new_keys:
                request_rejudging(connection, seen.host, at=to_ms(seen.at))
        if new_keys:
            self.rejudging.run_at_once(seen.host, at=seen.at)
        self.metrics.count_probe(reached=bool(live.chains))
        return live

    def list_due(self, *, at: datetime) -> list[Host]:
        """Return the hosts that ever had a policy and were not probed within the interval set.

        Whether it is in force is for `probe` to see: what is wrong with one policy must not keep the others waiting.
        """
        since = at - timedelta(hours=self.settings.probe_interval_hours)
        with self.engine.connect() as connection:
            return hosts_not_probed_since(connection, since, until=at)
