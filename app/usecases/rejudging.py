"""Judge stored violations again, in pieces: after another policy, other roots or catalogs, or another version's rules.

::

    request (in the transaction of the change) ──> go_on ──> go_on ──> … ──> finished, with an event

Each call of `go_on` (1) reads a piece, (2) judges it with no transaction open, within a time budget, and (3) writes it
back in a short transaction, with the cursor from which the next call goes on, in whatever process. Reports are taken
meanwhile: they wait for (3) alone, a few milliseconds for 64 violations.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from app.hpkp.judgement.judge import Judgement, JudgeReport
from app.store import rejudging as store
from app.store.engine import to_ms, writing
from app.store.postgres import failed_by_another
from app.store.rejudging import Rejudged, Run, StoredViolation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """How much is judged between two transactions.

    64 violations are written in 10 to 30 ms. The time is a bound on what is lost by a kill, and on how late a
    service stops.
    """

    violations: int = 64
    seconds: float = 0.25


PIECE = Piece()


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is after a piece. ``run`` says what was judged so far; ``waiting`` counts the rest of all runs."""

    run: Run
    waiting: int
    finished: bool


def go_on(
    engine: Engine, judge: JudgeReport, *, host: str | None = None, at: datetime, piece: Piece = PIECE
) -> Progress | None:
    """Take the run of a host, or any, one piece further; None if there is none."""
    with engine.connect() as connection:
        run = store.find_run(connection, host)
        violations = [] if run is None else store.load_piece(connection, run, limit=piece.violations)
    if run is None:
        return None
    judged = list(_judge_within(violations, judge, at=at, seconds=piece.seconds))
    finished = False
    try:
        with writing(engine) as connection:
            if judged:
                run = store.write_piece(connection, run, judged, at=to_ms(at)) or run
            elif run.moved:
                run = store.recount_next(connection, run) or run
            else:
                finished = store.finish(connection, run, at=to_ms(at))
            waiting = store.count_waiting(connection)
    except DBAPIError as error:
        if not failed_by_another(error):
            raise
        return Progress(run, len(violations), finished=False)  # nothing was written; the piece is read again
    return Progress(run, waiting, finished)


def run_for(
    engine: Engine, judge: JudgeReport, *, host: str | None = None, at: datetime, seconds: float | None = None
) -> Iterator[Progress]:
    """Go on piece by piece until nothing waits, or until ``seconds`` have passed; yields after each."""
    ends = None if seconds is None else time.monotonic() + seconds
    while (progress := go_on(engine, judge, host=host, at=at)) is not None:
        yield progress
        if ends is not None and time.monotonic() >= ends:
            return


def _judge_within(
    violations: Sequence[StoredViolation], judge: JudgeReport, *, at: datetime, seconds: float
) -> Iterator[Rejudged]:
    """Judge violations in their order, one at least, until the time is over."""
    ends = time.monotonic() + seconds
    for number, violation in enumerate(violations):
        if number and time.monotonic() >= ends:
            return
        yield Rejudged(violation, _judge(violation, judge, at))
        time.sleep(0)  # gives the interpreter to the event loop, which would wait 5 ms for it otherwise


def _judge(violation: StoredViolation, judge: JudgeReport, at: datetime) -> Judgement | None:
    if violation.report is None:
        return None
    try:
        return judge(violation.report, violation.history, violation.first_received_at, to_ms(at))
    except Exception:  # one that cannot be judged must not keep all that come after it from being judged
        logger.exception("violation %s could not be judged again and keeps its judgement", violation.id)
        return None
