"""A quiet rollout over HTTP and TLS that is `ready`, to which something happens then."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from app.demo.rollout import Act, Keys, Rollout, Send, Serve, SetPolicy, make_keys
from app.demo.scenarios import routine
from app.service import Service
from tests.support.reports import report_body
from tests.test_scenarios import HOST, START, HttpDriver, open_driver

DAYS = 15
"""After so many quiet days the verdict is `ready`."""


@dataclass
class RedTeam:
    """A rollout whose days go on; ``at`` is noon of the present day."""

    keys: Keys
    driver: HttpDriver
    service: Service
    clock: time_machine.Traveller
    rollout: Rollout
    at: datetime = START
    daily: Callable[[], Iterable[Act]] = routine
    _day: int = field(default=0)

    def play(self, *acts: Act) -> None:
        """Play acts now."""
        self.rollout.play(acts, at=self.at)

    def next_day(self, days: int = 1) -> None:
        """Let days pass, each with the routine of a careful operator."""
        for _ in range(days):
            self._day += 1
            self.at = START + timedelta(days=self._day, hours=6)
            self.clock.move_to(self.at)
            self.play(*self.daily())

    def later(self, **span: float) -> None:
        """Let some time of this day pass."""
        self.at += timedelta(**span)
        self.clock.move_to(self.at)

    def ask(self) -> dict[str, Any]:
        """Ask for the verdict of now.

        Nobody waits for a refusal to be counted, but it is counted no later than a report that comes after it.
        """
        self.post(report_body(host="afterwards.example"), address=network(59_000), status=204)
        return self.driver.ask()

    def verdict(self) -> str:
        """Return the verdict alone."""
        return str(self.ask()["verdict"])

    def decisive(self) -> tuple[str, set[str]]:
        """Return the verdict and the codes of what blocks or withholds."""
        answer = self.ask()
        found = {f["code"] for f in answer["findings"] if f["severity"] == "blocker" or f["withholds"]}
        return answer["verdict"], found

    def finding(self, code: str) -> dict[str, Any] | None:
        """Return a finding of now, or None."""
        return next((f for f in self.ask()["findings"] if f["code"] == code), None)

    def post(self, body: bytes, *, address: str, status: int, path: str = "/report") -> None:
        """Post a body from an address."""
        answer = self.driver.client.post(path, content=body, headers={"x-forwarded-for": address})
        assert answer.status_code == status, answer.text

    def get(self, path: str, **query: str) -> Any:
        """Return what the API answers."""
        answer = self.driver.client.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def body(self, send: Send) -> bytes:
        """Return a body as one client of an act sends it."""
        kept: list[bytes] = []
        driver = _Catching(kept)
        Rollout(self.keys, driver, policy=self.rollout.policy).play([send], at=self.at)  # type: ignore[arg-type]
        return kept[0]

    def set_status(self, violation: int, status: str) -> None:
        """Set the status of a violation."""
        answer = self.driver.client.patch(f"/api/v1/violations/{violation}", json={"status": status})
        assert answer.status_code == 200, answer.text


@dataclass
class _Catching:
    """Keeps bodies in place of sending them."""

    kept: list[bytes]

    def post(self, body: bytes, *, address: str) -> None:
        """Keep a body."""
        self.kept.append(body)


@contextmanager
def red_team(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    policy: Callable[[Keys], SetPolicy] = lambda keys: SetPolicy((keys.leaf[0].pin, keys.backup)),
    days: int = DAYS,
    daily: Callable[[], Iterable[Act]] = routine,
) -> Iterator[RedTeam]:
    """Play a quiet rollout up to the day on which it is `ready`."""
    keys = make_keys(HOST, at=START + timedelta(days=10))
    with time_machine.travel(START) as clock, open_driver(directory, keys, monkeypatch) as (driver, service):
        team = RedTeam(keys, driver, service, clock, Rollout(keys, driver), daily=daily)
        team.play(policy(keys), Serve(keys.leaf))
        team.later(hours=6)
        team.play(*daily())
        team.next_day(days)
        yield team


def network(number: int) -> str:
    """Return an address in a network of its own."""
    return f"{20 + number // 60_000}.{number // 240 % 250}.{number % 240}.7"
