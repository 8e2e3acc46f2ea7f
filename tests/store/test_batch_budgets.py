"""Reports of one body share what may be spent on them: what that does not pay for is overflow, never a worse answer."""

from sqlalchemy import Engine

from app.hpkp.overflow import OverflowReason
from app.store import tables
from app.store.submissions import Submission
from bench.worst_bodies import BODIES, read_at_the_door, read_in_the_fold
from tests.store.desk import Desk, Taken


def _costly_batch() -> tuple[Submission, ...]:
    """Read a batch of which not all reports can be judged."""
    return read_in_the_fold(read_at_the_door(BODIES["batch, 4 dear keys a report"]()))


def _by_itself(submission: Submission) -> Submission:
    """Return a report as somebody else sends it, in a body of its own."""
    return submission._replace(digest=bytes(16), client=b"somebody else...", body_digest=b"")


def test_what_a_body_does_not_pay_for_is_counted_as_overflow_with_its_reason(engine: Engine) -> None:
    desk = Desk.at(engine)
    batch = _costly_batch()
    taken = desk.take(*batch)
    judged = taken.count(Taken.ACCEPTED)
    assert 0 < judged < len(batch)
    assert taken == [Taken.ACCEPTED] * judged + [Taken.OVER_LIMIT] * (len(batch) - judged)
    overflow = desk.only(tables.overflow_days)
    assert (overflow.reason, overflow.reports) == (OverflowReason.BODY, len(batch) - judged)
    assert len(desk.rows(tables.violations)) == judged


def test_a_report_that_was_left_out_is_judged_when_it_comes_by_itself(engine: Engine) -> None:
    desk = Desk.at(engine)
    *_, last = _costly_batch_taken_by(desk)
    assert desk.take(_by_itself(last)) == [Taken.ACCEPTED]
    assert last.identity in {bytes(row.identity) for row in desk.rows(tables.violations)}


def test_a_body_that_is_sent_again_goes_on_where_it_could_not_be_paid_for(engine: Engine) -> None:
    desk = Desk.at(engine)
    batch = _costly_batch_taken_by(desk)
    before = len(desk.rows(tables.violations))
    again = [one._replace(digest=bytes([7]) + one.digest[1:], body_digest=b"another body....") for one in batch]
    assert desk.take(*again).count(Taken.ACCEPTED) > before
    assert len(desk.rows(tables.violations)) > before


def test_a_report_behind_costly_ones_keeps_no_other_of_its_violation_out(engine: Engine) -> None:
    desk = Desk.at(engine)
    batch = _costly_batch()
    *_, behind, honest = desk.take(*batch, _by_itself(batch[-1]))
    assert behind is honest is Taken.ACCEPTED


def _costly_batch_taken_by(desk: Desk) -> tuple[Submission, ...]:
    batch = _costly_batch()
    assert desk.take(*batch)[-1] is Taken.OVER_LIMIT
    return batch
