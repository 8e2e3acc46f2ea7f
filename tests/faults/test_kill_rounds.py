"""kill -9 at random moments, a few rounds for each way to run; see `kill_rounds` for many."""

import random
from pathlib import Path

import pytest

from tests.support.faults.kill_rounds import open_rounds

_ROUNDS = 3


@pytest.mark.parametrize(("store", "workers"), [("sqlite", 1), ("sqlite", 2), ("postgres", 2)])
def test_what_was_acknowledged_is_counted_exactly_once(store: str, workers: int, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    with open_rounds(store, tmp_path, workers=workers, seed=seed) as rounds:
        for _ in range(_ROUNDS):
            counts = rounds.round()
            told = f"seed {seed}, {rounds.clients.acknowledged} acknowledged, {dict(rounds.killed)}, {counts}"
            assert counts.are_all(rounds.clients.acknowledged), told
        counts = rounds.finish()
        assert counts.are_all(rounds.clients.acknowledged), f"seed {seed}, {counts}"
        assert set(rounds.clients.statuses) == {204}
