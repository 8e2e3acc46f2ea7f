"""Control pins of a host, how to serve them, and the delivery rate that they measure."""

from typing import TYPE_CHECKING, Any

from app.hpkp.control import Delivery
from app.hpkp.header.control_lines import split_configuration
from app.hpkp.header.server_lines import REPORT_ONLY, Server
from app.hpkp.header.value import PinningHeader
from app.hpkp.policy import Mode

if TYPE_CHECKING:
    from app.usecases.control import ControlState


def control_answer(state: "ControlState", *, server: Server = Server.TEXT, percent: float) -> dict[str, Any]:
    """Return all that is known; ``server`` and ``percent`` choose the configuration.

    Raises InvalidHeader for a share out of bounds, and for a server that cannot choose a share; for the field as text
    there is no configuration.
    """
    header = state.header
    return {
        "host": state.policy.host,
        "pins": [
            {"sha256": str(stored.pin), "domain": stored.domain or None, "created_at": stored.created_at}
            for stored in state.pins
        ],
        "field": REPORT_ONLY,
        "value": None if header is None else str(header),
        "server": server.value,
        "percent": percent,
        "configuration": [] if header is None else _configuration(state, header, server, percent),
        "exposure": [
            {"date": day.day, "clients": day.clients, "app": day.app, "app_version": day.app_version}
            for day in state.days
        ],
        "reports": state.control.reports,
        "delivery": delivery_answer(state.delivery),
    }


def _configuration(
    state: "ControlState", header: PinningHeader, server: Server, percent: float
) -> list[dict[str, str]]:
    if server is Server.TEXT:
        return []
    enforced = state.policy.mode is Mode.ENFORCE
    usual = PinningHeader.of_policy(state.policy)
    parts = split_configuration(header, usual, server, percent=percent, enforced=enforced)
    return [{"place": part.place, "text": part.text} for part in parts]


def delivery_answer(delivery: Delivery | None) -> dict[str, Any] | None:
    """Return a delivery rate, or None for one that was not measured."""
    if delivery is None:
        return None
    return {
        "rate": delivery.rate,
        "lower": delivery.lower,
        "received": delivery.received,
        "reported": delivery.reported,
        "day": delivery.day,
        "audience": "apps" if delivery.of_apps else "site",
    }
