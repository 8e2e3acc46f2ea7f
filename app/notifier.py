"""Sends alerts: by a signed webhook, and by what the library Apprise supports (email, Slack, Teams, and others).

A webhook gets a JSON body and two fields: ``HPKP-Timestamp``, seconds since the Unix epoch, and ``HPKP-Signature``,
``sha256=`` with the hexadecimal HMAC-SHA256 of timestamp, a full stop and the body, under the secret.
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app import __version__
from app.outbound import Bounds, OutboundError, fetch
from app.threads import in_thread

logger = logging.getLogger(__name__)

_ATTEMPTS = 3
_PAUSE = 2.0
_BOUNDS = Bounds(10.0, private_addresses=True)
"""The operator's settings name the receiver, who may well be inside."""
_APPRISE_PATIENCE = 60.0


class MessageKind(StrEnum):
    """Why something is sent."""

    ALERT = "alert"
    DIGEST = "digest"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Notification:
    """An alert as it is sent."""

    kind: str
    host: str
    text: str
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    kind: MessageKind
    at: datetime
    alerts: Sequence[Notification] = ()

    @property
    def title(self) -> str:
        """Subject line of the message."""
        noun = "alert" if len(self.alerts) == 1 else "alerts"
        return {
            MessageKind.ALERT: f"HPKP: {len(self.alerts)} new {noun}",
            MessageKind.DIGEST: f"HPKP: {len(self.alerts)} {noun} open",
            MessageKind.TEST: "HPKP: test alert",
        }[self.kind]

    @property
    def text(self) -> str:
        """A line for each alert."""
        if self.kind is MessageKind.TEST:
            return "Test alert of the HPKP report collector. No action needed."
        return "\n".join(f"{alert.host or 'ingest'}: {alert.text} ({alert.kind})" for alert in self.alerts)

    @property
    def body(self) -> bytes:
        """The body for a webhook."""
        members: dict[str, Any] = {
            "type": self.kind.value,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "title": self.title,
            "alerts": [
                {
                    "kind": alert.kind,
                    "host": alert.host or None,
                    "text": alert.text,
                    "first_at": alert.first_at.isoformat().replace("+00:00", "Z"),
                }
                for alert in self.alerts
            ],
        }
        return json.dumps(members, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Receivers:
    """The receivers. Their addresses are secret: they contain passwords and tokens."""

    webhook: str | None = None
    secret: str = ""
    apprise: tuple[str, ...] = ()
    pause: float = _PAUSE
    """Seconds before the second attempt at a webhook; twice as many before the third."""

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.webhook is not None or bool(self.apprise)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Result of sending a message to one receiver, by a name without secrets."""

    receiver: str
    fault: str | None


def sign(body: bytes, *, timestamp: str, secret: str) -> str:
    """Return the value of HPKP-Signature."""
    message = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


async def notify(receivers: Receivers, message: Message) -> list[Delivery]:
    """Send a message to every receiver; a failure of one is returned and does not affect the others."""
    found = []
    if receivers.webhook is not None:
        found.append(Delivery("webhook", await _post(receivers, receivers.webhook, message)))
    for number, url in enumerate(receivers.apprise, 1):
        fault = await in_thread(_send_apprise, url, message)
        found.append(Delivery(f"{url.partition('://')[0][:20]} (address {number})", fault))
    for delivery in found:
        if delivery.fault is not None:
            logger.error("alerts did not reach %s: %s", delivery.receiver, delivery.fault)
    return found


async def _post(receivers: Receivers, url: str, message: Message) -> str | None:
    fault: str | None = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            await asyncio.sleep(receivers.pause * attempt)
        timestamp = str(int(message.at.timestamp()))
        headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", f"hpkp-collector/{__version__}"),
            ("HPKP-Timestamp", timestamp),
        ]
        if receivers.secret:
            headers.append(("HPKP-Signature", sign(message.body, timestamp=timestamp, secret=receivers.secret)))
        try:
            answer = await fetch("POST", url, headers=headers, content=message.body, bounds=_BOUNDS)
        except OutboundError as error:
            fault = f"no answer: {error}"
            continue
        if answer.is_success:
            return None
        fault = f"answered {answer.status}"
        if answer.status < 500 and answer.status not in (408, 429):
            return fault
    return fault


def _send_apprise(url: str, message: Message) -> str | None:
    import apprise

    receiver = apprise.Apprise()
    if not receiver.add(url):
        return "unsupported Apprise URL"
    return None if receiver.notify(title=message.title, body=message.text) else "rejected by the receiver"
