"""Work that blocks, in threads that are never left behind."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(work: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
    """Do it in a thread; where the caller is cancelled, that waits until the thread has ended.

    A thread cannot be broken off: one that is left running would use the store after it is closed.
    """
    running = asyncio.create_task(asyncio.to_thread(work, *arguments, **options))
    try:
        return await asyncio.shield(running)
    finally:
        await wait_until_done(running)


async def wait_until_done(running: "asyncio.Future[_T]") -> None:
    """Wait until something has ended, whatever comes of it and however often the caller is cancelled meanwhile.

    Raises CancelledError at the end if the caller was: a second one must not leave the thread of the first behind.
    """
    cancelled = False
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
