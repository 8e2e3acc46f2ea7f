"""Which hosts have a policy, as far as the endpoint has to know it to refuse reports of others.

A report of a host that is not known is refused only after a look at the store that began after it arrived: so one that
comes right after its host's policy is accepted. Looks are shared and at least 0.1 s apart, however many reports wait.
While the store is away, what was last known decides; before it was ever read, every report is accepted.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic

from app.hpkp.hosts import superdomains
from app.store.fold_store import StoreAway, StoreRefused
from app.threads import wait_until_done

logger = logging.getLogger(__name__)

_PAUSE = 0.1


class RegisteredHosts:
    """The hosts that ever had a policy. ``load`` reads them with whether their policy ever covered subdomains."""

    def __init__(self, load: Callable[[], Mapping[str, bool]]) -> None:
        self._load = load
        self._hosts: Mapping[str, bool] | None = None
        self._looked_at = -_PAUSE
        self._next_look: asyncio.Task[None] | None = None
        # The event loop has only weak references to its tasks.
        self._looks: set[asyncio.Task[None]] = set()

    def knows(self, hostname: str) -> bool:
        """Whether a policy is known to speak for a host name, without a look: False says nothing."""
        return self._hosts is not None and _covers(self._hosts, hostname)

    async def covers(self, hostname: str) -> bool:
        """Whether a policy speaks for a host name (RFC 7469 section 2.1.3)."""
        if self.knows(hostname):
            return True
        # A look that has begun may have missed the policy, so it is always the next one that counts.
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look())
            self._looks.add(self._next_look)
            self._next_look.add_done_callback(self._looks.discard)
        # Others wait for the same look: a sender who leaves must not cancel it for them.
        await asyncio.shield(self._next_look)
        # Never read yet: refusing all reports would lose them, and the fold still leaves out what it must.
        return self._hosts is None or _covers(self._hosts, hostname)

    async def close(self) -> None:
        """Wait for looks for which no report waits any more: they use the store."""
        for look in list(self._looks):
            await wait_until_done(look)

    async def _look(self) -> None:
        """Read the hosts once the pause is over; if the store fails, keep what was known."""
        await asyncio.sleep(max(0.0, self._looked_at + _PAUSE - monotonic()))
        # Before the query begins: reports that arrive from now on need the look after this one.
        self._next_look, self._looked_at = None, monotonic()
        try:
            self._hosts = await asyncio.to_thread(self._load)
        except (StoreAway, StoreRefused) as error:
            logger.error("the hosts with a policy could not be read: %s", error)


def _covers(hosts: Mapping[str, bool], hostname: str) -> bool:
    """Whether a host has a policy, or a host above it one that ever covered subdomains."""
    return hostname in hosts or any(hosts.get(above, False) for above in superdomains(hostname))
