"""Find out what somebody should be alerted of, and keep account of who was told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.hpkp.alarms import Alarm, GivenVerdict, HostState, alarms_on_host, alarms_on_intake
from app.settings import Settings
from app.store import alerts as store
from app.store.engine import writing
from app.store.policies import list_hosts_with_policy
from app.store.read.alerts import StoredAlert, alerts_for_a_digest, alerts_to_tell
from app.store.read.rejections import count_rejections
from app.store.read.verdicts import last_change
from app.usecases.readiness import ReadinessAssessor

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class DueAlerts:
    """Alerts of which nobody was told, and those of which to remind; both at most 50."""

    new: Sequence[StoredAlert]
    digest: Sequence[StoredAlert]


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts on all hosts and on ingest."""

    engine: Engine
    settings: Settings
    readiness: ReadinessAssessor

    def update(self, *, at: datetime) -> None:
        """Open an alert for what is wrong, and resolve those of what is over; nobody is told."""
        alarms = list(self._alarms(at))
        with writing(self.engine) as connection:
            store.update_alerts(connection, alarms, at=at)

    def list_due(self, *, at: datetime) -> DueAlerts:
        """Update the alerts and return those that are to be told."""
        self.update(at=at)
        digest = at - timedelta(hours=self.settings.alert_digest_hours or 10**6)
        with self.engine.connect() as connection:
            return DueAlerts(
                new=alerts_to_tell(connection, limit=_AT_ONCE),
                digest=alerts_for_a_digest(connection, before=digest, limit=_AT_ONCE),
            )

    def mark_told(self, ids: Sequence[int], *, at: datetime) -> None:
        """Record that somebody was told of alerts."""
        with writing(self.engine) as connection:
            store.set_told(connection, ids, at=at)

    def _alarms(self, at: datetime) -> Iterator[Alarm]:
        with self.engine.connect() as connection:
            hosts = list_hosts_with_policy(connection)
            rejected = count_rejections(connection, since=at - timedelta(hours=1))
        yield from alarms_on_intake(rejected)
        for host in hosts:
            if (situation := self.readiness.gather(host, at=at)) is None:
                continue
            with self.engine.connect() as connection:
                changes = last_change(connection, host)
            verdicts = tuple(GivenVerdict(recorded.verdict, recorded.change) for recorded in changes)
            sent = bool(self.settings.canary_interval_hours)
            yield from alarms_on_host(HostState(situation, verdicts, canaries_are_sent=sent))
