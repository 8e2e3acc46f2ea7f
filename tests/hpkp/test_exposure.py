"""Exposure: whose day it is, what cannot be, and which day is the first whole one."""

from datetime import UTC, date, datetime

import pytest

from app.hpkp.audience import SITE, Audience
from app.hpkp.exposure import ExposedDay, first_whole_day

DAY = date(2026, 11, 1)


def test_a_day_is_the_site_s_or_a_release_s() -> None:
    assert ExposedDay("a.example", DAY, 1, 1).audience == SITE
    assert ExposedDay("a.example", DAY, None, 1, "shop", "4.2").audience == Audience("shop", "4.2")


@pytest.mark.parametrize(("sessions", "clients", "possible"), [(3, 4, False), (4, 4, True), (None, 4, True)])
def test_each_client_has_a_session(sessions: int | None, clients: int, possible: bool) -> None:
    assert (ExposedDay("a.example", DAY, sessions, clients).fault is None) is possible


@pytest.mark.parametrize(
    ("since", "first"),
    [("2026-11-01T00:00:00", 1), ("2026-11-01T00:00:00.001", 2), ("2026-11-01T23:59:59", 2)],
)
def test_the_day_on_which_the_pins_changed_was_partly_before(since: str, first: int) -> None:
    assert first_whole_day(datetime.fromisoformat(since).replace(tzinfo=UTC)) == date(2026, 11, first)
