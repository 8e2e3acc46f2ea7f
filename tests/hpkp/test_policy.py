"""Pinning policies and their revisions over time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.hpkp.errors import InvalidPolicy
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from tests.support.authority import NOW

ONE, TWO, THREE = (Pin(bytes((number,)) * 32) for number in (1, 2, 3))
DAY = timedelta(days=1)
FIRST = PinningPolicy(Host("example.com"), (ExpectedPin(ONE),), revision=1, effective_from=NOW - 10 * DAY)
SECOND = replace(FIRST, pins=(ExpectedPin(TWO),), revision=2, effective_from=NOW, own_keys=frozenset({THREE}))
ENDED = replace(SECOND, revision=3, effective_from=NOW + 10 * DAY, withdrawn=True)
HISTORY = PolicyHistory.of([ENDED, FIRST, SECOND])


def test_the_revision_in_force_is_the_last_that_took_effect() -> None:
    assert HISTORY.in_force(NOW - 11 * DAY) is None
    assert HISTORY.in_force(NOW - DAY) == FIRST
    assert HISTORY.in_force(NOW) == SECOND
    assert HISTORY.in_force(NOW + 9 * DAY) == SECOND
    assert HISTORY.in_force(NOW + 10 * DAY) is None
    assert PolicyHistory(()).in_force(NOW) is None


def test_a_backdated_revision_takes_its_place_in_history() -> None:
    backdated = replace(FIRST, pins=(ExpectedPin(THREE),), revision=4, effective_from=NOW - 20 * DAY)
    history = PolicyHistory.of([*HISTORY.revisions, backdated])
    assert history.in_force(NOW) == SECOND
    assert history.in_force(NOW - 15 * DAY) == backdated


def test_of_two_at_the_same_moment_the_later_entry_counts() -> None:
    corrected = replace(SECOND, pins=(ExpectedPin(THREE),), revision=3)
    assert PolicyHistory.of([corrected, SECOND]).in_force(NOW) == corrected


def test_pins_that_were_ever_expected_are_remembered() -> None:
    assert HISTORY.ever_expected(NOW - DAY) == {ONE}
    assert HISTORY.ever_expected(NOW) == HISTORY.all_pins == {ONE, TWO}
    assert HISTORY.own_keys == {THREE}


def test_a_policy_covers_its_host_and_with_the_directive_the_names_below() -> None:
    everywhere = replace(FIRST, include_subdomains=True)
    assert FIRST.covers("example.com")
    assert not FIRST.covers("www.example.com")
    assert everywhere.covers("a.www.example.com")
    assert not everywhere.covers("badexample.com")
    assert not everywhere.covers("com")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"revision": 9, "effective_from": None}, True),
        ({"pins": (ExpectedPin(ONE, "label"),)}, False),
        ({"max_age": 5}, False),
        ({"mode": Mode.ENFORCE}, False),
        ({"include_subdomains": True}, False),
        ({"report_uri": "https://r.example/"}, False),
        ({"own_keys": frozenset({TWO})}, False),
        ({"withdrawn": True}, False),
    ],
)
def test_policies_say_the_same_where_they_differ_in_number_and_date_alone(changes: dict[str, Any], same: bool) -> None:
    other = replace(FIRST, **changes)
    assert FIRST.says_the_same_as(other) is same


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"host": Host("192.0.2.1")}, "IP address"),
        ({"max_age": -1}, "max_age"),
        ({"pins": (ExpectedPin(ONE), ExpectedPin(ONE, "again"))}, "twice"),
    ],
)
def test_what_no_policy_can_be_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidPolicy, match=reason):
        replace(FIRST, **changes)
