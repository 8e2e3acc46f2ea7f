"""Plays a scenario into a store, as if its days had just passed; for ``hpkp demo --scenario``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from app.demo.scenarios import SCENARIOS, Scenario
from app.hpkp.hosts import Host

if TYPE_CHECKING:
    from app.demo.rollout import Keys
    from app.hpkp.readiness import Readiness
    from app.service import Service

HOST = Host("www.example.com")

ScenarioName = StrEnum("ScenarioName", {one.name.replace("-", "_").upper(): one.name for one in SCENARIOS})  # type: ignore[misc]
"""The scenarios by name, as a choice of the command line."""


def scenario_named(name: str) -> Scenario:
    """Return the scenario of a name."""
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def play(service: Service, scenario: Scenario, keys: Keys, *, until: datetime) -> Iterator[tuple[datetime, Readiness]]:
    """Play a scenario whose last question is asked at ``until``; give the verdict of every evening.

    What happens on the first day happens on the date (UTC) of its beginning, which is no whole day of exposure.
    """
    from app.cli.store_driver import StoreDriver
    from app.demo.rollout import Rollout

    half = timedelta(hours=3 if 6 <= until.hour < 12 else 6)
    start = until - timedelta(days=scenario.days - 1) - 2 * half
    driver = StoreDriver(service, HOST, start)
    rollout = Rollout(keys, driver)
    rollout.play([scenario.day0(keys)], at=start)
    for day in range(scenario.days):
        driver.moment = start + timedelta(days=day) + half
        rollout.play(scenario.acts(keys, day), at=driver.moment)
        evening = driver.moment + half
        answer = service.readiness.record(HOST, at=evening)
        assert answer is not None  # the scenario begins with a policy
        yield evening, answer
