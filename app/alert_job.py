"""Looks for what somebody should be told of, and sees that they are told once.

::

    inputs, verdicts, rejections ──rules──> alerts in the store ──> Message ──notify──> sent, or tried again
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.hpkp.alert_rules import AlertKind
from app.notifier import Delivery, Message, MessageKind, Notification, Receivers, notify
from app.service import Service
from app.settings import Settings
from app.threads import in_thread
from app.usecases.alerts import DueAlerts


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


class AlertsUnknown(Exception):
    """The alerts of some hosts could not be found out; those of the others were sent."""


async def send_alerts(service: Service, *, at: datetime) -> list[Delivery]:
    """Tell the receivers of what is new, and now and then of all that is still open; return what became of it.

    Raises AlertsUnknown in the end if those of some hosts could not be found out.
    """
    due = await in_thread(service.alerts.list_due, at=at)
    found = []
    for message, ids in _messages(due, at):
        deliveries = await notify(receivers_of(service.settings), message)
        for delivery in deliveries:
            service.metrics.count_alert(taken=delivery.fault is None)
        if any(delivery.fault is None for delivery in deliveries):
            await in_thread(service.alerts.mark_sent, ids, at=at)
        found += deliveries
    if due.failed:
        raise AlertsUnknown("; ".join(f"{host}: {reason}" for host, reason in due.failed.items()))
    return found


@dataclass
class OutageAlert:
    """Alerts that the database is unavailable; it cannot record that, so each process sends the alert."""

    service: Service
    sent_at: datetime | None = None

    def reset(self) -> None:
        """Be ready to tell again."""
        self.sent_at = None

    async def send(self, error: Exception, *, at: datetime) -> list[Delivery]:
        """Tell the receivers, once, and now and then while it lasts; what nobody took is told the next time."""
        digest = timedelta(hours=self.service.settings.alert_digest_hours or 10**6)
        if self.sent_at is not None and at - self.sent_at < digest:
            return []
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0][:200]
        text = f"Database unavailable: reports are rejected and may be lost. {reason}"
        notification = Notification(AlertKind.INTAKE_REFUSES.value, "", text, at)
        deliveries = await notify(receivers_of(self.service.settings), Message(MessageKind.ALERT, at, [notification]))
        if any(delivery.fault is None for delivery in deliveries):
            self.sent_at = at
        return deliveries


def _messages(due: DueAlerts, at: datetime) -> list[tuple[Message, list[int]]]:
    return [
        (Message(kind, at, [Notification(a.kind, a.host, a.text, a.first_at) for a in found]), [a.id for a in found])
        for kind, found in ((MessageKind.ALERT, due.new), (MessageKind.DIGEST, due.digest))
        if found
    ]
