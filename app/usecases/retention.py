"""Delete what is older than the settings say, and keep the store within its size."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.settings import Settings
from app.store.clock import find_newest_receipt, read_clock
from app.store.engine import to_ms, writing
from app.store.events import add_event
from app.store.retention import Cutoffs, Progress, give_space_back, prune
from app.store.write.pruning import prune_overflow, prune_unused
from app.store.write.source_expiry import expire_sources, free_sources
from app.store.write.store_size import shrink_store
from app.usecases.clock import Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """Keeps the store to the days and the size of the settings."""

    engine: Engine
    settings: Settings
    clock: Clock

    def prune(self, *, at: datetime, progress: Progress = lambda what, count: None) -> dict[str, int]:
        """Delete what is older than the settings say; return how much, by kind. Raises ImplausibleClock."""
        self.clock.require_plausible(at=at)
        chosen = self.settings
        removed = prune(
            self.engine,
            Cutoffs(
                bodies=_before(at, chosen.keep_bodies_days),
                rows=_before(at, chosen.keep_rows_days),
                rollups=_before(at, chosen.keep_rollups_days),
                rejections=_before(at, chosen.keep_rejections_days),
            ),
            progress,
        )
        unused = prune_unused(
            self.engine, hosts_unused_since=_before(at, chosen.keep_unknown_hosts_days), progress=progress
        )
        for what, number in unused.items():
            removed[what] = removed.get(what, 0) + number
        if (since := _before(at, chosen.keep_unknown_hosts_days)) is not None:
            removed["sources"] = removed.get("sources", 0) + expire_sources(self.engine, unused_since=since)
        if (before := _before(at, chosen.keep_rollups_days)) is not None:
            removed["overflow"] = prune_overflow(self.engine, before=before)
        give_space_back(self.engine)
        self._record(removed, at)
        return removed

    def free_unknown_hosts(self, *, at: datetime, progress: Progress = lambda what, count: None) -> dict[str, int]:
        """Delete all hosts without a policy, whenever they were reported, with all that belongs to them."""
        removed = prune_unused(self.engine, hosts_unused_since=to_ms(at) + 1, progress=progress)
        self._record(removed, at)
        return removed

    def free_sources(self, *, fewer_reports_than: int, at: datetime) -> dict[str, int]:
        """Count sources with fewer reports under the empty one from now on: apps, versions, platforms, labels."""
        removed = {"sources": free_sources(self.engine, fewer_reports_than=fewer_reports_than)}
        self._record(removed, at)
        return removed

    def shrink_store(self, *, at: datetime, progress: Progress = lambda what, count: None) -> dict[str, int]:
        """Delete the least valuable if the store is over its size limit; return how much, by kind."""
        limit = self.settings.store_bytes
        if limit is None:
            return {}
        with self.engine.connect() as connection:
            newest = find_newest_receipt(connection) or at
            known = read_clock(connection)
        if known is not None:
            newest = min(newest, known.shown_at)  # a clock that is wrong, or was, must not make everything old
        shrunk = shrink_store(self.engine, limit, newest_received_at=to_ms(newest), progress=progress)
        if not shrunk.is_within:
            logger.error("the store has %d bytes, of which none may be deleted; its limit is %d", shrunk.after, limit)
        deleted = dict(shrunk.deleted)
        self._record(deleted, at)
        return deleted

    def _record(self, removed: Mapping[str, int], at: datetime) -> None:
        """Record an event if anything was removed."""
        if any(removed.values()):
            told = ", ".join(f"{count} {what}" for what, count in removed.items() if count)
            with writing(self.engine) as connection:
                add_event(connection, "pruned", f"Deleted: {told}", at=to_ms(at))


def _before(at: datetime, days: float) -> int | None:
    """Return the instant so many days ago in milliseconds; None if things are kept for ever."""
    return to_ms(at - timedelta(days=days)) if days else None
