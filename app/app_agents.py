"""Apps in access logs: the user agent names the app and its version or build, ``ExampleShop/2.3 (Android 16)``.

Apple's default user agent names the build: ``ExampleShop/230 CFNetwork/1490 Darwin/23.0``. Which of the two it is, the
registered releases tell; what is neither counts as a version that is not registered.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from app.access_log import MOST_HASHES, DailyCounter, Hit
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.hpkp.errors import InvalidAppConfig

SOURCE = "access-log"
_OPTION = re.compile(r"(?P<name>[^=\s/]{1,100})=(?P<app>[^:\s]{1,200}):(?P<platform>[a-z]{1,20})")
_VERSION = r"/([^\s;,()/]{1,100})"
_MOST_VERSIONS = 1000
"""Of all apps in a log: clients choose their own user agent, so the number must be bounded."""


@dataclass(frozen=True, slots=True)
class AppAgent:
    """The product name in the user agent of an app on a platform."""

    name: str
    app: str
    platform: Platform

    def find_version(self, user_agent: str) -> str | None:
        """Return the version or build in a user agent; None if it is not this app's."""
        found = re.search(rf"(?:^|\s){re.escape(self.name)}{_VERSION}", user_agent)
        return None if found is None else found[1]


def parse_app_agent(text: str) -> AppAgent:
    """Read ``NAME=APP:PLATFORM``. Raises InvalidAppConfig."""
    found = _OPTION.fullmatch(text)
    if found is None or found["platform"] not in list(Platform):
        raise InvalidAppConfig(
            f"{text[:60]!r} is not NAME=APP:PLATFORM, such as ExampleShop=example.shop:ios; platforms are "
            f"{', '.join(Platform)}"
        )
    return AppAgent(found["name"], found["app"], Platform(found["platform"]))


@dataclass
class AppTally:
    """Counts the clients of apps by day and version; one counter for each version."""

    agents: Sequence[AppAgent]
    left_out: int = 0
    """Responses to more versions or clients than are counted."""
    room: int = MOST_HASHES
    """How many hashes the counters of all versions may add."""
    _counters: dict[tuple[AppAgent, str], DailyCounter] = field(default_factory=dict)

    def add(self, hit: Hit) -> bool:
        """Count a response to an app; False if it is none of theirs."""
        for agent in self.agents:
            if (version := agent.find_version(hit.user_agent)) is not None:
                self._add(agent, version, hit)
                return True
        return False

    def _add(self, agent: AppAgent, version: str, hit: Hit) -> None:
        counter = self._counters.get((agent, version))
        if counter is None:
            if len(self._counters) >= _MOST_VERSIONS:
                self.left_out += 1
                return
            counter = self._counters[agent, version] = DailyCounter()
        if self.room <= 0:
            self.left_out += 1
            return
        before = counter.room
        counter.add(hit)
        self.room -= before - counter.room

    def counts(self, releases: Iterable[AppRelease]) -> Iterator[InstallCount]:
        """Yield what was counted, by version or by build. A lower bound: other installs were not used on that day."""
        builds: defaultdict[tuple[str, Platform], set[str]] = defaultdict(set)
        versions: defaultdict[tuple[str, Platform], set[str]] = defaultdict(set)
        for release in releases:
            builds[release.app, release.platform].update(release.builds)
            versions[release.app, release.platform].add(release.version)
        for (agent, text), counter in sorted(self._counters.items(), key=lambda item: (item[0][0].name, item[0][1])):
            key = agent.app, agent.platform
            is_build = text in builds[key] and text not in versions[key]
            version, build = ("", text) if is_build else (text, "")
            for day, _, clients in counter.days():
                yield InstallCount(*key, day, clients, version, build, SOURCE, is_lower_bound=True)
