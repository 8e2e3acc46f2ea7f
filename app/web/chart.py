"""Time series as bars: geometry of a small picture for each cause, each with a scale of its own. Pure.

On one shared scale a cause with 20 reports a day is a line of one pixel below another with 20,000.

::

    [(time, cause, reports)] ──draw(since, until)──> Chart: spans of equal length, one Row of Bars for each cause
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HEIGHT = 40
"""Of a row, in units of its picture."""

_STEP = 10
_GAP = 2
_LEAST = 1.5
_MOST_SPANS = 120
_HOURLY = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Bar:
    """The reports of one span."""

    x: int
    y: float
    height: float
    start: datetime
    reports: int
    width: int = _STEP - _GAP


@dataclass(frozen=True, slots=True)
class Row:
    """The reports of one cause over time; spans without any have no bar."""

    cause: str
    reports: int
    bars: tuple[Bar, ...]

    @property
    def peak(self) -> Bar:
        """The bar of the span with the most."""
        return max(self.bars, key=lambda bar: bar.reports)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, at its place."""

    x: float
    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All rows. A bar of full height represents the reports of its row's peak."""

    since: datetime
    until: datetime
    span: timedelta
    width: int
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...]

    @property
    def table(self) -> list[tuple[datetime, list[int]]]:
        """The same numbers: for each span with any report, those of each row."""
        by_start = [{bar.start: bar.reports for bar in row.bars} for row in self.rows]
        starts = sorted({start for counts in by_start for start in counts})
        return [(start, [counts.get(start, 0) for counts in by_start]) for start in starts]


def interval_of(since: datetime, until: datetime) -> str:
    """Return by what a series of this length is best counted."""
    return "hour" if until - since <= _HOURLY else "day"


def draw(
    series: Iterable[tuple[datetime, str, int]],
    *,
    since: datetime,
    until: datetime,
    events: Iterable[tuple[datetime, str]] = (),
) -> Chart:
    """Draw a series that was counted by `interval_of` its window; long ones by spans of several days."""
    unit = timedelta(hours=1) if interval_of(since, until) == "hour" else timedelta(days=1)
    start = _floor(since, unit)
    span = unit * max(1, -(-((until - start) // unit + 1) // _MOST_SPANS))
    spans = (until - start) // span + 1
    counts: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for time, cause, reports in series:
        place = (time - start) // span
        if 0 <= place < spans:
            counts[cause][place] += reports

    def row(cause: str, places: dict[int, int]) -> Row:
        top = max(places.values())
        bars = (_bar(place, reports, top, start + place * span) for place, reports in sorted(places.items()))
        return Row(cause, sum(places.values()), tuple(bars))

    rows = [row(cause, places) for cause, places in counts.items()]
    marks = [Mark((at - start) / span * _STEP, at, what) for at, what in events if start <= at <= start + spans * span]
    return Chart(
        start, until, span, spans * _STEP, tuple(sorted(rows, key=lambda r: (-r.reports, r.cause))), tuple(marks)
    )


def _bar(place: int, reports: int, top: int, start: datetime) -> Bar:
    height = round(max(_LEAST, HEIGHT * reports / top), 2)
    return Bar(place * _STEP + _GAP // 2, round(HEIGHT - height, 2), height, start, reports)


def _floor(moment: datetime, unit: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return moment - (moment - epoch) % unit
