"""The collector's clock: checked from time to time, before anything is deleted by it, and confirmed by an operator."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.clock import CONFIRM, ImplausibleClock, find_doubt
from app.store.clock import find_newest_receipt, first_clock, read_clock, write_clock
from app.store.engine import to_ms, writing
from app.store.events import add_event


@dataclass(slots=True)
class Clock:
    """Knows what the clock showed before. One for each process, so that each doubt is an event once."""

    engine: Engine
    _doubted: bool = False

    def check(self, *, at: datetime) -> str | None:
        """Return why the clock is implausible; None if it is not, and then the time is known from now on."""
        with self.engine.connect() as connection:  # reads an index of all violations, so without the write lock
            newest = find_newest_receipt(connection)
        with writing(self.engine) as connection:
            known = replace(read_clock(connection) or first_clock(connection, at=at), newest_receipt=newest)
            doubt = find_doubt(at, known)
            # While it is in doubt what it shows is not known: reports that come meanwhile must not make it plausible.
            write_clock(connection, known if doubt else replace(known, shown_at=max(at, known.shown_at)))
            if doubt is not None and not self._doubted:
                add_event(connection, "clock_implausible", f"{doubt} Nothing is deleted by it.", at=to_ms(at))
        self._doubted = doubt is not None
        return doubt

    def require_plausible(self, *, at: datetime) -> None:
        """Check the clock. Raises ImplausibleClock."""
        if (doubt := self.check(at=at)) is not None:
            raise ImplausibleClock(f"{doubt} {CONFIRM}")

    def confirm(self, *, at: datetime) -> None:
        """Take the time that the clock shows for right, and receipts after it for wrong."""
        with writing(self.engine) as connection:
            known = read_clock(connection) or first_clock(connection, at=at)
            newest = find_newest_receipt(connection)
            write_clock(connection, replace(known, shown_at=at, newest_receipt=newest, confirmed_receipt=newest))
            add_event(
                connection, "clock_confirmed", f"The clock was confirmed at {at:%Y-%m-%d %H:%M} UTC.", at=to_ms(at)
            )
