"""Delete what is older than the settings say."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.settings import Settings
from app.store.engine import to_ms, writing
from app.store.events import add_event
from app.store.retention import Cutoffs, Progress, prune


@dataclass(frozen=True, slots=True)
class Retention:
    """Keeps the store to the days of the settings."""

    engine: Engine
    settings: Settings

    def prune(self, *, at: datetime, progress: Progress = lambda what, count: None) -> dict[str, int]:
        """Delete what is older than the settings say; return how much, by kind."""
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
        if any(removed.values()):
            told = ", ".join(f"{count} {what}" for what, count in removed.items() if count)
            with writing(self.engine) as connection:
                add_event(connection, "pruned", f"Forgotten: {told}", at=to_ms(at))
        return removed


def _before(at: datetime, days: float) -> int | None:
    """Return the instant so many days ago in milliseconds; None if things are kept for ever."""
    return to_ms(at - timedelta(days=days)) if days else None
