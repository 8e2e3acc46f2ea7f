"""No text can poison a statement: what a database cannot keep is replaced, wherever it comes from."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from app.outcomes import Outcome
from app.store import tables
from app.store.engine import writing
from app.store.events import add_event
from app.store.read.events import list_events
from app.store.read.report_bodies import load_report_body
from app.store.submissions import RejectedSubmission
from app.store.text_sanitizing import storable
from tests.support.reports import report_body
from tests.support.store.ingest_harness import AT, IngestHarness, Taken, submission

BAD = "a\0b\ud800c\udfffd\U0001f511"
GOOD = "a\ufffdb\ufffdc\ufffdd\U0001f511"


@given(st.text(st.characters(exclude_categories=())))
def test_what_remains_is_utf_8_without_nul_and_as_long_as_before(text: str) -> None:
    kept = storable(text)
    assert "\0" not in kept
    assert kept.encode().decode() == kept
    assert len(kept) == len(text)
    assert all(was == now or now == "\ufffd" for was, now in zip(text, kept, strict=True))


def test_a_submission_with_such_texts_is_taken_beside_others(harness: IngestHarness) -> None:
    made = submission(client="odd")
    report = replace(made.report, app=BAD, platform_version=BAD, unreadable_pins=(BAD,), contradictions=(BAD,))
    odd = made._replace(report=report, user_agent=BAD, label=BAD, body=b"\0\xff" + BAD.encode("utf-8", "surrogatepass"))
    assert harness.take(submission(), odd, submission(client="other")) == [Taken.ACCEPTED] * 3
    kept = next(row for row in harness.rows(tables.reports) if row.user_agent is not None)
    assert (kept.user_agent, kept.platform_version) == (GOOD, GOOD)
    with harness.engine.connect() as connection:
        assert load_report_body(connection, kept.id) == odd.body, "a raw body is bytes, and stays as it came"
    assert (GOOD, GOOD) in {(source.app, source.label) for source in harness.rows(tables.sources)}


def test_lists_in_json_columns_are_kept_too(harness: IngestHarness) -> None:
    made = submission(report_body(known_pins=["x"]))
    harness.take(made._replace(report=replace(made.report, unreadable_pins=(BAD,), contradictions=(BAD, "\\u0000"))))
    violation = harness.only(tables.violations)
    assert violation.unreadable_pins == [GOOD]
    assert violation.contradictions == [GOOD, "\\u0000"]


def test_a_source_with_such_a_text_stands_once(harness: IngestHarness) -> None:
    harness.take_each(submission(client=client)._replace(label=BAD) for client in ("one", "two"))
    assert harness.only(tables.sources).label == GOOD


def test_a_rejection_is_kept(harness: IngestHarness) -> None:
    rejected = RejectedSubmission(
        received_at=AT, outcome=Outcome.UNREADABLE, reason=BAD, length=10**15, pointer=BAD, content_type=BAD, sample=BAD
    )
    harness.reject(rejected)
    row = harness.only(tables.rejections)
    assert (row.reason, row.pointer, row.content_type, row.sample) == (GOOD,) * 4
    assert row.length == 10**15


def test_such_a_text_is_found_again_by_itself(harness: IngestHarness) -> None:
    with writing(harness.engine) as connection:
        add_event(connection, BAD, "text", at=AT)
    with harness.engine.connect() as connection:
        assert len(list_events(connection, host=None, kind=BAD, limit=2)) == 1


@pytest.mark.parametrize("many", [False, True])
def test_one_row_and_many_rows_are_cleaned_alike(harness: IngestHarness, many: bool) -> None:
    row = {"at": AT, "kind": BAD, "host": None, "text": BAD}
    with writing(harness.engine) as connection:
        connection.execute(insert(tables.events), [row, row] if many else row)
        assert set(connection.scalars(select(tables.events.c.text))) == {GOOD}
