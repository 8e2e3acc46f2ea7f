"""The ingest path, wired from the parts of a process: the endpoint's side, the fold, and entries without a log."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

from app.canary import read_canary
from app.ingest.body_reader import BodyReader
from app.ingest.collector import Collector
from app.ingest.direct import count_directly
from app.ingest.entry import Entry
from app.ingest.envelope import Envelope
from app.ingest.fold import Counted, Fold, Limits
from app.ingest.fold_thread import FoldThread
from app.ingest.fold_watch import FoldWatch
from app.ingest.group_commit import Commit, GroupCommit
from app.ingest.keyed_hashes import KeyedHashes
from app.ingest.limits import NewViolationLimits
from app.ingest.log import open_log
from app.ingest.log_fold import LogFold
from app.ingest.log_values import Appended
from app.ingest.registered_hosts import RegisteredHosts
from app.ingest.rejections import describe_rejection
from app.metrics import FoldFigures, Metrics
from app.service import Service, now
from app.settings import Settings, sqlite_file
from app.store.fold_store import FoldStore, StoreAway
from app.store.secrets import canary_key, client_key, store_id
from app.store.write.values import FoldLimits

logger = logging.getLogger(__name__)


def limits_from(settings: Settings) -> Limits:
    """Return the limits of the fold that the settings state."""
    per_host = settings.max_new_violations_per_day
    return Limits(
        new=NewViolationLimits(
            per_host=per_host,
            reserved_for_checked=int(per_host * settings.reserved_for_checked_percent / 100),
            per_checked_leaf=settings.max_new_violations_per_checked_leaf,
            per_network_and_host=settings.max_new_violations_per_network_and_host,
            per_network=settings.max_new_violations_per_network,
            unregistered_hosts=settings.max_unknown_hosts,
            unregistered_hosts_per_network=settings.max_unknown_hosts_per_network,
            unregistered_violations=settings.max_unknown_violations_per_day,
        ),
        detail=FoldLimits(
            report_rows_per_day=settings.max_report_rows_per_day,
            raw_bodies=settings.max_raw_bodies,
            rejections=settings.max_rejections,
        ),
        accept_unknown_hosts=settings.unknown_hosts == "accept",
    )


def make_fold(service: Service, store: FoldStore) -> Fold:
    """Make what counts entries in the service's store."""
    return Fold(store, service.judge, limits_from(service.settings), canary_key=canary_key(service.engine))


@contextmanager
def log_fold(service: Service) -> Iterator[LogFold]:
    """Make the fold of the service's logs, on connections of its own."""
    with contextlib.closing(FoldStore.open(service.settings.database_url)) as store:
        fold = make_fold(service, store)
        yield LogFold(service.settings.log_root, fold, store, store_id=store_id(service.engine))


class DirectIntake:
    """Takes bodies into a service's store as of any moment, without a log: for demos and imports."""

    def __init__(self, service: Service) -> None:
        self._hashes = KeyedHashes(client_key(service.engine))
        self._bodies = BodyReader(self._hashes)
        self._store = FoldStore(service.engine)
        self._fold = make_fold(service, self._store)

    def take(self, received: Iterable[tuple[bytes, Envelope, int]]) -> Counted:
        """Count bodies, each with its envelope and receipt in milliseconds; keep what is no report as a rejection."""
        entries = [entry for one in received for entry in self._read(*one)]
        return count_directly(self._fold, self._store, self._fold.read(entries))

    def _read(self, body: bytes, envelope: Envelope, received_at: int) -> Iterator[Entry]:
        read = self._bodies.read(body, envelope, received_at=received_at)
        if read.entry is not None:
            yield read.entry
        _, network = self._hashes.of_address(envelope.address)
        for result in read.refused:
            yield describe_rejection(result, envelope, body, network=network, received_at=received_at)


def catch_up(service: Service) -> None:
    """Fold what is in the logs, or wait briefly for the fold that does; what a command reads then is up to date."""
    if not service.settings.log_root.is_dir():
        return
    try:
        with log_fold(service) as fold:
            if not fold.run_once():
                service.watch.wait_blocking()
    except (StoreAway, OSError) as error:
        logger.warning("Reports that were accepted may not be counted yet: %s", error)


@dataclass(frozen=True, slots=True)
class Ingest:
    """The ingest path of a running process."""

    collector: Collector
    commit: GroupCommit


@asynccontextmanager
async def collecting(service: Service, *, with_fold: bool) -> AsyncIterator[Ingest]:
    """Open a log and collect into it; ``with_fold`` folds the directory's logs in a thread, unless a process does.

    At the end everything that was accepted is in the log; with the fold it is in the store, too, if that answers.
    """
    settings = service.settings
    hashes = KeyedHashes(client_key(service.engine))
    signing_key = canary_key(service.engine)
    hosts = RegisteredHosts(FoldStore(service.engine).load_registered) if settings.unknown_hosts == "reject" else None
    async with AsyncExitStack() as stack:
        if hosts is not None:
            stack.push_async_callback(hosts.close)
        thread = None
        if with_fold:
            fold = stack.enter_context(log_fold(service))
            thread = FoldThread(fold)
            service.watch.call_to_wake(fold.wake.set)
            stack.push_async_callback(asyncio.to_thread, thread.stop)
        opened = open_log(settings.log_root, store_id=store_id(service.engine), max_bytes=settings.max_log_bytes)
        stack.callback(opened.log.close)
        commit = GroupCommit(
            opened.log, max_waiting_bytes=settings.max_waiting_bytes, on_commit=partial(_count_commit, service.metrics)
        )
        commit.start()
        stack.push_async_callback(commit.stop)
        service.metrics.show(
            waiting=lambda: commit.waiting,
            fold=partial(figures_of, service.watch),
            store_bytes=partial(file_bytes, service.settings),
        )
        if thread is not None:
            thread.start()
        check = partial(_check_canary, key=signing_key)
        yield Ingest(Collector(commit, service.metrics, hashes, registered=hosts, check_canary=check), commit)


def _check_canary(body: bytes, *, key: bytes) -> None:
    read_canary(body, key=key, at=now())


def _count_commit(metrics: Metrics, commit: Commit) -> None:
    if isinstance(commit.result, Appended):
        metrics.count_commit(commit.entries, commit.seconds, commit.waited)


def file_bytes(settings: Settings) -> int | None:
    """Return the bytes of a SQLite store's files, its write-ahead log among them; None for other databases."""
    if (file := sqlite_file(settings.database_url)) is None:
        return None
    sizes = []
    for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        with contextlib.suppress(FileNotFoundError):  # they exist while the store is open
            sizes.append(path.stat().st_size)
    return sum(sizes)


def figures_of(watch: FoldWatch) -> FoldFigures:
    """Return what the metrics show of the logs and their fold."""
    lag = watch.observe()
    status = lag.status
    return FoldFigures(
        lag_seconds=lag.seconds,
        log_bytes=lag.log_bytes,
        appended_at=0.0 if lag.appended_at is None else lag.appended_at.timestamp(),
        committed_at=status.committed_at / 1000,
        canary_at=status.canary_at / 1000,
        refused_logs=len(status.refused),
        fails=status.error is not None,
        starts=status.starts,
        new_violations=status.new_violations,
        reports={
            "accepted": status.accepted,
            "duplicate": status.duplicates,
            "overflow": sum(status.overflow.values()),
            "unreadable": status.unreadable,
        },
        overflow=status.overflow,
        canaries={"arrived": status.canaries, "refused": status.canaries_refused},
    )
