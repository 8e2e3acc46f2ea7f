"""``hpkp alert``: who is told, and of what."""

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from app.cli.terminal import NO, JsonOption, fail, opened, out, print_json, read_settings
from app.clock import now

app = typer.Typer(name="alert", help="Alerts: try the receivers, list what is open.", no_args_is_help=True)


@app.command("test")
def try_receivers(as_json: JsonOption = False) -> None:
    """Send a test alert to every receiver.

    Exit code 0: all receivers accepted it. 1: not all did. 2: there is no receiver.
    """
    from app.alert_job import receivers_of
    from app.notifier import Message, MessageKind, notify

    receivers = receivers_of(read_settings())
    if not receivers.any:
        fail("no receiver: set HPKP_ALERT_WEBHOOK or HPKP_ALERT_URLS")
    deliveries = asyncio.run(notify(receivers, Message(MessageKind.TEST, now())))
    if as_json:
        print_json([asdict(delivery) for delivery in deliveries])
    else:
        for delivery in deliveries:
            out.print(f"{delivery.receiver}: {delivery.fault or 'delivered'}", markup=False)
    raise typer.Exit(NO if any(delivery.fault for delivery in deliveries) else 0)


@app.command("list")
def list_(
    days: Annotated[int, typer.Option(min=0, max=90, help="Include alerts resolved within this number of days.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """List open and recently resolved alerts."""
    with opened() as service:
        alerts = service.records.list_alerts(limit=500, since=now() - timedelta(days=days))
    found = [
        {
            "kind": stored.kind,
            "host": stored.host or None,
            "text": stored.text,
            "first_at": stored.first_at,
            "told_at": stored.sent_at,
            "resolved_at": stored.resolved_at,
        }
        for stored in alerts
    ]
    if as_json:
        print_json(found)
        return
    for alert in found:
        state = "open" if alert["resolved_at"] is None else "resolved"
        about = f"{alert['host'] or 'ingest'}: {alert['text']}"
        out.print(f"{alert['first_at']:%Y-%m-%d %H:%M}  {state:8} {about}", markup=False)
