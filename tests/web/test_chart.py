"""The geometry of a time series: nothing lost, nothing outside of the picture, few enough bars to see."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.chart import HEIGHT, draw, interval_of

START = datetime(2026, 6, 1, tzinfo=UTC)


def test_every_day_has_its_place_and_the_highest_bar_of_each_row_fills_it() -> None:
    series = [
        (START, "clock", 1),
        (START + timedelta(days=2), "clock", 4),
        (START + timedelta(days=2), "no_evidence", 2),
    ]
    chart = draw(series, since=START, until=START + timedelta(days=9))
    assert (chart.span, chart.width) == (timedelta(days=1), 100)
    clock, other = chart.rows
    assert [(bar.x, bar.height, bar.reports) for bar in clock.bars] == [(1, 10, 1), (21, HEIGHT, 4)]
    assert [(bar.x, bar.height) for bar in other.bars] == [(21, HEIGHT)]
    assert (clock.reports, clock.peak.start) == (5, START + timedelta(days=2))
    assert chart.table == [(START, [1, 0]), (START + timedelta(days=2), [4, 2])]


def test_one_report_among_very_many_is_still_seen() -> None:
    chart = draw(
        [(START, "a", 1), (START + timedelta(days=9), "a", 10**6)], since=START, until=START + timedelta(days=9)
    )
    assert min(bar.height for row in chart.rows for bar in row.bars) >= 1.5


def test_a_window_of_three_days_is_shown_by_the_hour() -> None:
    until = START + timedelta(days=3)
    assert (interval_of(START, until), interval_of(START, until + timedelta(hours=1))) == ("hour", "day")
    chart = draw([(START + timedelta(hours=5), "a", 1)], since=START + timedelta(minutes=30), until=until)
    assert (chart.since, chart.span) == (START, timedelta(hours=1))
    assert chart.rows[0].bars[0].x == 51


def test_what_happened_is_marked_at_its_place_and_only_inside_of_the_window() -> None:
    events = [(START - timedelta(days=1), "before"), (START + timedelta(days=2, hours=12), "revision 2")]
    chart = draw([], since=START, until=START + timedelta(days=4), events=events)
    assert [(mark.x, mark.what) for mark in chart.marks] == [(25, "revision 2")]


@given(
    days=st.integers(0, 20_000),
    counts=st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(["a", "b"]), st.integers(1, 10**9)), max_size=30),
)
def test_any_window_keeps_all_that_lies_in_it_within_the_picture(days: int, counts: list[tuple[int, str, int]]) -> None:
    until = START + timedelta(days=days)
    series = [(START + timedelta(days=day), cause, reports) for day, cause, reports in counts if day <= days]
    chart = draw(series, since=START, until=until)
    assert sum(row.reports for row in chart.rows) == sum(reports for _, _, reports in series)
    assert chart.width <= 1210
    for row in chart.rows:
        assert sum(bar.reports for bar in row.bars) == row.reports
        for bar in row.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= chart.width
            assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.01


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_the_ends_of_time_are_windows_too(moment: datetime) -> None:
    assert draw([], since=min(moment, START), until=max(moment, START)).rows == ()
