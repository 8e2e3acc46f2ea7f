"""kill -9 of a running service at random moments, round after round: what was acknowledged is counted exactly once.

::

    round: clients post ──> (the fold is stopped, so that a backlog grows) ──> kill ──> start what does not start itself
           ──> clients go on; each report is resent until it is acknowledged ──> the counts of the store are compared

``python -m tests.support.faults.kill_rounds --store sqlite --rounds 100`` runs many, and tells what was killed and
found.
"""

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx

from app.demo import SampleKind, SampleSite, make_site
from app.hpkp.hosts import Host
from app.service import now
from tests.support.admin import ADMIN
from tests.support.faults.clients import ReportClients, posting
from tests.support.faults.processes import find_children, find_fold, find_workers, kill_all, lives, wait_for_end
from tests.support.faults.stored_counts import StoredCounts, wait_for_counts
from tests.support.load import NOON, moment_of
from tests.support.postgres import postgres_database
from tests.support.server import RunningService, running_service

_NEW_EACH = 250
"""One violation in so many reports is new: it is judged, and stored with its chains, amid the kills."""
_SECONDS_AFTER_A_KILL = 0.1
_UNLIMITED = (
    "HPKP_MAX_REPORT_ROWS_PER_DAY",
    "HPKP_MAX_NEW_VIOLATIONS_PER_DAY",
    "HPKP_MAX_NEW_VIOLATIONS_PER_NETWORK",
    "HPKP_MAX_NEW_VIOLATIONS_PER_NETWORK_AND_HOST",
    "HPKP_MAX_UNKNOWN_VIOLATIONS_PER_DAY",
)
SETTINGS = dict.fromkeys(_UNLIMITED, "1000000")
"""All rows are kept, and nothing is left out: every report can be found again."""


class Target(StrEnum):
    """What is killed."""

    EVERYTHING = "everything"
    PARENT = "the parent"
    WORKER = "a worker"
    FOLD = "the fold"
    WORKER_AND_FOLD = "a worker and the fold"


class Reports:
    """Bodies by number: several violations of hosts with and without a policy, and a new one now and then."""

    def __init__(self) -> None:
        sites = [make_site(Host(name), at=now()) for name in ("www.example.com", "www.example.org")]
        scenarios = SampleKind.OTHER_TRUST_PATH, SampleKind.MATCHES_EXPECTED, SampleKind.OWN_KEY_NOT_PINNED
        self.site: SampleSite = sites[0]
        """The one that has a policy."""
        self._templates = [site.report(scenario, at=NOON) for site in sites for scenario in scenarios]
        self._moment = moment_of(0).encode()
        assert all(self._moment in template and b'"port":443' in template for template in self._templates)

    def body(self, number: int) -> bytes:
        """Return the body of a number; no two have the same date."""
        body = self._templates[number % len(self._templates)]
        if number % _NEW_EACH == 0:
            body = body.replace(b'"port":443', b'"port":%d' % (1024 + number // _NEW_EACH), 1)
        return body.replace(self._moment, moment_of(number).encode())


@dataclass
class Rounds:
    """Rounds on one store. Use `round` within the block of `open_rounds`."""

    url: str
    clients: ReportClients
    stack: ExitStack
    start: list[str]
    directory: Path
    random: random.Random
    service: RunningService = field(init=False)
    killed: Counter[str] = field(default_factory=Counter)
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def workers(self) -> int:
        """How many processes serve."""
        return int(self.start[self.start.index("--workers") + 1])

    def start_service(self) -> None:
        """Start the service on what is left of it."""
        self._running.close()
        self._running = ExitStack()
        self.service = self._running.enter_context(
            running_service(self.directory, *self.start, HPKP_DATABASE_URL=self.url, **SETTINGS)
        )
        self.stack.callback(self._running.close)

    def round(self) -> StoredCounts:
        """Kill something amid reports; return what is counted after all of them were acknowledged."""
        fold = self._wait_for_all()
        with_backlog = self.random.random() < 0.5
        if with_backlog:
            os.kill(fold, signal.SIGSTOP)
        began, self.clients.seconds_between = self.clients.acknowledged, 0
        with posting(self.clients):
            self.clients.wait_for(began + self.random.randint(1, 400))
            time.sleep(self.random.uniform(0, 0.2))
            if with_backlog and self.random.random() < 0.6:
                # Killed while it folds what has gathered; otherwise between append and fold.
                os.kill(fold, signal.SIGCONT)
                time.sleep(self.random.uniform(0, 0.2))
            self.clients.seconds_between = (
                _SECONDS_AFTER_A_KILL  # a start takes seconds, and is not to make huge stores
            )
            target = self._kill(fold)
            self.clients.wait_for(self.clients.acknowledged + 50)
        self.killed[f"{target}, with a backlog" if with_backlog else str(target)] += 1
        return wait_for_counts(self.url, self.clients.acknowledged)

    def finish(self) -> StoredCounts:
        """End the service, and return what is counted then, with no log left."""
        self.service.stop()
        return wait_for_counts(self.url, self.clients.acknowledged)

    def _kill(self, fold: int) -> Target:
        """Kill a random part, and start the service again if that does not happen by itself."""
        choices = [Target.EVERYTHING, Target.PARENT, Target.FOLD]
        if self.workers > 1:
            choices += [Target.WORKER, Target.WORKER_AND_FOLD]
        target = self.random.choice(choices)
        workers, parent = find_workers(self.service), self.service.process.pid
        some_workers = workers and [self.random.choice(workers)]
        victims = {
            Target.EVERYTHING: [parent, *find_children(self.service)],
            Target.PARENT: [parent],
            Target.WORKER: some_workers,
            Target.FOLD: [fold],
            Target.WORKER_AND_FOLD: [*some_workers, fold],
        }[target]
        self.random.shuffle(victims)
        kill_all(victims)
        with suppress(ProcessLookupError):
            os.kill(fold, signal.SIGCONT)
        if parent in victims:
            self.service.process.wait()
            wait_for_end(workers)  # they have the socket until they have answered what they took
            self.start_service()
        return target

    def _wait_for_all(self) -> int:
        """Wait until the fold and all workers run; return the fold's process."""
        deadline = time.monotonic() + 180
        while True:
            fold = find_fold(self.service)
            if fold is not None and (self.workers == 1 or len(find_workers(self.service)) == self.workers):
                return fold
            assert time.monotonic() < deadline, f"not all run:\n{self.service.log.read_text()}"
            assert lives(self.service.process.pid), self.service.log.read_text()
            time.sleep(0.02)


@contextmanager
def open_rounds(store: str, directory: Path, *, workers: int, seed: int) -> Iterator[Rounds]:
    """Start a service on a new store (``sqlite`` or ``postgres``) to be killed."""
    port = find_free_port()
    reports = Reports()
    with ExitStack() as stack:
        sqlite = f"sqlite:///{directory}/hpkp.sqlite3"
        url = stack.enter_context(postgres_database()) if store == "postgres" else sqlite
        clients = ReportClients(f"http://127.0.0.1:{port}", reports.body)
        start = ["--port", str(port), "--workers", str(workers)]
        rounds = Rounds(url, clients, stack, start, directory, random.Random(seed))
        rounds.start_service()
        pins = {"pins": [{"sha256": str(pin)} for pin in reports.site.pins]}
        httpx.put(f"{clients.url}/api/v1/hosts/{reports.site.host}/policy", json=pins, headers=ADMIN).raise_for_status()
        yield rounds


def find_free_port() -> int:
    """Return a port for a service that is to be started on it again and again."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    """Run rounds, and tell of each; exit code 1 after one whose counts are not what was acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    chosen = parser.parse_args()
    _tell(f"{chosen.rounds} rounds, {chosen.store}, {chosen.workers} workers, seed {chosen.seed}")
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="hpkp-kills-") as folder,
        open_rounds(chosen.store, Path(folder), workers=chosen.workers, seed=chosen.seed) as rounds,
    ):
        for number in range(1, chosen.rounds + 1):
            _compare(rounds.round(), rounds, f"round {number}")
        _compare(rounds.finish(), rounds, "ended")
        _tell(f"{chosen.rounds} rounds in {time.monotonic() - began:.0f} s, killed: {dict(rounds.killed)}")
        _tell(f"{rounds.clients.broken} times no answer, answers: {dict(rounds.clients.statuses)}")


def _compare(counts: StoredCounts, rounds: Rounds, when: str) -> None:
    exact = counts.are_all(rounds.clients.acknowledged)
    _tell(f"{when}: {rounds.clients.acknowledged} acknowledged, {'exact' if exact else f'NOT EXACT: {counts}'}")
    if not exact:
        _tell(rounds.service.log.read_text())
        sys.exit(1)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
