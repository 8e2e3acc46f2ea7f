"""What the service does periodically, apart from accepting reports. `app.upkeep` runs it.

One process of each machine runs these jobs. If several machines share a store, one of them does each job at a time; the
others skip it, and look again when it is due the next time.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from app import alert_job
from app.hpkp.hosts import Host
from app.service import Service, now
from app.store.failures import StoreError
from app.store.locks import LockKey
from app.store.retention import Progress
from app.threads import in_thread, wait_until_done
from app.upkeep.runner import Job
from app.upkeep.status import CLOCK

logger = logging.getLogger(__name__)

_PAUSE = 60.0
"""Seconds after which it looks again for hosts that are due."""
_SHRINKING_PAUSE = 60.0
"""Seconds between looks at the store's size: a flood adds some 100 MB in that time."""
_SHRINKING_REST = 20
"""How many times as long as a look took the next one waits: PostgreSQL reads every row for it."""
_REJUDGING_PAUSE = 2.0
"""Seconds after which it looks for violations to judge again: an operator who changed a policy waits for them."""
_REJUDGING_SECONDS = 30.0
"""For how long one run judges again; the next one continues."""

_ALL_HOSTS = "all hosts"
"""The name of what concerns all hosts; no host has a blank in its name."""

_HOST_LIMIT = 60.0
"""Seconds for what is done for one host, where no setting says how long that takes."""
_PIECES_LIMIT = 3600.0
"""Seconds for what is done in small transactions: it ends between two of them, and the next run continues."""
_CANARIES_AT_ONCE = 16
_CONNECTIONS = 12
"""How many connections a probe may make one after another to an address: each takes up to the timeout."""


class _Stopping(Exception):
    """The service stops, or the time limit has passed; the rest is deleted by a later run."""


def list_jobs(service: Service) -> list[Job]:
    """Return the jobs that are on by the settings, by the names under which their status is shown."""
    chosen = service.settings
    lock = partial(_lock, service)
    outage_alert = alert_job.OutageAlert(service)
    jobs = (
        (
            True,
            Job(
                CLOCK,
                do=lambda _all: in_thread(service.clock.require_plausible, at=now()),
                pause=_PAUSE,
                limit=_HOST_LIMIT,
                longest_retry=_PAUSE,  # an operator who confirmed it waits for it
            ),
        ),
        (
            chosen.probe_interval_hours,
            Job(
                "probes",
                find=lambda: in_thread(service.probing.list_due, at=now()),
                do=lambda host: service.probing.probe(Host(host), at=now()),
                pause=_PAUSE,
                limit=_HOST_LIMIT + _CONNECTIONS * chosen.probe_timeout_seconds,
                lock=partial(lock, LockKey.PROBING),
            ),
        ),
        (
            chosen.canary_interval_hours,
            Job(
                "canaries",
                find=lambda: in_thread(service.canaries.list_due, at=now()),
                do=lambda host: service.canaries.send_if_possible(host, at=now()),
                pause=_PAUSE,
                limit=_HOST_LIMIT,
                lock=partial(lock, LockKey.CANARIES),
                at_once=_CANARIES_AT_ONCE,
            ),
        ),
        (
            chosen.verdict_interval_minutes,
            Job(
                "verdicts",
                find=lambda: in_thread(service.readiness.list_hosts),
                do=lambda host: in_thread(service.readiness.record, host, at=now()),
                pause=chosen.verdict_interval_minutes * 60,
                limit=_HOST_LIMIT,
                lock=partial(lock, LockKey.VERDICTS),
            ),
        ),
        (
            alert_job.has_receivers(chosen),
            Job(
                "alerts",
                do=lambda _all: _send_alerts(service, outage_alert),
                pause=chosen.alert_interval_minutes * 60,
                limit=10 * _HOST_LIMIT,
                delay=chosen.alert_interval_minutes * 60,
            ),
        ),
        (
            True,
            Job(
                "reevaluation",
                find=lambda: _find_pending(service),
                do=lambda host: _rejudge(service, "" if host == _ALL_HOSTS else host),
                pause=_REJUDGING_PAUSE,
                limit=10 * _REJUDGING_SECONDS,
                lock=partial(lock, LockKey.REJUDGING),
            ),
        ),
        (
            chosen.prune_interval_hours,
            Job(
                "pruning",
                do=lambda _all: _in_pieces(lambda progress: service.retention.prune(at=now(), progress=progress)),
                pause=chosen.prune_interval_hours * 3600,
                limit=_PIECES_LIMIT,
                lock=partial(lock, LockKey.PRUNING),
            ),
        ),
        (
            chosen.store_bytes,
            Job(
                "store_size",
                do=lambda _all: _in_pieces(
                    lambda progress: service.retention.shrink_store(at=now(), progress=progress)
                ),
                pause=_SHRINKING_PAUSE,
                rest=_SHRINKING_REST,
                limit=_PIECES_LIMIT,
                lock=partial(lock, LockKey.PRUNING),
            ),
        ),
    )
    return [job for is_on, job in jobs if is_on]


def _lock(service: Service, key: LockKey) -> AbstractAsyncContextManager[bool]:
    """Keep other processes from a job within the block; whether it is ours."""

    @asynccontextmanager
    async def take() -> AsyncIterator[bool]:
        lock = service.try_lock(key)
        taking = asyncio.create_task(asyncio.to_thread(lock.__enter__))
        try:
            yield await asyncio.shield(taking)
        finally:
            try:
                await wait_until_done(taking)
            finally:
                if taking.exception() is None:
                    await in_thread(lock.__exit__, None, None, None)

    return take()


async def _in_pieces(work: Callable[[Progress], object]) -> None:
    """Do work that reports its progress in a thread; if the caller is cancelled, it ends at the next piece."""
    stopping = threading.Event()

    def check(_what: str, _count: int) -> None:
        if stopping.is_set():
            raise _Stopping

    working = asyncio.create_task(asyncio.to_thread(work, check))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        stopping.set()
        await wait_until_done(working)  # the thread ends before the store is closed
        raise


async def _find_pending(service: Service) -> Sequence[str]:
    return [host or _ALL_HOSTS for host in await in_thread(service.rejudging.list_pending)]


async def _rejudge(service: Service, host: str) -> None:
    """Judge pieces of what waits again; as long a pause as each piece took, for the reports."""
    ends = time.monotonic() + _REJUDGING_SECONDS
    while time.monotonic() < ends:
        began = time.monotonic()
        if await in_thread(service.rejudging.go_on, host, at=now()) is None:
            return
        await asyncio.sleep(time.monotonic() - began)


async def _send_alerts(service: Service, outage_alert: alert_job.OutageAlert) -> None:
    """Send what is new; what no receiver accepts is sent in the next round. A store that is away is news, too."""
    try:
        async with _lock(service, LockKey.ALERTS) as ours:
            if ours:
                await alert_job.send_alerts(service, at=now())
        outage_alert.reset()
    except StoreError as error:
        await outage_alert.send(error, at=now())
        raise


async def watch_ingest(service: Service) -> None:
    """Look at the fold's lag once a second, and keep the gauges up to date that another worker may be asked for.

    In every process, and whatever fails: without these looks the lag is known less exactly, and nothing else is lost.
    """
    failed = ""
    while True:
        try:
            service.metrics.refresh()
            service.watch.observe()
            failed = ""
        except Exception as error:
            if failed != (failed := repr(error)):
                logger.exception("the fold's lag cannot be watched")
        await asyncio.sleep(1)
