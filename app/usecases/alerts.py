"""Find out what somebody should be alerted of, and keep account of who was told."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from app.hpkp.alert_rules import Alert, GivenVerdict, HostState, alerts_on_host, alerts_on_ingest
from app.settings import Settings
from app.store import alerts as store
from app.store.engine import writing
from app.store.policies import list_hosts_with_policy
from app.store.read.alerts import StoredAlert, alerts_for_a_digest, unsent_alerts
from app.store.read.rejections import count_rejections
from app.store.read.verdicts import last_change
from app.usecases.readiness import ReadinessAssessor

logger = logging.getLogger(__name__)

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class DueAlerts:
    """Alerts that were not sent yet, and those to remind of; at most 50 each.

    ``failed`` are the hosts whose alerts could not be found out, each with the reason; theirs stay as they were.
    """

    new: Sequence[StoredAlert]
    digest: Sequence[StoredAlert]
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts on all hosts and on ingest."""

    engine: Engine
    settings: Settings
    readiness: ReadinessAssessor

    def update(self, *, at: datetime) -> dict[str, str]:
        """Open an alert for what is wrong, and resolve those whose cause has ended; nothing is sent.

        Return the hosts for which that failed, each with the reason; theirs stay as they were.
        """
        with self.engine.connect() as connection:
            hosts = list_hosts_with_policy(connection)
            rejected = count_rejections(connection, since=at - timedelta(hours=1))
        alerts, failed = list(alerts_on_ingest(rejected)), dict[str, str]()
        for host in hosts:
            try:
                alerts += self._alerts_on(host, at)
            except DBAPIError:
                raise
            except Exception as error:  # of one host's policy or evidence; the others are told of theirs
                logger.exception("the alerts of %s cannot be found out", host)
                failed[host] = f"{type(error).__name__}: {error}"
        with writing(self.engine) as connection:
            store.update_alerts(connection, alerts, at=at, unknown=failed.keys())
        return failed

    def list_due(self, *, at: datetime) -> DueAlerts:
        """Update the alerts and return those that are to be told."""
        failed = self.update(at=at)
        digest = at - timedelta(hours=self.settings.alert_digest_hours or 10**6)
        with self.engine.connect() as connection:
            return DueAlerts(
                new=unsent_alerts(connection, limit=_AT_ONCE),
                digest=alerts_for_a_digest(connection, before=digest, limit=_AT_ONCE),
                failed=failed,
            )

    def mark_sent(self, ids: Sequence[int], *, at: datetime) -> None:
        """Record that alerts were sent."""
        with writing(self.engine) as connection:
            store.mark_sent(connection, ids, at=at)

    def _alerts_on(self, host: str, at: datetime) -> Sequence[Alert]:
        if (inputs := self.readiness.gather(host, at=at)) is None:
            return ()
        with self.engine.connect() as connection:
            changes = last_change(connection, host)
        verdicts = tuple(GivenVerdict(recorded.verdict, recorded.change) for recorded in changes)
        sent = bool(self.settings.canary_interval_hours)
        return list(alerts_on_host(HostState(inputs, verdicts, canaries_are_sent=sent)))
