"""Hosts at a glance: listed, summarised, and each with what there is to see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.exposure import ExposedDay
from app.hpkp.readiness import Readiness
from app.store.policies import StoredPolicy, list_revisions
from app.store.read.events import Event, list_events
from app.store.read.exposures import list_exposure
from app.store.read.filters import Filter
from app.store.read.hosts import CountedHost, has_host, list_hosts
from app.store.read.summaries import Summary, summarise
from app.store.read.verdicts import RecordedVerdict, last_verdict, list_verdicts
from app.store.read.violations import Violation, list_violations
from app.usecases.readiness import ReadinessAssessor


@dataclass(frozen=True, slots=True)
class HostAtAGlance:
    """A host with the summary of a window, and its readiness; None if no policy is in force."""

    host: CountedHost
    summary: Summary
    answer: Readiness | None


@dataclass(frozen=True, slots=True)
class HostHistory:
    """What happened to a host, the newest first."""

    verdicts: Sequence[RecordedVerdict]
    events: Sequence[Event]
    revisions: Sequence[StoredPolicy]


@dataclass(frozen=True, slots=True)
class HostOverview:
    """A host in a window: what was reported, who could have reported, and the latest of its history."""

    summary: Summary
    violations: Sequence[Violation]
    exposure: Sequence[ExposedDay]
    history: HostHistory


@dataclass(frozen=True, slots=True)
class Hosts:
    """All hosts for which a report or a policy was ever taken."""

    engine: Engine
    readiness: ReadinessAssessor

    def list(self, *, limit: int, after: str | None = None) -> Sequence[CountedHost]:
        """Return hosts by name, from the one after ``after``."""
        with self.engine.connect() as connection:
            return list_hosts(connection, limit=limit, after=after)

    def list_at_a_glance(
        self, *, limit: int, after: str | None, since: datetime, at: datetime
    ) -> Sequence[HostAtAGlance]:
        """Return hosts by name, each with a summary since a moment, by day, and its readiness."""
        with self.engine.connect() as connection:
            found = [
                (host, summarise(connection, Filter(host=host.name, since=since, until=at), interval="day"))
                for host in list_hosts(connection, limit=limit, after=after)
            ]
        return [HostAtAGlance(host, summary, self._assess(host, at)) for host, summary in found]

    def _assess(self, host: CountedHost, at: datetime) -> Readiness | None:
        assessed = self.readiness.assess(host.name, at=at) if host.registered else None
        return None if assessed is None else assessed[1]

    def summarise(self, wanted: Filter, *, interval: str = "hour") -> Summary | None:
        """Summarise what was reported, by the hour or day of receipt; None for a host of which nothing is known."""
        with self.engine.connect() as connection:
            if wanted.host is not None and not has_host(connection, wanted.host):
                return None
            return summarise(connection, wanted, interval=interval)

    def show(
        self,
        host: str,
        wanted: Filter,
        *,
        interval: str,
        limit: int,
        before: tuple[int, int] | None,
        exposed_since: datetime,
        at: datetime,
        latest: int,
    ) -> HostOverview | None:
        """Return what there is to see of a host, or None; ``wanted`` has a window and narrows summary and violations.

        ``limit`` and ``before`` page the violations; of its history, ``latest`` of each kind are told.
        """
        with self.engine.connect() as connection:
            if not has_host(connection, host):
                return None
            return HostOverview(
                summary=summarise(connection, wanted, interval=interval),
                violations=list_violations(connection, wanted, limit=limit, before=before),
                exposure=list_exposure(connection, host, since=exposed_since, until=at),
                history=HostHistory(
                    verdicts=list_verdicts(connection, host, limit=latest),
                    events=list_events(connection, host=host, kind=None, limit=latest),
                    revisions=list_revisions(connection, host)[::-1],
                ),
            )

    def show_history(
        self, host: str, *, limit: int, verdicts_before: int | None, events_before: int | None
    ) -> HostHistory | None:
        """Return verdicts, events and revisions of a host, or None; ``before`` is the id of the last one seen."""
        with self.engine.connect() as connection:
            if not has_host(connection, host):
                return None
            return HostHistory(
                verdicts=list_verdicts(connection, host, limit=limit, before=verdicts_before),
                events=list_events(connection, host=host, kind=None, limit=limit, before=events_before),
                revisions=list_revisions(connection, host)[::-1],
            )

    def last_verdicts(self, hosts: Sequence[str]) -> dict[str, RecordedVerdict | None]:
        """Return the verdict that was last recorded on each of these hosts, if there is one."""
        with self.engine.connect() as connection:
            return {host: last_verdict(connection, host) for host in hosts}
