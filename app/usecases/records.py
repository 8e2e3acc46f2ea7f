"""Records beside violations: events, exposure, rejections, alerts, and the export of single reports."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.audience import Audience
from app.hpkp.exposure import ExposedDay
from app.hpkp.overflow import OverflowDay
from app.hpkp.pins import Pin
from app.store.app_releases import find_releases, record_releases
from app.store.engine import from_ms, to_ms, writing
from app.store.events import add_event
from app.store.exposures import record_exposure
from app.store.read.alerts import StoredAlert, list_alerts
from app.store.read.events import Event, list_events
from app.store.read.export import ExportedReport, count_reports, walk_reports
from app.store.read.exposures import list_exposure
from app.store.read.filters import Filter
from app.store.read.overflow import list_overflow
from app.store.read.rejections import Rejection, list_rejections


@dataclass(frozen=True, slots=True)
class Records:
    """What is recorded of hosts and of the service."""

    engine: Engine

    def add_event(self, kind: str, text: str, *, host: str | None, at: datetime, actor: str | None = None) -> Event:
        """Record something that happened."""
        with writing(self.engine) as connection:
            id_ = add_event(connection, kind, text, host=host, at=to_ms(at), actor=actor)
        return Event(id=id_, at=from_ms(to_ms(at)), kind=kind, host=host, text=text, actor=actor)

    def list_events(
        self, *, host: str | None, kind: str | None = None, limit: int, before: int | None = None
    ) -> Sequence[Event]:
        """Return events, the newest first; ``before`` is the id of the last one seen."""
        with self.engine.connect() as connection:
            return list_events(connection, host=host, kind=kind, limit=limit, before=before)

    def record_exposure(self, days: Iterable[ExposedDay], *, origin: str, at: datetime) -> int:
        """Record exposure by day, each in place of what was known of it before; return how many days."""
        with writing(self.engine) as connection:
            return record_exposure(connection, days, origin=origin, at=at)

    def list_exposure(
        self, host: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[ExposedDay]:
        """Return what is known of a host's exposure, by day."""
        with self.engine.connect() as connection:
            return list_exposure(connection, host, since=since, until=until)

    def record_releases(self, host: str, releases: Iterable[Audience], pins: frozenset[Pin], *, at: datetime) -> None:
        """Record which pins releases of apps carry for a host."""
        with writing(self.engine) as connection:
            record_releases(connection, host, releases, pins, at=at)

    def list_releases(self, host: str) -> dict[Audience, frozenset[Pin]]:
        """Return the pins of each release of which they are recorded."""
        with self.engine.connect() as connection:
            return find_releases(connection, host)

    def list_rejections(self, *, outcome: str | None, limit: int, before: int | None = None) -> Sequence[Rejection]:
        """Return rejected submissions, the newest first."""
        with self.engine.connect() as connection:
            return list_rejections(connection, outcome=outcome, limit=limit, before=before)

    def list_overflow(self, host: str | None = None, *, since: datetime, until: datetime) -> Sequence[OverflowDay]:
        """Return what was acknowledged and not kept, of a host or of all, by the days that a window touches."""
        with self.engine.connect() as connection:
            return list_overflow(connection, host, since=since, until=until)

    def list_alerts(self, *, limit: int, since: datetime) -> Sequence[StoredAlert]:
        """Return alerts that are open, or were resolved since a moment, the newest first."""
        with self.engine.connect() as connection:
            return list_alerts(connection, limit=limit, since=since)

    def count_reports(self, wanted: Filter, *, after: int = 0) -> int:
        """Count the single reports that an export would give."""
        with self.engine.connect() as connection:
            return count_reports(connection, wanted, after=after)

    def export_reports(self, wanted: Filter, *, after: int = 0) -> Iterator[ExportedReport]:
        """Walk the single reports that are kept and wanted; ``after`` is the id of the last one had already."""
        return walk_reports(self.engine, wanted, after=after)
