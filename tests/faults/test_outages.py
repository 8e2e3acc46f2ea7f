"""The store away, frozen and locked under load; see `outages` for longer ones.

Acknowledged: all, with no other answer. Found afterwards: each report once. /readyz told what was the matter.
"""

from pathlib import Path

from tests.support.faults.outages import Fault, Outage, see_outage


def _assert_nothing_refused_or_lost(seen: Outage) -> None:
    assert set(seen.statuses) == {204}, seen.statuses
    assert seen.waiting > 0
    assert seen.counts.are_all(seen.acknowledged), seen
    assert seen.meanwhile["status"] == "ready", "reports are accepted"
    assert seen.meanwhile["fold_lag_seconds"] > 1
    assert seen.afterwards["store"] == "answers"
    assert seen.afterwards["fold_lag_seconds"] == 0
    assert seen.afterwards["fold_fails"] is False
    assert seen.afterwards["fold_starts"] == 1, "the fold waits, and is not started again"


def test_postgresql_is_killed_and_comes_back(tmp_path: Path) -> None:
    seen = see_outage(Fault.STOPPED, tmp_path, seconds=5, workers=2, pause=0.02)
    _assert_nothing_refused_or_lost(seen)
    assert (seen.meanwhile["store"], seen.meanwhile["fold_fails"]) == ("away", True)


def test_postgresql_answers_nothing_for_a_while(tmp_path: Path) -> None:
    seen = see_outage(Fault.FROZEN, tmp_path, seconds=3, workers=1, pause=0.02)
    _assert_nothing_refused_or_lost(seen)
    assert seen.meanwhile["store"] == "away"


def test_another_process_holds_the_lock_of_sqlite(tmp_path: Path) -> None:
    """For longer than the ten seconds for which the fold waits for it."""
    seen = see_outage(Fault.LOCKED, tmp_path, seconds=12, workers=1, pause=0.02)
    _assert_nothing_refused_or_lost(seen)
    assert (seen.meanwhile["store"], seen.meanwhile["fold_fails"]) == ("answers", True)
