"""Whether the clock of the collector can be right, by the time that it last showed and by the receipts of reports.

Times of receipt decide what is deleted and which days a verdict counts. A clock that is years ahead for one minute
would delete everything; one that was ahead leaves reports that seem to come from the future.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.hpkp.errors import HpkpError

LONGEST_GAP = timedelta(days=7)
"""For how long a collector may have been off without a question; what is kept for the shortest time is kept for 30 days
by default."""
LONGEST_STEP_BACK = timedelta(days=1)
"""A clock that was set right goes back by seconds, and one in a wrong time zone by hours."""

CONFIRM = "Correct the clock of the collector or, if it is right, run `hpkp clock confirm`"


class ImplausibleClock(HpkpError):
    """The clock of the collector is implausible, so nothing is deleted by it."""


@dataclass(frozen=True, slots=True)
class ClockHistory:
    """What is known of the clock. ``shown_at`` is the newest time that it showed and that was plausible or confirmed.

    ``newest_receipt`` is that of all reports; those up to ``confirmed_receipt`` are known to have wrong times.
    """

    shown_at: datetime
    newest_receipt: datetime | None = None
    confirmed_receipt: datetime | None = None


def find_doubt(at: datetime, known: ClockHistory) -> str | None:
    """Say why the time that the clock shows now is implausible; None if it is not."""
    if at - known.shown_at > LONGEST_GAP:
        return (
            f"The clock of the collector shows {_moment(at)}, {_days(at - known.shown_at)} after the last time that it "
            f"is known to have shown, {_moment(known.shown_at)}."
        )
    if known.shown_at - at > LONGEST_STEP_BACK:
        return (
            f"The clock of the collector shows {_moment(at)}, {_days(known.shown_at - at)} before a time that it "
            f"showed already, {_moment(known.shown_at)}."
        )
    newest, confirmed = known.newest_receipt, known.confirmed_receipt
    if newest is not None and newest - at > LONGEST_STEP_BACK and (confirmed is None or newest > confirmed):
        return (
            f"The clock of the collector shows {_moment(at)}, and there are reports that it received "
            f"{_days(newest - at)} later, on {_moment(newest)}."
        )
    return None


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _days(time: timedelta) -> str:
    return f"{time.days:,} day{'' if time.days == 1 else 's'}"
