"""Releases of apps: register them, count their installs, and find out which a chain would lock out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from app.hpkp.app_pins.lockout import KeySets, PathsToCheck, ReleaseCheck, check_releases, find_key_sets
from app.hpkp.app_pins.model import PathKey
from app.hpkp.app_pins.old_keys import OldKey, find_last_use
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.hpkp.deployment import paths_to_check
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Chain
from app.store.engine import to_ms, writing
from app.store.events import add_event
from app.store.locks import lock_inserts
from app.store.policies import find_covering
from app.store.read.releases import list_installs, list_releases, list_releases_pinning
from app.store.rejudging import request_rejudging
from app.store.write.releases import record_installs, record_release, retire_release
from app.usecases.readiness import ReadinessAssessor
from app.usecases.rejudging_queue import RejudgingQueue


@dataclass(frozen=True, slots=True)
class Apps:
    """The registry of releases."""

    engine: Engine
    known: KnownCertificates
    rejudging: RejudgingQueue
    readiness: ReadinessAssessor

    def register(self, release: AppRelease, *, at: datetime, actor: str | None = None) -> None:
        """Record a release with its pins, in place of what was recorded of it before, and begin to judge again.

        What is left after a second is judged in the background; until then no verdict on its hosts is `ready`.
        """
        with writing(self.engine) as connection:
            lock_inserts(connection)  # before the registry is read, on which judgements rest as well
            before = list_releases(connection, app=release.app, version=release.version)
            record_release(connection, release, at=at)
            names = _names((release, *(one for one in before if one.platform is release.platform)))
            text = f"Pins of {release} were registered"
            self._request(connection, names, "release_registered", text, at=at, actor=actor)
        self._judge_at_once(names, at=at)

    def _request(
        self, connection: Connection, names: Sequence[str], kind: str, text: str, *, at: datetime, actor: str | None
    ) -> None:
        """Let the violations of some names be judged again, with an event for each."""
        for name in names or (None,):
            add_event(connection, kind, text, host=name, at=to_ms(at), actor=actor)
        for name in names:
            request_rejudging(connection, name, at=to_ms(at))

    def _judge_at_once(self, names: Sequence[str], *, at: datetime) -> None:
        """Judge for a second in all, and record the verdicts of the hosts whose policy covers a name or is below it."""
        self.rejudging.run_at_once_all(names, at=at)
        for host in self.readiness.list_hosts():
            if any(host == name or host.endswith(f".{name}") or name.endswith(f".{host}") for name in names):
                self.readiness.record(host, at=at)

    def list_releases(self, *, app: str | None = None, version: str | None = None) -> Sequence[AppRelease]:
        """Return releases with their pins."""
        with self.engine.connect() as connection:
            return list_releases(connection, app=app, version=version)

    def list_installs(self, apps: Iterable[str]) -> Sequence[InstallCount]:
        """Return what was counted of some apps."""
        with self.engine.connect() as connection:
            return list_installs(connection, apps)

    def retire(
        self,
        app: str,
        platform: Platform,
        version: str,
        *,
        at: datetime,
        undo: bool = False,
        actor: str | None = None,
    ) -> bool:
        """Let a release count no more, or again, and begin to judge again; whether there is such a release."""
        with writing(self.engine) as connection:
            lock_inserts(connection)
            if not retire_release(connection, app, platform, version, at=None if undo else at):
                return False
            releases = list_releases(connection, app=app, version=version)
            found = [one for one in releases if one.platform is platform]
            names, text = _names(found), f"{found[0]} {'counts again' if undo else 'was retired'}"
            self._request(connection, names, "release_retired", text, at=at, actor=actor)
        self._judge_at_once(names, at=at)
        return True

    def record_installs(self, counts: Iterable[InstallCount], *, at: datetime) -> int:
        """Record installs, each in place of what was known of its day; return how many."""
        with writing(self.engine) as connection:
            return record_installs(connection, counts, at=at)

    def check_chain(self, host: Host, chain: Chain, *, at: datetime) -> tuple[ReleaseCheck, ...]:
        """Check a chain against every release that pins the host."""
        return self._check(host, paths_to_check(chain, self.known, host=host, at=at), at)

    def check_keys(self, host: Host, keys: Sequence[Pin], *, at: datetime) -> tuple[ReleaseCheck, ...]:
        """Check a chain of which only the keys are known, leaf first."""
        path = tuple(PathKey(pin.digest, None) for pin in keys)
        return self._check(host, PathsToCheck((path,)), at)

    def _check(self, host: Host, paths: PathsToCheck | None, at: datetime) -> tuple[ReleaseCheck, ...]:
        with self.engine.connect() as connection:
            releases = list_releases_pinning(connection, host)
            installs = list_installs(connection, (release.app for release in releases))
        return check_releases(releases, installs, paths, host=host, at=at)

    def find_old_key(self, host: Host, key: Pin, staying: Sequence[Pin], *, at: datetime) -> OldKey:
        """Find which releases in use keep a key in use; without keys that stay, those of the policy stay."""
        with self.engine.connect() as connection:
            releases = list_releases_pinning(connection, host)
            installs = list_installs(connection, (release.app for release in releases))
            covering = find_covering(connection, host)
        policy = None if covering is None else covering[1].in_force(at)
        expected = frozenset[Pin]() if policy is None else policy.expected
        limit = self.readiness.settings.max_lockout_percent / 100
        kept = frozenset(staying) or expected
        return find_last_use(key, kept, releases, installs, host=host, limit=limit, at=at)

    def find_keys(self, host: Host, *, at: datetime) -> KeySets:
        """Find the smallest sets of keys that lock out no release in use of a host."""
        checks = self._check(host, None, at)
        return find_key_sets((check.release for check in checks if check.in_use), host=host, at=at)


def _names(releases: Iterable[AppRelease]) -> list[str]:
    """Return the names in the entries of releases, each once."""
    return sorted({entry.name for release in releases for layer in release.layers for entry in layer.entries})
