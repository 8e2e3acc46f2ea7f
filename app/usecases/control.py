"""Control pins of a host: make them, say how to serve them, and measure how many clients report."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.control import (
    CONTROL_PINS,
    CONTROL_WINDOW,
    Control,
    ControlDay,
    Delivery,
    make_control_pins,
    measure_delivery,
)
from app.hpkp.errors import InvalidPolicy
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host, is_subdomain
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.store import control as store
from app.store.control import StoredControlPin
from app.store.engine import to_ms, writing
from app.store.locks import lock_inserts
from app.store.policies import history_of
from app.store.read.control import gather_control
from app.store.rejudging import request_rejudging
from app.usecases.readiness import ReadinessAssessor
from app.usecases.rejudging_queue import RejudgingQueue


@dataclass(frozen=True, slots=True)
class ControlState:
    """The control pins of a host, the latest first, who received them lately, and what that measures."""

    policy: PinningPolicy
    pins: Sequence[StoredControlPin]
    days: Sequence[ControlDay]
    control: Control

    @property
    def header(self) -> PinningHeader | None:
        """The report-only field to serve to the control share; None without pins or a report-uri.

        Without max-age: if it is sent as the enforcing field by mistake, clients ignore it (RFC 7469 section 2.1.2).
        """
        if not self.pins or self.policy.report_uri is None:
            return None
        latest = [stored.pin for stored in self.pins if stored.created_at == self.pins[0].created_at]
        return PinningHeader(tuple(latest), report_uri=self.policy.report_uri)

    @property
    def delivery(self) -> Delivery | None:
        """The measured share of clients that report."""
        return measure_delivery(self.control)


@dataclass(frozen=True, slots=True)
class ControlPins:
    """The control pins of all hosts."""

    engine: Engine
    rejudging: RejudgingQueue
    readiness: ReadinessAssessor

    def make(
        self,
        host: Host,
        *,
        pins: Sequence[Pin] = (),
        domain: Host | None = None,
        renew: bool = False,
        at: datetime,
    ) -> ControlState | None:
        """Make control pins, or add those that are given, and return them; None if no policy is in force.

        What is there stays, because clients may know it; without ``renew`` no further pins are made. What was reported
        with given pins is judged again. Raises InvalidPolicy for pins or a domain that cannot be control.
        """
        with writing(self.engine) as connection:
            lock_inserts(connection)
            history = history_of(connection, host)
            if history.in_force(at) is None:
                return None
            _check(history, host, pins, domain)
            there = {stored.pin for stored in store.list_control_pins(connection, host)}
            known_domain = domain is None or domain in history.control_domains
            needed = set(pins) - there if pins else renew or not there or not known_domain
            if needed:
                new = tuple(pins) or make_control_pins(secrets.token_bytes)
                store.add_control_pins(connection, host, new, domain=domain or "", at=at)
            if needed and (pins or domain):  # pins made here were never reported before
                request_rejudging(connection, host, at=to_ms(at))
        if needed and (pins or domain):
            self.rejudging.run_at_once(host, at=at)
            self.readiness.record(host, at=at)
        return self.find(host, at=at)

    def find(self, host: str, *, at: datetime) -> ControlState | None:
        """Return the control pins of a host and what they measure; None if no policy is in force."""
        with self.engine.connect() as connection:
            policy = history_of(connection, host).in_force(at)
            if policy is None:
                return None
            return ControlState(
                policy,
                store.list_control_pins(connection, host),
                store.list_control_exposure(connection, host, since=at - CONTROL_WINDOW, until=at),
                gather_control(connection, host, until=at),
            )

    def record_exposure(self, days: Iterable[ControlDay], *, origin: str, at: datetime) -> int:
        """Record how many clients received control pins, each day in place of before; return how many days."""
        with writing(self.engine) as connection:
            return store.record_control_exposure(connection, days, origin=origin, at=at)


def _check(history: PolicyHistory, host: Host, pins: Sequence[Pin], domain: Host | None) -> None:
    if pins and len(set(pins)) < CONTROL_PINS:
        raise InvalidPolicy(f"give at least {CONTROL_PINS} different control pins: clients ignore fewer")
    if real := set(pins) & (history.all_pins | history.own_keys):
        raise InvalidPolicy(f"a control pin matches nothing, and {min(map(str, real))} is the pin of a key of the host")
    if domain is not None and not is_subdomain(domain, of=host):
        raise InvalidPolicy(f"a control domain is a name below {host}, and {domain} is not")
