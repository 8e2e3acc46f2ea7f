"""Three months of a made-up company, act by act: who serves what, who meets with what, and what the operator does.

::

    Part (a host: acts by day, encounters, exposure) ─┐
    Part …                                            ├─ DemoFleet.acts ─> Timed(at, host, act), in order of time
    Refusals                                          ┘
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

from app.demo.client_population import Chain, Encounter, Post
from app.demo.rollout import CarryPins, Expose, SendCanary, SetStatus
from app.hpkp.hosts import Host
from app.hpkp.policy import PinningPolicy

DAYS = 90


@dataclass(frozen=True, slots=True)
class Publish:
    """The operator publishes a policy."""

    policy: PinningPolicy


@dataclass(frozen=True, slots=True)
class Deploy:
    """The servers are given chains, by address."""

    chains: Mapping[str, Chain]


@dataclass(frozen=True, slots=True)
class RunProbe:
    """The service looks at what the host serves; without ``header`` no pinning field."""

    chains: Mapping[str, Chain]
    header: bool


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Somebody or something tells what was done, for the record."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Assess:
    """The verdict is asked for."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Somebody tells how many were served the pins on this day."""

    exposed: tuple[Expose, ...]


Act = Publish | RunProbe | Counted | CarryPins | SendCanary | SetStatus | RecordEvent | Assess | Post


@dataclass(frozen=True, slots=True)
class Timed:
    """An act with its moment; of no host where it is about the service."""

    at: datetime
    host: Host
    act: Act


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one host plays: ``acts`` by day and hour, and what happens every day."""

    host: Host
    acts: tuple[tuple[int, int, Publish | Deploy | CarryPins | SetStatus | RecordEvent], ...] = ()
    encounters: tuple[Encounter, ...] = ()
    exposed: Callable[[int], tuple[Expose, ...]] = lambda day: ()
    """Who was served the pins on a day; on one of the weekend fewer are."""
    header: bool = True
    deaf: range = range(0)
    """Days on which no canary arrives."""

    def checks(self, day: int, served: Mapping[str, Chain]) -> tuple[SendCanary, RunProbe]:
        """Look whether reports arrive and what is served."""
        return SendCanary(arrives=day not in self.deaf), RunProbe(served, self.header)


@dataclass(frozen=True, slots=True)
class Refused:
    """What somebody sends that is no report, about ``daily`` times a day."""

    body: bytes
    daily: float
    days: range
    content_type: str = "application/json"
    user_agent: str | None = None
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class DemoFleet:
    """All of it, up to ``until``: roots and catalog as files, and the acts."""

    parts: tuple[Part, ...]
    refused: tuple[Refused, ...]
    roots_pem: str
    catalog: str
    until: datetime
    seed: int
    _served: dict[Host, Mapping[str, Chain]] = field(default_factory=dict, init=False)

    def acts(self) -> Iterator[list[Timed]]:
        """Give the acts of one day after the other."""
        dice = random.Random(self.seed)
        self._served.clear()
        for day in range(DAYS):
            midnight = first_midnight(self.until) + timedelta(days=day)
            found = [timed for part in self.parts for timed in self._of_part(part, midnight, day, dice)]
            found += [Timed(post.at, Host(""), post) for post in self._refused(midnight, day, dice)]
            yield sorted((timed for timed in found if timed.at <= self.until), key=attrgetter("at"))

    def _of_part(self, part: Part, midnight: datetime, day: int, dice: random.Random) -> Iterator[Timed]:
        def timed(hour: float, act: Act) -> Timed:
            return Timed(midnight + timedelta(hours=hour), part.host, act)

        began_before = part.host in self._served
        for on, hour, act in part.acts:
            if on == day and isinstance(act, Deploy):
                self._served[part.host] = act.chains
            elif on == day and not isinstance(act, Deploy):
                yield timed(hour, act)
                if isinstance(act, Publish):
                    yield from (timed(hour + 0.5, check) for check in part.checks(day, self._served[part.host]))
        if began_before:
            yield from (timed(4, check) for check in part.checks(day, self._served[part.host]))
        if part.host in self._served:
            yield timed(23, Counted(part.exposed(day)))
        yield timed(23.8, Assess())
        for encounter in part.encounters:
            for post in encounter.reports(part.host, midnight, day, dice):
                yield Timed(post.at, part.host, post)

    def _refused(self, midnight: datetime, day: int, dice: random.Random) -> Iterator[Post]:
        for refused in self.refused:
            if day not in refused.days:
                continue
            wanted = refused.daily * dice.uniform(0.5, 1.5)
            for _ in range(int(wanted) + (dice.random() < wanted % 1)):
                at = midnight + timedelta(milliseconds=dice.randrange(86_400_000))
                address = f"2001:db8:ffff::{dice.randrange(1, 50):x}"
                yield Post(at, refused.body, address, refused.label, refused.content_type, refused.user_agent)


def first_midnight(until: datetime) -> datetime:
    """Return the beginning of the first day of the demo."""
    return until.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
