"""The last probe of each host, with its chains assessed."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.probe_result import Probe, ProbedHost, describe_live, keep_last_seen
from app.hpkp.x509.anchors import KnownCertificates
from app.store.read.probes import find_probe_run, find_probe_runs_before, load_probe

_CACHED = 1000


@dataclass(frozen=True, slots=True)
class LastProbes:
    """Finds last probes; caches them, because reading certificates and checking signatures again gives the same."""

    engine: Engine
    known: KnownCertificates
    _described: dict[tuple[int, int], ProbedHost] = field(default_factory=dict)

    def find(self, host: str, *, until: datetime | None = None) -> ProbedHost | None:
        """Return what the last probe of a host saw, or None; with ``until``, the last one by then."""
        with self.engine.connect() as connection:
            run = find_probe_run(connection, host, until=until)
            if run is None:
                return None
            if (known := self._described.get(run.key)) is not None:
                return known
            found = load_probe(connection, run)
            earlier: tuple[Probe, ...] = ()
            if not found.endpoints or not all(endpoint.chains for endpoint in found.endpoints):
                before = (load_probe(connection, seen) for seen in find_probe_runs_before(connection, run))
                earlier = keep_last_seen(found, before)
        if len(self._described) >= _CACHED:
            self._described.clear()
        live = self._described[run.key] = describe_live(found, self.known, earlier)
        return live
