"""What the service does by itself from time to time, beside taking reports.

Where several processes share a store, one of them does each kind at a time; the others pass over it, and look again
when it is due the next time.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError

from app import alerting
from app.service import Service, now
from app.store.retention import Progress
from app.store.turns import Upkeep
from app.threads import in_thread

logger = logging.getLogger(__name__)

_PAUSE = 60.0
"""Seconds after which it looks again for what is due."""
_SHRINKING_PAUSE = 60.0
"""Seconds between looks at the store's size: a flood adds some 100 MB in that time."""
_SHRINKING_REST = 20
"""How many times as long as a look took the next one waits: PostgreSQL reads every row for it."""
_REJUDGING_PAUSE = 2.0
"""Seconds after which it looks for violations to judge again: an operator who changed a policy waits for them."""


class _Stopping(Exception):
    """The service ends; what is left is forgotten another time."""


@asynccontextmanager
async def _turn(service: Service, upkeep: Upkeep) -> AsyncIterator[bool]:
    """Keep other processes from a kind of upkeep within the block; whether it is ours."""
    turn = service.turn(upkeep)
    taking = asyncio.create_task(asyncio.to_thread(turn.__enter__))
    try:
        yield await asyncio.shield(taking)
    finally:
        await asyncio.wait([taking])
        if taking.exception() is None:
            await in_thread(turn.__exit__, None, None, None)


async def prune_regularly(service: Service) -> None:
    """Forget what is too old at the start and then time and again; broken off between two transactions."""

    def prune(progress: Progress) -> None:
        with service.turn(Upkeep.PRUNING) as ours:
            if ours:
                service.retention.prune(at=now(), progress=progress)

    while True:
        try:
            await _in_pieces(prune)
        except SQLAlchemyError as error:
            logger.error("what is too old could not be forgotten: %s", error)
        await asyncio.sleep(service.settings.prune_interval_hours * 3600)


async def keep_store_small(service: Service) -> None:
    """Delete the least valuable whenever the store is over its size limit; broken off between two transactions."""

    def shrink(progress: Progress) -> None:
        with service.turn(Upkeep.PRUNING) as ours:
            if ours:
                service.retention.shrink_store(at=now(), progress=progress)

    while True:
        began = time.monotonic()
        try:
            await _in_pieces(shrink)
        except SQLAlchemyError as error:
            logger.error("the store could not be kept below its size limit: %s", error)
        await asyncio.sleep(max(_SHRINKING_PAUSE, _SHRINKING_REST * (time.monotonic() - began)))


async def _in_pieces(work: Callable[[Progress], None]) -> None:
    """Do work that tells its progress in a thread; if the caller is cancelled, it ends at the next piece."""
    stopping = threading.Event()

    def go_on(_what: str, _count: int) -> None:
        if stopping.is_set():
            raise _Stopping

    working = asyncio.create_task(asyncio.to_thread(work, go_on))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        stopping.set()
        await asyncio.wait([working])  # the thread ends before the store is closed
        raise


async def rejudge_what_waits(service: Service) -> None:
    """Judge again what waits for it, piece by piece, for ever; as long a pause as each piece took, for the reports."""
    while True:
        try:
            if await in_thread(service.rejudging.is_pending):
                async with _turn(service, Upkeep.REJUDGING) as ours:
                    while ours:
                        began = time.monotonic()
                        if await in_thread(service.rejudging.go_on, at=now()) is None:
                            break
                        await asyncio.sleep(time.monotonic() - began)
        except SQLAlchemyError as error:
            logger.error("violations could not be re-evaluated: %s", error)
        await asyncio.sleep(_REJUDGING_PAUSE)


async def probe_what_is_due(service: Service) -> None:
    """Look at every host that is due, one after another, for ever; a store that is away is tried again later."""
    while True:
        try:
            async with _turn(service, Upkeep.PROBING) as ours:
                for host in await in_thread(service.probing.list_due, at=now()) if ours else ():
                    await service.probing.probe(host, at=now())
        except SQLAlchemyError as error:
            logger.error("hosts could not be looked at: %s", error)
        await asyncio.sleep(_PAUSE)


async def send_canaries(service: Service) -> None:
    """Send a canary for every host that is due, one after another, for ever."""
    while True:
        try:
            async with _turn(service, Upkeep.CANARIES) as ours:
                for host in await in_thread(service.canaries.list_due, at=now()) if ours else ():
                    await service.canaries.send(host, at=now())
        except SQLAlchemyError as error:
            logger.error("canaries could not be recorded: %s", error)
        await asyncio.sleep(_PAUSE)


async def send_alerts(service: Service) -> None:
    """Tell of what is new, time and again; what no receiver takes is told in the next round."""
    watch = alerting.StoreWatch(service)
    while True:
        await asyncio.sleep(service.settings.alert_interval_minutes * 60)
        try:
            async with _turn(service, Upkeep.ALERTS) as ours:
                if ours:
                    await alerting.send_alerts(service, at=now())
            watch.store_answered()
        except SQLAlchemyError as error:
            logger.error("alerts could not be read: %s", error)
            await watch.tell(error, at=now())


async def record_verdicts(service: Service) -> None:
    """Record every host's verdict where it changed, time and again."""
    while True:
        try:
            async with _turn(service, Upkeep.VERDICTS) as ours:
                if ours:
                    await in_thread(service.readiness.record_all, at=now())
        except SQLAlchemyError as error:
            logger.error("verdicts could not be recorded: %s", error)
        await asyncio.sleep(service.settings.verdict_interval_minutes * 60)


async def watch_ingest(service: Service) -> None:
    """Look at the fold's lag once a second, and keep the gauges up to date that another worker may be asked for."""
    while True:
        service.metrics.refresh()
        service.watch.observe()
        await asyncio.sleep(1)
