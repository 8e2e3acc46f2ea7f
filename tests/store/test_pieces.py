"""Stored violations are judged again in pieces: bounded, resumable, beside whatever else happens to the store."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from app.hpkp.hosts import canonical_host
from app.hpkp.judgement.judge import Judgement
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.store import policies, rejudging, tables
from app.store.engine import open_engine, writing
from app.usecases.rejudging import Piece, Progress, go_on, run_for
from tests.support.authority import NOW, make_root
from tests.support.reports import HOST, report_body, site
from tests.support.store.ingest_harness import AT, IngestHarness, Taken, judge_at, submission

TWO = Piece(violations=2)
STRANGE = make_root("Strange").pin
LATER = NOW + timedelta(hours=1)


def _bodies(count: int, host: str = HOST) -> list[bytes]:
    return [report_body(host=host, port=8000 + number) for number in range(count)]


def _add_policy(harness: IngestHarness, pin: str, host: str = HOST, *, include_subdomains: bool = False) -> None:
    policy = PinningPolicy(
        canonical_host(host),
        (ExpectedPin(parse_pin(pin)),),
        effective_from=NOW,
        include_subdomains=include_subdomains,
    )
    with writing(harness.engine) as connection:
        policies.add_revision(connection, policy, at=NOW)
        rejudging.request_rejudging(connection, host, at=AT)


@pytest.fixture
def five(harness: IngestHarness) -> IngestHarness:
    """Return a harness whose five violations are to be judged again under a policy that explains them."""
    harness.take_each(map(submission, _bodies(5)))
    _add_policy(harness, site().root.pin)
    return harness


def _causes(harness: IngestHarness) -> list[str]:
    return [row.cause for row in harness.rows(tables.violations)]


def _go_on(harness: IngestHarness, piece: Piece = TWO) -> Progress | None:
    return go_on(harness.engine, judge_at, at=LATER, piece=piece)


def _events(harness: IngestHarness) -> list[tuple[str | None, str]]:
    return [(event.host, event.text) for event in harness.rows(tables.events) if event.kind == "rejudged"]


OLD, NEW = "unknown_key_public_ca", "matches_expected"


def test_each_piece_is_written_by_itself_with_how_far_it_is(five: IngestHarness) -> None:
    seen = []
    while (progress := _go_on(five)) is not None:
        seen.append((_causes(five).count(NEW), progress.run.judged, progress.waiting, progress.finished))
    assert seen == [(2, 2, 3, False), (4, 4, 1, False), (5, 5, 0, False), (5, 5, 0, True)]
    assert five.rows(tables.rejudgings) == []
    assert _events(five) == [(HOST, "5 violations re-evaluated: 5 unknown_key_public_ca -> matches_expected")]


def test_another_process_goes_on_where_one_was_killed(five: IngestHarness, url: str) -> None:
    judged: list[ViolationReport] = []

    def killed_at_the_fourth(report: ViolationReport, history: PolicyHistory, received: int, at: int) -> Judgement:
        if len(judged) == 3:
            raise KeyboardInterrupt
        judged.append(report)
        return judge_at(report, history, received, at)

    with pytest.raises(KeyboardInterrupt):
        go_on(five.engine, killed_at_the_fourth, at=LATER)
    assert _causes(five) == [OLD] * 5, "all in one piece, of which nothing was written"
    judged.clear()
    assert go_on(five.engine, killed_at_the_fourth, at=LATER, piece=TWO) is not None
    with pytest.raises(KeyboardInterrupt):
        go_on(five.engine, killed_at_the_fourth, at=LATER, piece=TWO)
    assert _causes(five) == [NEW, NEW, OLD, OLD, OLD]

    other = open_engine(url)
    assert [progress.run.judged for progress in run_for(other, judge_at, at=LATER)] == [5, 5]
    other.dispose()
    assert _causes(five) == [NEW] * 5
    assert _events(five) == [(HOST, "5 violations re-evaluated: 5 unknown_key_public_ca -> matches_expected")]


def test_a_piece_ends_when_its_time_is_over_and_holds_one_violation_at_least(five: IngestHarness) -> None:
    assert [progress.run.judged for _ in range(3) if (progress := _go_on(five, Piece(5, seconds=0)))] == [1, 2, 3]


def _meanwhile(act: Callable[[], object]) -> Callable[[ViolationReport, PolicyHistory, int, int], Judgement]:
    """Return a judge beside which something happens once, before its first judgement."""
    acts = [act]

    def judge(report: ViolationReport, history: PolicyHistory, received_at: int, at: int) -> Judgement:
        while acts:
            acts.pop()()
        return judge_at(report, history, received_at, at)

    return judge


def test_reports_are_taken_while_violations_are_judged(five: IngestHarness) -> None:
    taken: list[Taken] = []
    judge = _meanwhile(lambda: taken.extend(five.take(submission(_bodies(1)[0], client="two"))))
    began = time.monotonic()
    progress = go_on(five.engine, judge, at=LATER, piece=TWO)
    assert taken == [Taken.ACCEPTED]
    assert time.monotonic() - began < 5, "a lock held over the judging would have made it wait ten seconds"
    assert progress is not None
    assert progress.run.judged == 2
    assert [row.reports for row in five.rows(tables.violations)] == [2, 1, 1, 1, 1]


def test_what_was_judged_under_a_policy_replaced_meanwhile_is_not_written(five: IngestHarness) -> None:
    def replace_it() -> None:
        policy = PinningPolicy(canonical_host(HOST), (ExpectedPin(parse_pin(STRANGE)),), effective_from=NOW)
        with writing(five.engine) as connection:
            policies.add_revision(connection, policy, at=NOW)

    progress = go_on(five.engine, _meanwhile(replace_it), at=LATER, piece=TWO)
    assert progress is not None
    assert (progress.run.judged, progress.run.cursor) == (0, 0)
    assert _causes(five) == [OLD] * 5
    five.rejudge(at=LATER, piece=TWO)
    five.rejudge(HOST, at=LATER, piece=TWO)
    assert {row.judgement["policy_revision"] for row in five.rows(tables.violations)} == {2}


def test_a_request_made_meanwhile_begins_again_and_what_was_judged_before_it_is_not_written(
    five: IngestHarness,
) -> None:
    request = _meanwhile(lambda: _add_policy(five, STRANGE))
    progress = go_on(five.engine, request, at=LATER, piece=TWO)
    assert progress is not None
    assert _causes(five) == [OLD] * 5
    five.rejudge(HOST, at=LATER)
    assert {row.judgement["policy_revision"] for row in five.rows(tables.violations)} == {2}


def test_a_violation_judged_by_another_meanwhile_is_read_again(five: IngestHarness) -> None:
    def judge_the_second() -> None:
        with writing(five.engine) as connection:
            connection.execute(update(tables.violations).where(tables.violations.c.id == 2).values(judged_at=AT + 1))

    progress = go_on(five.engine, _meanwhile(judge_the_second), at=LATER)
    assert progress is not None
    assert (progress.run.cursor, progress.waiting) == (1, 4)
    five.rejudge(HOST, at=LATER)
    assert _causes(five) == [NEW] * 5


def test_a_violation_deleted_meanwhile_is_passed_over(five: IngestHarness) -> None:
    def delete_the_first() -> None:
        with writing(five.engine) as connection:
            for table in (tables.rollup_hours, tables.rollup_days, tables.reports, tables.violation_networks):
                connection.execute(delete(table).where(table.c.violation_id == 1))
            connection.execute(delete(tables.violations).where(tables.violations.c.id == 1))

    progress = go_on(five.engine, _meanwhile(delete_the_first), at=LATER, piece=TWO)
    assert progress is not None
    assert (progress.run.cursor, progress.run.judged) == (2, 1)
    five.rejudge(HOST, at=LATER)
    assert _causes(five) == [NEW] * 4


def test_two_processes_at_it_judge_each_once_and_write_one_event(harness: IngestHarness, url: str) -> None:
    harness.take(*map(submission, _bodies(40)))
    _add_policy(harness, site().root.pin)
    other = open_engine(url)

    def work(number: int) -> None:
        while go_on((harness.engine, other)[number], judge_at, at=LATER, piece=TWO) is not None:
            pass

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    other.dispose()
    assert _causes(harness) == [NEW] * 40
    assert _events(harness) == [(HOST, "40 violations re-evaluated: 40 unknown_key_public_ca -> matches_expected")]
    assert sum(row.reports for row in harness.rows(tables.host_hours) if row.cause == NEW) == 40


def test_one_that_cannot_be_judged_keeps_its_judgement_and_none_from_theirs(
    five: IngestHarness, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_at_the_second(report: ViolationReport, history: PolicyHistory, received_at: int, at: int) -> Judgement:
        if report.port == 8001:
            raise ZeroDivisionError
        return judge_at(report, history, received_at, at)

    list(run_for(five.engine, fail_at_the_second, at=LATER))
    assert _causes(five) == [NEW, OLD, NEW, NEW, NEW]
    assert "violation 2 could not be judged again" in caplog.text
    assert _events(five) == [(HOST, "4 violations re-evaluated: 4 unknown_key_public_ca -> matches_expected")]


def test_one_that_cannot_be_read_any_more_keeps_its_judgement(
    five: IngestHarness, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(five.engine) as connection:
        connection.execute(update(tables.violations).where(tables.violations.c.id == 2).values(sender="nobody's"))
    five.rejudge(HOST, at=LATER, piece=TWO)
    assert _causes(five) == [NEW, OLD, NEW, NEW, NEW]
    assert "violation 2 cannot be read" in caplog.text


def test_violations_that_came_after_the_request_are_left_alone(five: IngestHarness) -> None:
    five.take(submission(report_body(port=9000), at=AT + 5))
    five.rejudge(HOST, at=LATER)
    assert [row.judged_at for row in five.rows(tables.violations)][-1] == AT + 5
    assert _events(five)[0][1].startswith("5 violations")


def test_what_waits_is_counted_of_a_host_and_the_names_below_it(five: IngestHarness) -> None:
    five.take(*map(submission, _bodies(2, host="other.test")))

    def waiting() -> list[int]:
        with five.engine.connect() as connection:
            hosts = (rejudging.ALL, HOST, "example.com", "other.test")
            return [rejudging.count_waiting(connection, host) for host in hosts]

    assert waiting() == [5, 5, 5, 0]
    _go_on(five)
    assert waiting() == [3, 3, 3, 0]
    five.rejudge(HOST, at=LATER)
    with writing(five.engine) as connection:
        rejudging.request_rejudging(connection, at=AT)
    assert waiting() == [7, 5, 5, 2]


def test_a_host_goes_before_all(five: IngestHarness) -> None:
    with writing(five.engine) as connection:
        rejudging.request_rejudging(connection, at=AT - 10)
    assert (progress := _go_on(five)) is not None
    assert progress.run.host == HOST


def test_known_changes_are_asked_for_once_and_again_when_they_differ(five: IngestHarness) -> None:
    def request(knowledge: str) -> bool:
        with writing(five.engine) as connection:
            return rejudging.request_if_knowledge_changed(connection, knowledge, at=AT)

    five.rejudge(HOST, at=LATER)
    assert request("one")
    assert (begun := _go_on(five)) is not None
    assert request("one")
    assert (further := _go_on(five)) is not None
    assert (begun.run.cursor, further.run.cursor) == (2, 4)
    assert request("two")
    assert (again := _go_on(five)) is not None
    assert again.run.cursor == 2
    five.rejudge(at=LATER)
    assert not request("two")
    assert request("one")
    texts = [event.text for event in five.rows(tables.events) if event.kind == "knowledge_changed"]
    assert texts == ["Roots, catalogs and rules two"]


def test_the_clients_of_hosts_follow_violations_that_move_in_several_pieces(harness: IngestHarness) -> None:
    harness.take(*(submission(body, client=str(number)) for number, body in enumerate(_bodies(5))))
    _add_policy(harness, site().root.pin, host="example.com", include_subdomains=True)
    assert (first := _go_on(harness)) is not None
    assert first.run.moved == ("example.com", HOST)
    harness.rejudge("example.com", at=LATER, piece=TWO)
    assert [(row.host, row.clients) for row in harness.rows(tables.host_clients)] == [("example.com", 5)]


def test_the_event_tells_the_most_frequent_change_first() -> None:
    run = rejudging.Run(HOST, "", 9, 9, 1234, {"clock -> control": 1, "a -> b": 1100}, (), 0)
    assert rejudging.describe(run) == "1,234 violations re-evaluated: 1,100 a -> b, 1 clock -> control"
    nothing = rejudging.Run(HOST, "", 9, 9, 1, {}, (), 0)
    assert rejudging.describe(nothing) == "1 violation re-evaluated: no cause changed"
