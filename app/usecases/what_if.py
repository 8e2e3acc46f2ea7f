"""Replay reported violations under another set of pins."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.catalog import Catalog
from app.hpkp.hosts import Host
from app.hpkp.judgement.judge import judge
from app.hpkp.pins import Pin
from app.hpkp.what_if import Replayed, WhatIf, compare, make_candidate, with_candidate
from app.hpkp.x509.anchors import KnownCertificates
from app.store.policies import history_of
from app.store.read.filters import Filter
from app.store.read.reported_violations import walk_reported
from app.usecases.heavy_reads import HeavyReads


@dataclass(frozen=True, slots=True)
class WhatIfReplay:
    """Judges what was reported twice: by the policy in force and by a candidate."""

    engine: Engine
    known: KnownCertificates
    catalog: Catalog
    heavy_reads: HeavyReads

    def replay(
        self,
        host: Host,
        pins: Iterable[Pin],
        own_keys: Iterable[Pin] = (),
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        at: datetime,
    ) -> WhatIf | None:
        """Replay the violations reported for a host under other pins; None if it has no policy in force.

        Raises TooManyReadsError if as many replays and exports are running as are allowed at once.
        """
        with self.heavy_reads.slot(), self.engine.connect() as connection:
            history = history_of(connection, host)
            policy = history.in_force(at)
            if policy is None:
                return None
            candidate = make_candidate(policy, pins, own_keys, at=at)
            then = with_candidate(history, candidate)

            def replayed() -> Iterator[Replayed]:
                for found in walk_reported(connection, Filter(host=host, since=since, until=until)):
                    both = (
                        judge(found.report, which, self.known, self.catalog, received_at=found.first_received_at, at=at)
                        for which in (history, then)
                    )
                    yield Replayed(found.id, found.status, found.reports, *both)

            return compare(candidate, replayed())
