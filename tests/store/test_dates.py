"""No report's date decides for others: a path that was valid and one that was not are two violations."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select, update

from app.hpkp.report import Sender
from app.hpkp.violation import identity_of
from app.store import migrations, tables
from app.store.engine import DAY_MS, from_ms, to_ms, upgrade, writing
from app.store.read.reported import report_of_row
from app.store.rejudging import request_rejudging
from tests.support.reports import report_body
from tests.support.store.ingest_harness import AT, IngestHarness, submission

USUAL, WRONG_CLOCK, THAI, PERSIAN = (f"{year}-06-01T12:00:00Z" for year in ("2026", "2015", "2569", "1405"))
YEARS_AGO = to_ms(from_ms(AT).replace(year=2015))


def _dated(date: str | None) -> bytes:
    """Return a report in no known sender's form, whose date may explain it."""
    return report_body(date_time=date)


def _facts(harness: IngestHarness) -> dict[str, int]:
    return {row.cause: row.reports for row in harness.rows(tables.violations)}


@pytest.mark.parametrize("dates", sorted(set(permutations([WRONG_CLOCK, USUAL, USUAL]))))
def test_in_whichever_order_a_wrong_clock_is_counted_by_itself(harness: IngestHarness, dates: tuple[str, ...]) -> None:
    harness.take_each(submission(_dated(date), client=str(number)) for number, date in enumerate(dates))
    assert _facts(harness) == {"private_root": 2, "clock": 1}


def test_a_device_in_another_calendar_is_counted_with_the_others(harness: IngestHarness) -> None:
    harness.take_each(submission(_dated(date)) for date in (THAI, PERSIAN, USUAL, None, "no date"))
    assert _facts(harness) == {"private_root": 5}
    row = harness.only(tables.violations)
    assert row.date_time == AT, "the Thai one, which came first"


def test_a_violation_judged_again_keeps_to_the_date_of_its_own_reports(harness: IngestHarness) -> None:
    harness.take(submission(_dated(WRONG_CLOCK)), submission(_dated(USUAL)))
    with writing(harness.engine) as connection:
        request_rejudging(connection, at=AT)
    assert harness.rejudge(at=from_ms(AT + DAY_MS)) == 0
    assert _facts(harness) == {"clock": 1, "private_root": 1}


def _migrations(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    config.attributes["url"] = url
    return config


def _as_of_the_previous_version(
    harness: IngestHarness, url: str, dates: list[int | None], *, kept: int | None = None
) -> None:
    """Make the store one in which a violation was first reported with the first date, and again with the others.

    ``kept`` reports are still there; the newest ones.
    """
    harness.take_each(submission(_dated(USUAL), client=str(number)) for number in range(len(dates)))
    with writing(harness.engine) as connection:
        violation = connection.scalar(select(tables.violations.c.id))
        values: dict[str, Any] = {"date_time": dates[0], "cause": "clock"}
        connection.execute(update(tables.violations).values(values))
        for id_, date in enumerate(dates, 1):
            connection.execute(update(tables.reports).where(tables.reports.c.id == id_).values(date_time=date))
        if kept is not None:
            connection.execute(tables.reports.delete().where(tables.reports.c.id <= len(dates) - kept))
        assert violation == 1
    command.downgrade(_migrations(url), "0008")


def _ask_again(harness: IngestHarness, *dates: str | None) -> dict[int, int]:
    """Report again at these dates; return the counts by violation."""
    harness.take_each(submission(_dated(date), client=f"later {number}") for number, date in enumerate(dates))
    return {row.id: row.reports for row in harness.rows(tables.violations)}


def test_an_upgraded_wrong_clock_stays_one_and_takes_no_more_of_the_usual_reports(
    harness: IngestHarness, url: str
) -> None:
    _as_of_the_previous_version(harness, url, [YEARS_AGO])
    upgrade(url)
    assert _ask_again(harness, WRONG_CLOCK, USUAL) == {1: 2, 2: 1}
    assert [row.cause for row in harness.rows(tables.violations)] == ["clock", "private_root"]


def test_an_upgraded_clock_of_one_report_that_hid_others_comes_to_light(harness: IngestHarness, url: str) -> None:
    _as_of_the_previous_version(harness, url, [YEARS_AGO, AT, AT])
    upgrade(url)
    assert harness.only(tables.violations).date_time == AT
    harness.set_policy()
    assert harness.only(tables.violations).cause != "clock"
    assert _ask_again(harness, USUAL, WRONG_CLOCK) == {1: 4, 2: 1}


def test_of_reports_that_were_deleted_nothing_is_known(harness: IngestHarness, url: str) -> None:
    _as_of_the_previous_version(harness, url, [YEARS_AGO, AT, YEARS_AGO + DAY_MS], kept=1)
    upgrade(url)
    assert _ask_again(harness, WRONG_CLOCK, USUAL) == {1: 4, 2: 1}


@pytest.mark.parametrize(
    ("stored", "date"),
    [
        (to_ms(from_ms(AT).replace(year=2569)), AT),
        (to_ms(from_ms(AT).replace(year=1405)), None),
        (to_ms(from_ms(AT).replace(year=8)), None),
        (to_ms(from_ms(AT).replace(year=2572, month=2, day=29)), None),
        (None, None),
        (AT, AT),
    ],
)
def test_an_upgraded_date_in_another_calendar_is_read_anew(
    harness: IngestHarness, url: str, stored: int | None, date: int | None
) -> None:
    _as_of_the_previous_version(harness, url, [stored])
    upgrade(url)
    assert harness.only(tables.violations).date_time == date
    assert _ask_again(harness, USUAL) == {1: 2}


def test_upgraded_identities_are_those_that_reports_have_now(harness: IngestHarness, url: str) -> None:
    _as_of_the_previous_version(harness, url, [YEARS_AGO])
    upgrade(url)
    row = harness.only(tables.violations)
    with harness.engine.connect() as connection:
        report = report_of_row(connection, row)
    assert report.sender is Sender.RFC7469
    assert identity_of(report, received_at=from_ms(row.first_received_at)) == row.identity


def _dated_years_ago(harness: IngestHarness, url: str, body: bytes) -> None:
    """Make the store of the previous version, in which a report of these was dated years ago."""
    harness.take(submission(body))
    with writing(harness.engine) as connection:
        connection.execute(update(tables.violations).values(date_time=YEARS_AGO))
        connection.execute(update(tables.reports).values(date_time=YEARS_AGO))
    command.downgrade(_migrations(url), "0008")


def test_an_upgraded_date_at_which_no_client_found_the_path_valid_decides_for_no_others(
    harness: IngestHarness, url: str
) -> None:
    _dated_years_ago(harness, url, report_body())
    upgrade(url)
    harness.take(submission(report_body(), client="two"))
    with writing(harness.engine) as connection:
        request_rejudging(connection, at=AT)
    harness.rejudge()
    found = [(row.sender, row.cause) for row in harness.rows(tables.violations)]
    assert found == [("chromium", "implausible"), ("chromium", "unknown_key_public_ca")]


def test_an_upgraded_forgery_keeps_its_identity_and_date(harness: IngestHarness, url: str) -> None:
    body = report_body(noted="www.example.org")
    _dated_years_ago(harness, url, body)
    upgrade(url)
    row = harness.only(tables.violations)
    assert row.contradictions
    assert (row.identity, row.date_time) == (submission(body).identity, YEARS_AGO)
