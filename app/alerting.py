"""Looks for what somebody should be told of, and sees that they are told once.

::

    situations, verdicts, rejections ──alarms──> alerts in the store ──> Message ──tell──> told, or tried again
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.alerts import Delivery, Message, MessageKind, Receivers, Told, tell
from app.hpkp.alarms import AlarmKind
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
        deliveries = await tell(receivers_of(service.settings), message)
        for delivery in deliveries:
            service.metrics.count_alert(taken=delivery.fault is None)
        if any(delivery.fault is None for delivery in deliveries):
            await in_thread(service.alerts.mark_told, ids, at=at)
        found += deliveries
    if due.failed:
        raise AlertsUnknown("; ".join(f"{host}: {reason}" for host, reason in due.failed.items()))
    return found


@dataclass
class StoreWatch:
    """Alerts that the database is unavailable; it cannot record that, so each process sends the alert."""

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
        text = f"Database unavailable: reports are rejected and may be lost. {reason}"
        told = Told(AlarmKind.INTAKE_REFUSES.value, "", text, at)
        deliveries = await tell(receivers_of(self.service.settings), Message(MessageKind.ALERT, at, [told]))
        if any(delivery.fault is None for delivery in deliveries):
            self.told_at = at
        return deliveries


def _messages(due: DueAlerts, at: datetime) -> list[tuple[Message, list[int]]]:
    return [
        (Message(kind, at, [Told(a.kind, a.host, a.text, a.first_at) for a in found]), [a.id for a in found])
        for kind, found in ((MessageKind.ALERT, due.new), (MessageKind.DIGEST, due.digest))
        if found
    ]
