"""What the service does by itself from time to time, beside taking reports."""

import asyncio
import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from app import alerting
from app.service import Service, now

logger = logging.getLogger(__name__)

_PAUSE = 60.0
"""Seconds after which it looks again for what is due."""


class _Stopping(Exception):
    """The service ends; what is left is forgotten another time."""


async def prune_regularly(service: Service) -> None:
    """Forget what is too old at the start and then time and again; broken off between two transactions."""
    stopping = threading.Event()

    def go_on(_what: str, _count: int) -> None:
        if stopping.is_set():
            raise _Stopping

    try:
        while True:
            try:
                pruning = asyncio.create_task(asyncio.to_thread(service.prune, at=now(), progress=go_on))
                try:
                    await asyncio.shield(pruning)
                except asyncio.CancelledError:
                    stopping.set()
                    await asyncio.wait([pruning])  # the thread ends before the store is closed
                    raise
            except SQLAlchemyError as error:
                logger.error("what is too old could not be forgotten: %s", error)
            await asyncio.sleep(service.settings.prune_interval_hours * 3600)
    finally:
        stopping.set()


async def probe_what_is_due(service: Service) -> None:
    """Look at every host that is due, one after another, for ever; a store that is away is tried again later."""
    while True:
        try:
            for host in await asyncio.to_thread(service.due_for_a_probe, at=now()):
                await service.probe(host)
        except SQLAlchemyError as error:
            logger.error("hosts could not be looked at: %s", error)
        await asyncio.sleep(_PAUSE)


async def send_canaries(service: Service) -> None:
    """Send a canary for every host that is due, one after another, for ever."""
    while True:
        try:
            for host in await asyncio.to_thread(service.due_for_a_canary, at=now()):
                await service.send_canary(host, at=now())
        except SQLAlchemyError as error:
            logger.error("canaries could not be recorded: %s", error)
        await asyncio.sleep(_PAUSE)


async def send_alerts(service: Service) -> None:
    """Tell of what is new, time and again; what no receiver takes is told in the next round."""
    while True:
        await asyncio.sleep(service.settings.alert_interval_minutes * 60)
        try:
            await alerting.send_alerts(service, at=now())
        except SQLAlchemyError as error:
            logger.error("alerts could not be read: %s", error)


async def record_verdicts(service: Service) -> None:
    """Record every host's verdict where it changed, time and again."""
    while True:
        try:
            await asyncio.to_thread(service.record_verdicts, at=now())
        except SQLAlchemyError as error:
            logger.error("verdicts could not be recorded: %s", error)
        await asyncio.sleep(service.settings.verdict_interval_minutes * 60)
