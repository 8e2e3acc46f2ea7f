"""Clients that report: browsers and installs of apps, awake at their hours, which update when they come to it."""

import functools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.demo.forms import FORMS, Sample
from app.demo.incident import Incident, SampleApp
from app.demo.site import Issued
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.report import Sender

Chain = tuple[Issued, ...]

EVENINGS = (3, 2, 1, 1, 1, 2, 4, 7, 8, 8, 8, 9, 10, 9, 8, 8, 9, 11, 13, 15, 16, 14, 9, 5)
"""How much is going on in each hour of the day (UTC) where people are at home."""
OFFICE = (0, 0, 0, 0, 0, 1, 4, 12, 18, 20, 19, 16, 12, 17, 19, 18, 14, 7, 3, 1, 1, 0, 0, 0)
"""The same where people are at work."""
_SLOWEST = 50
"""Days after which the last install has taken a release."""
_PACES = 101


@dataclass(frozen=True, slots=True)
class Release:
    """A version of an app, and the day of the demo on which it came out."""

    day: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPopulation:
    """So many clients of a kind; ``network`` tells the addresses and installs of populations apart.

    On a day of the weekend ``weekend`` times as many are about. Those who are ``together`` share a network.
    """

    number: int
    network: int
    sender: Sender
    app: str = ""
    releases: tuple[Release, ...] = ()
    hours: Sequence[int] = EVENINGS
    weekend: float = 0.7
    together: bool = False

    def versions(self, day: int) -> list[str]:
        """Return the version that each client runs; a client takes a release as late as it took the one before."""
        by_pace = _versions_by_pace(self.releases, day) if self.releases else ("",) * _PACES
        return [by_pace[client * 37 % _PACES] for client in range(self.number)]

    def app_of(self, client: int, version: str) -> SampleApp:
        """Return the install of a client."""
        return SampleApp(self.app, version, f"{self.network:08X}-0000-4000-8000-{client:012X}")

    def address_of(self, client: int) -> str:
        """Return an address of those meant for documentation (RFC 3849)."""
        network = self.network if self.together else (self.network * 997 + client) % 65_536
        return f"2001:db8:{network:x}::{self.network:x}:{client:x}"


@functools.lru_cache(maxsize=1000)
def _versions_by_pace(releases: tuple[Release, ...], day: int) -> tuple[str, ...]:
    return tuple(
        [release.version for release in releases if release.day <= day - 1 - int(_SLOWEST * (pace / _PACES) ** 4)][-1]
        for pace in range(_PACES)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """Something that clients of a population meet with, day after day: about ``daily`` of them, where all could.

    ``versions`` are those that meet with it, all where none is named.
    """

    population: ClientPopulation
    served: Chain
    validated: Chain
    known: tuple[Pin, ...]
    daily: float
    days: range
    versions: frozenset[str] = frozenset()
    trusted: bool = True
    enforced: bool = False
    label: str = ""

    def reports(self, host: Host, midnight: datetime, day: int, dice: random.Random) -> Iterator["Post"]:
        """Make the reports of a day."""
        if day not in self.days:
            return
        population = self.population
        runs = population.versions(day)
        able = [client for client, version in enumerate(runs) if not self.versions or version in self.versions]
        busy = population.weekend if midnight.weekday() >= 5 else 1.0
        wanted = self.daily * busy * len(able) / population.number * dice.uniform(0.7, 1.3)
        count = min(int(wanted) + (dice.random() < wanted % 1), len(able))
        hours = dice.choices(range(24), weights=population.hours, k=count)
        for client, hour in zip(dice.sample(able, count), hours, strict=True):
            at = midnight + timedelta(hours=hour, milliseconds=dice.randrange(3_600_000))
            sent = self._sample(host, population.app_of(client, runs[client]), at)
            agent = sent.headers.get("User-Agent")
            yield Post(at, sent.body, population.address_of(client), self.label, sent.headers["Content-Type"], agent)

    def _sample(self, host: Host, app: SampleApp, at: datetime) -> Sample:
        incident = Incident(
            hostname=host,
            noted_hostname=host,
            known_pins=self.known,
            served=[issued.der for issued in self.served],
            validated=[issued.der for issued in self.validated],
            at=at - timedelta(milliseconds=400),
            enforced=self.enforced,
            trusted=self.trusted,
            app=app,
        )
        return FORMS[self.population.sender].sample(incident)


@dataclass(frozen=True, slots=True)
class Post:
    """A body that was sent, by whom, and when it arrived."""

    at: datetime
    body: bytes
    address: str
    label: str = ""
    content_type: str = "application/json"
    user_agent: str | None = None
