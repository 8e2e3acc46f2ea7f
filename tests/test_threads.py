"""Work in threads: nobody goes on before it has ended, whoever is cancelled."""

import asyncio
import threading

import pytest

from app.threads import in_thread


def test_what_it_returns_and_raises_is_that_of_the_work() -> None:
    async def divide(by: int) -> int:
        return await in_thread(lambda: 6 // by)

    assert asyncio.run(divide(2)) == 3
    with pytest.raises(ZeroDivisionError):
        asyncio.run(divide(0))


def test_a_cancelled_caller_waits_until_the_thread_has_ended() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)
        ended.set()

    async def cancel() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(2):  # the second one comes while it waits because of the first
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(cancel())
