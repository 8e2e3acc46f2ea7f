"""Hosts at a glance: listed, summarised, and each with what there is to see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.exposure import ExposedDay
from app.store.policies import StoredPolicy, list_revisions
from app.store.read.events import Event, list_events
from app.store.read.exposures import list_exposure
from app.store.read.filters import Filter
from app.store.read.host_list import HostOrder, HostPage, Standing, list_host_page
from app.store.read.hosts import CountedHost, has_host, list_hosts
from app.store.read.summaries import Summary, summarise
from app.store.read.verdicts import RecordedVerdict, last_verdict, list_verdicts
from app.store.read.violations import list_violations
from app.store.write.host_deletion import count_host_data, delete_host
from app.store.write.values import DeletedHost
from app.usecases.readiness import ReadinessAssessor


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

    def list_page(
        self,
        *,
        text: str | None,
        standing: Standing | None,
        order: HostOrder,
        limit: int,
        offset: int,
        since: datetime,
    ) -> HostPage:
        """Return a page of hosts whose name contains a text, each with the verdict that was recorded last."""
        with self.engine.connect() as connection:
            return list_host_page(
                connection, text=text, standing=standing, order=order, limit=limit, offset=offset, since=since
            )

    def count_data(self, host: str) -> DeletedHost | None:
        """Count what the deletion of a host would take; None for a host that is unknown."""
        with self.engine.connect() as connection:
            return count_host_data(connection, host)

    def delete(self, host: str, *, at: datetime, actor: str | None = None) -> DeletedHost | None:
        """Delete a host with all that is stored of it; None for a host that is unknown."""
        return delete_host(self.engine, host, at=at, actor=actor)

    def is_known(self, host: str) -> bool:
        """Whether anything is stored of a host; also one that is reported under the policy of another."""
        with self.engine.connect() as connection:
            return has_host(connection, host) or bool(list_violations(connection, Filter(host=host), limit=1))

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
        exposed_since: datetime,
        at: datetime,
        latest: int,
    ) -> HostOverview | None:
        """Return a host in the window of ``wanted`` with the ``latest`` of each kind of its history, or None."""
        with self.engine.connect() as connection:
            if not has_host(connection, host):
                return None
            return HostOverview(
                summary=summarise(connection, wanted, interval=interval),
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
