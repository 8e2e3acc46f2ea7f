"""Control pins: pins that match no key, served to a known share of clients to measure how many of them report.

::

    make_control_pins(random) ──header──> a share of clients ──(each has to report)──> reports of cause `control`
    ControlCount(received, reported) … ──measure_delivery──> Delivery(rate, lower) ──> upper_share_of_all

A client that evaluates pins finds none of these on any path, so it must report (RFC 7469 section 2.6). Those who do,
among those who received them, give the delivery rate. A locked-out client reports no more often than that, so the
bound of what was reported is divided by the lower bound of the rate.

One day counts, not their sum: clients come back, and the days of one client are no independent trials.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from app.hpkp.clients import ClientCount
from app.hpkp.confidence_bound import lower_share, upper_share
from app.hpkp.pins import Pin

CONTROL_PINS = 2
"""A policy of fewer than two pins is ignored by clients (RFC 7469 section 2.5), and its violations with it."""

CONTROL_WINDOW = timedelta(days=30)
"""How old a measurement may be: clients, networks and the report-uri change. It does not depend on the policy."""

_LARGE_ENOUGH = 0.5
"""Share of the clients of the busiest day that a later day needs to replace it."""


def make_control_pins(random: Callable[[int], bytes]) -> tuple[Pin, ...]:
    """Make pins that match no key: no key is known whose fingerprint is the hash of a random value.

    ``random`` returns the given number of random octets, as `secrets.token_bytes` does.
    """
    return tuple(Pin(hashlib.sha256(random(32)).digest()) for _ in range(CONTROL_PINS))


def are_control_pins(known: Iterable[Pin], control: frozenset[Pin]) -> bool:
    """Whether pins that a client knows are control pins and nothing else; mixed with others they are not."""
    pins = frozenset(known)
    return bool(pins) and pins <= control


@dataclass(frozen=True, slots=True)
class ControlDay:
    """How many distinct clients received control pins on a day (UTC): of the site, or installs of an app."""

    host: str
    day: date
    clients: int
    app: str = ""
    app_version: str = ""


@dataclass(frozen=True, slots=True)
class ControlCount:
    """Clients of one audience on one day: how many received control pins, and how many of these reported them."""

    day: date
    received: int
    reported: ClientCount
    of_apps: bool = False

    @property
    def exceeds(self) -> bool:
        """Whether more reported than received them: the exposure is wrong, or reports are forged."""
        return self.reported.at_least > self.received


@dataclass(frozen=True, slots=True)
class Control:
    """What is known of a host's control pins in the window of a measurement."""

    counts: tuple[ControlCount, ...] = ()
    """Of the site, of apps, or both; empty if the clients that received the pins were not counted."""
    reports: int = 0
    """Reports of cause `control`."""


NO_CONTROL = Control()


@dataclass(frozen=True, slots=True)
class Delivery:
    """Share of clients that report what they have to, with a one-sided lower bound of 95 % confidence."""

    rate: float
    lower: float
    received: int
    reported: int
    day: date
    of_apps: bool = False


def choose_day(days: Iterable[ControlDay], *, of_apps: bool) -> tuple[date, int] | None:
    """Choose the day that a measurement rests on: the last with half as many clients as the busiest, or more.

    The choice looks only at who received the pins, never at who reported: it does not favour an outcome.
    """
    by_day: dict[date, int] = {}
    for counted in days:
        if bool(counted.app) is of_apps:
            by_day[counted.day] = by_day.get(counted.day, 0) + counted.clients
    most = max(by_day.values(), default=0)
    large = [day for day, clients in by_day.items() if clients and clients >= _LARGE_ENOUGH * most]
    return (max(large), by_day[max(large)]) if large else None


def measure_delivery(control: Control, *, of_apps: bool | None = None) -> Delivery | None:
    """Measure how many of those who have to report do; None without a measurement.

    With ``of_apps``, of apps or of the site; if only the other was measured, that counts, and without it the lowest.
    Of the reporters the certain ones count, and never more than received the pins.
    """
    counts = [count for count in control.counts if of_apps in (None, count.of_apps)] or control.counts
    return min(map(_measure, counts), key=lambda delivery: delivery.lower, default=None)


def _measure(count: ControlCount) -> Delivery:
    reported = min(count.reported.at_least, count.received)
    return Delivery(
        rate=reported / count.received if count.received else 0.0,
        lower=lower_share(reported, count.received),
        received=count.received,
        reported=reported,
        day=count.day,
        of_apps=count.of_apps,
    )


def upper_share_of_all(reported: int, of: int, delivery: Delivery | None) -> float:
    """Return the upper bound of the share of all clients, those that do not report included; at most 1.

    Without a measurement it takes for granted that every client reports. Both bounds have 95 % confidence; their errors
    are independent, so that their quotient falls short no more often than either: tests/support/scenarios/delivery.py.
    """
    bound = upper_share(reported, of)
    if delivery is None:
        return bound
    return min(bound / delivery.lower, 1.0) if delivery.lower > 0 else 1.0
