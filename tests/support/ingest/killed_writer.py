"""A process that appends to an ingest log as a server does, and says what is durable, until it is killed.

``python -m tests.support.ingest.killed_writer DIRECTORY FIRST``: prints the number of each acknowledged entry, from
FIRST on.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from app.ingest.group_commit import GroupCommit
from app.ingest.log import open_log
from app.ingest.log_values import Appended
from tests.support.ingest.makers import STORE, report

TASKS = 24
SEGMENT_BYTES = 1 << 15


async def write(root: Path, first: int) -> None:
    """Append until killed, from several tasks; one entry in 40 has a body of its own."""
    opened = open_log(root, store_id=STORE, max_bytes=64 << 20, segment_bytes=SEGMENT_BYTES)
    assert opened.refused == (), opened.refused
    group = GroupCommit(opened.log, max_waiting_bytes=1 << 20)
    group.start()
    numbers = itertools.count(first)

    async def sender() -> None:
        while True:
            number = next(numbers)
            text = b"t" * (500 + number % 7)
            result = await group.append(report(number, text=text, whole=number % 40 == 0))
            assert isinstance(result, Appended), result
            os.write(1, b"%d\n" % number)  # not buffered: what was written here was acknowledged

    await asyncio.gather(*(sender() for _ in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
