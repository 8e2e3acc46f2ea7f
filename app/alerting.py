"""Looks for what somebody should be told of, and sees that they are told once.

::

    situations, verdicts, rejections ──alarms──> alerts in the store ──> Message ──tell──> told, or tried again
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.alerts import Delivery, Message, MessageKind, Receivers, Told, tell
from app.hpkp.alarms import Alarm, AlarmKind, GivenVerdict, HostState, alarms_on_host, alarms_on_intake
from app.hpkp.readiness import Verdict
from app.service import Service
from app.settings import Settings
from app.store import alerts, policies
from app.store.engine import from_ms, writing
from app.store.verdicts import last_change
from app.threads import in_thread

_ALERTS_AT_ONCE = 50


def receivers_of(settings: Settings) -> Receivers:
    """Return who is told of alerts."""
    hook = settings.alert_webhook
    return Receivers(
        webhook=None if hook is None else hook.get_secret_value(),
        secret=settings.alert_webhook_secret.get_secret_value(),
        apprise=tuple(url.get_secret_value() for url in settings.alert_urls),
    )


def has_receivers(settings: Settings) -> bool:
    """Whether anybody is told of alerts."""
    return receivers_of(settings).any


async def send_alerts(service: Service, *, at: datetime) -> list[Delivery]:
    """Tell the receivers of what is new, and now and then of all that is still open; return what became of it."""
    due = await in_thread(_alerts_due, service, at)
    found = []
    for message, ids in due:
        deliveries = await tell(receivers_of(service.settings), message)
        for delivery in deliveries:
            service.metrics.count_alert(taken=delivery.fault is None)
        if any(delivery.fault is None for delivery in deliveries):
            await in_thread(_set_told, service, ids, at)
        found += deliveries
    return found


@dataclass
class StoreWatch:
    """Tells that the store does not answer; nothing of that can be kept in the store, so each process tells it."""

    service: Service
    told_at: datetime | None = None

    def store_answered(self) -> None:
        """Be ready to tell again."""
        self.told_at = None

    async def tell(self, error: Exception, *, at: datetime) -> list[Delivery]:
        """Tell the receivers, once, and now and then while it lasts; what nobody took is told the next time."""
        digest = timedelta(hours=self.service.settings.alert_digest_hours or 10**6)
        if self.told_at is not None and at - self.told_at < digest:
            return []
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0][:200]
        text = f"the store does not answer, so reports are refused and may be lost: {reason}"
        told = Told(AlarmKind.INTAKE_REFUSES.value, "", text, at)
        deliveries = await tell(receivers_of(self.service.settings), Message(MessageKind.ALERT, at, [told]))
        if any(delivery.fault is None for delivery in deliveries):
            self.told_at = at
        return deliveries


def look_for_alarms(service: Service, *, at: datetime) -> None:
    """Open an alert for what is wrong, and settle those of what is over; nobody is told."""
    alarms = list(_alarms(service, at))
    with writing(service.engine) as connection:
        alerts.update_alerts(connection, alarms, at=at)


def _alerts_due(service: Service, at: datetime) -> list[tuple[Message, list[int]]]:
    look_for_alarms(service, at=at)
    digest = at - timedelta(hours=service.settings.alert_digest_hours or 10**6)
    with service.engine.connect() as connection:
        new = alerts.alerts_to_tell(connection, limit=_ALERTS_AT_ONCE)
        old = alerts.alerts_for_a_digest(connection, before=digest, limit=_ALERTS_AT_ONCE)
    return [
        (Message(kind, at, [Told(r.kind, r.host, r.text, from_ms(r.first_at)) for r in rows]), [r.id for r in rows])
        for kind, rows in ((MessageKind.ALERT, new), (MessageKind.DIGEST, old))
        if rows
    ]


def _alarms(service: Service, at: datetime) -> Iterator[Alarm]:
    with service.engine.connect() as connection:
        hosts = policies.list_hosts_with_policy(connection)
        refused = alerts.count_refused(connection, since=at - timedelta(hours=1))
    yield from alarms_on_intake(refused)
    for host in hosts:
        if (situation := service.situation(host, at=at)) is None:
            continue
        with service.engine.connect() as connection:
            rows = last_change(connection, host)
        verdicts = tuple(GivenVerdict(Verdict(row.verdict), row.change) for row in rows)
        sent = bool(service.settings.canary_interval_hours)
        yield from alarms_on_host(HostState(situation, verdicts, canaries_are_sent=sent))


def _set_told(service: Service, ids: list[int], at: datetime) -> None:
    with writing(service.engine) as connection:
        alerts.set_told(connection, ids, at=at)
