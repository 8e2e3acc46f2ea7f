"""Reports of one body share what may be spent on them: what that does not pay for is overflow, never a worse answer."""

from sqlalchemy import Engine

from app.hpkp.overflow import OverflowReason
from app.store import tables
from app.store.submissions import Submission
from bench.worst_bodies import BODIES, read_at_the_door, read_in_the_fold
from tests.support.store.ingest_harness import IngestHarness, Taken


def _costly_batch() -> tuple[Submission, ...]:
    """Read a batch of which not all reports can be judged."""
    return read_in_the_fold(read_at_the_door(BODIES["batch, 4 dear keys a report"]()))


def _by_itself(submission: Submission) -> Submission:
    """Return a report as somebody else sends it, in a body of its own."""
    return submission._replace(digest=bytes(16), client=b"somebody else...", body_digest=b"")


def test_what_a_body_does_not_pay_for_is_counted_as_overflow_with_its_reason(engine: Engine) -> None:
    harness = IngestHarness.at(engine)
    batch = _costly_batch()
    taken = harness.take(*batch)
    judged = taken.count(Taken.ACCEPTED)
    assert 0 < judged < len(batch)
    assert taken == [Taken.ACCEPTED] * judged + [Taken.OVER_LIMIT] * (len(batch) - judged)
    overflow = harness.only(tables.overflow_days)
    assert (overflow.reason, overflow.reports) == (OverflowReason.BODY, len(batch) - judged)
    assert len(harness.rows(tables.violations)) == judged


def test_a_report_that_was_left_out_is_judged_when_it_comes_by_itself(engine: Engine) -> None:
    harness = IngestHarness.at(engine)
    *_, last = _costly_batch_taken_by(harness)
    assert harness.take(_by_itself(last)) == [Taken.ACCEPTED]
    assert last.identity in {bytes(row.identity) for row in harness.rows(tables.violations)}


def test_a_body_that_is_sent_again_goes_on_where_it_could_not_be_paid_for(engine: Engine) -> None:
    harness = IngestHarness.at(engine)
    batch = _costly_batch_taken_by(harness)
    before = len(harness.rows(tables.violations))
    again = [one._replace(digest=bytes([7]) + one.digest[1:], body_digest=b"another body....") for one in batch]
    assert harness.take(*again).count(Taken.ACCEPTED) > before
    assert len(harness.rows(tables.violations)) > before


def test_a_report_behind_costly_ones_keeps_no_other_of_its_violation_out(engine: Engine) -> None:
    harness = IngestHarness.at(engine)
    batch = _costly_batch()
    *_, behind, honest = harness.take(*batch, _by_itself(batch[-1]))
    assert behind is honest is Taken.ACCEPTED


def _costly_batch_taken_by(harness: IngestHarness) -> tuple[Submission, ...]:
    batch = _costly_batch()
    assert harness.take(*batch)[-1] is Taken.OVER_LIMIT
    return batch
