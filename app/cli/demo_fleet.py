"""Plays the demo into a store; for ``hpkp demo``."""

from collections.abc import Iterator
from itertools import groupby

from app.cli.store_driver import StoreDriver, take
from app.demo.client_population import Post
from app.demo.demo_fleet import DAYS, Assess, Counted, DemoFleet, Publish, RecordEvent, RunProbe, Timed
from app.demo.rollout import CarryPins, SendCanary, SetStatus
from app.service import Service
from app.wiring import DirectIntake

_ALERTED = 30
"""For so many days, up to the end, the service looked for what to alert of."""


def play_demo_fleet(service: Service, fleet: DemoFleet) -> Iterator[int]:
    """Play a demo fleet day by day; give the number of each day when it is over."""
    intake = DirectIntake(service)
    drivers = {part.host: StoreDriver(service, part.host, fleet.until) for part in fleet.parts}
    for day, acts in enumerate(fleet.acts()):
        for posted, together in groupby(acts, lambda timed: isinstance(timed.act, Post)):
            if posted:
                take(intake, [timed.act for timed in together if isinstance(timed.act, Post)])
            else:
                for timed in together:
                    _act(drivers[timed.host], timed)
        if acts and day >= DAYS - _ALERTED:
            service.alerts.update(at=acts[-1].at)
        yield day
    for host in drivers:
        service.readiness.record(host, at=fleet.until)


def _act(driver: StoreDriver, timed: Timed) -> None:
    driver.moment = timed.at
    match timed.act:
        case Publish(policy):
            driver.publish(policy)
        case RunProbe(chains, header):
            driver.probe_addresses(chains, header=header)
        case Counted(exposed):
            driver.count(exposed)
        case CarryPins():
            driver.carry_pins(timed.act)
        case SendCanary(arrives):
            driver.send_canary(arrives=arrives)
        case SetStatus(cause, status, note):
            driver.set_status(cause, status, note)
        case RecordEvent(kind, text):
            driver.record_event(kind, text)
        case Assess():
            driver.service.readiness.record(driver.host, at=driver.moment)
