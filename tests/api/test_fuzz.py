"""A shortened run of `tests.support.api.fuzz`, with a seed of its own each time, which a failure tells."""

import random
from pathlib import Path

import pytest

from app.outcomes import Outcome
from tests.support.api.fuzz import fuzz_bodies, fuzz_sockets


def test_hostile_bodies_are_no_fault(tmp_path: Path) -> None:
    outcomes = fuzz_bodies(2000, random.randrange(10**9), tmp_path)
    assert {Outcome.ACCEPTED, Outcome.UNREADABLE, Outcome.NOT_A_REPORT} <= outcomes.keys()


@pytest.mark.parametrize("options", [(), ("--no-whole-requests",)])
def test_hostile_conversations_are_no_fault_and_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    talks = fuzz_sockets(500, random.randrange(10**9), tmp_path, *options)
    assert {204, 400, 404, 405} <= talks.statuses.keys()
