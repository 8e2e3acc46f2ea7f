"""Reads wait for the fold: until it has counted, until the patience is over, and not at all while counting fails."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.ingest.fold_status import Folded, FoldStatus, write_status
from app.ingest.fold_watch import FoldWatch
from app.store.engine import from_ms
from tests.support.ingest.makers import append, open_small_log, report

RECEIVED = 1_795_000_000_000


class _Clock:
    """A monotonic clock that goes on by a second with each look."""

    def __init__(self) -> None:
        self._seconds = itertools.count(1)
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return next(self._seconds)


@pytest.fixture
def behind(tmp_path: Path) -> FoldStatus:
    """Return the status of a fold that has counted the first of two entries of a log."""
    with_two = open_small_log(tmp_path)
    first = append(with_two, report(1))
    append(with_two, report(2))
    with_two.close()
    return FoldStatus(starts=1, folded={with_two.directory.path.name: Folded(*first[:2], RECEIVED + 1)})


def test_a_read_waits_until_its_patience_is_over_and_says_until_when_it_counts(
    behind: FoldStatus, tmp_path: Path
) -> None:
    write_status(tmp_path, behind)
    clock = _Clock()
    assert FoldWatch(tmp_path, patience=5, monotonic=clock).wait_blocking() == from_ms(RECEIVED + 1)
    assert clock.looks > 5


def test_a_read_goes_on_as_soon_as_the_fold_has_counted(behind: FoldStatus, tmp_path: Path) -> None:
    write_status(tmp_path, behind)
    watch = FoldWatch(tmp_path, patience=1000, monotonic=_Clock())
    ((name, folded),) = behind.folded.items()
    counted = replace(behind, folded={name: folded._replace(offset=1 << 20)})
    watch.call_to_wake(lambda: write_status(tmp_path, counted))
    arrived = datetime.now(UTC)
    assert watch.wait_blocking() >= arrived
    assert watch.observe().seconds == 0


@pytest.mark.parametrize("hindered", [{"error": "the store is locked"}, {"refused": "of another version"}])
def test_a_read_does_not_wait_while_nothing_can_be_counted(
    behind: FoldStatus, tmp_path: Path, hindered: dict[str, str]
) -> None:
    refused = dict.fromkeys(behind.folded, hindered.get("refused", "")) if "refused" in hindered else {}
    write_status(tmp_path, replace(behind, error=hindered.get("error"), refused=refused))
    clock = _Clock()
    assert FoldWatch(tmp_path, patience=1000, monotonic=clock).wait_blocking() == from_ms(RECEIVED + 1)
    assert clock.looks == 1
