"""Exposure: what adds up, what does not, of whom a share is told, and that a missing day is unknown."""

from datetime import UTC, date, datetime

import pytest

from app.hpkp.exposure import ExposedDay, Exposure, Population, Unit, add_up, first_whole_day

SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 4, 1, tzinfo=UTC)


def _day(number: int, sessions: int | None, clients: int | None = None, app: str = "", version: str = "") -> ExposedDay:
    return ExposedDay("a.example", date(2026, 11, number), sessions, clients, app, version)


def test_sessions_add_up_and_clients_are_those_of_the_busiest_day() -> None:
    found = add_up([_day(1, 100, 60), _day(2, 200, 50), _day(5, 9, 9)], since=SINCE, until=UNTIL)
    assert found == Exposure(days=4, days_known=2, site_sessions=300, site_clients=60)
    assert (found.sessions, found.smaller) == (300, Population(60, Unit.CLIENTS))


def test_installs_of_an_app_are_the_same_day_after_day_and_add_up_over_versions() -> None:
    days = [_day(n, None, 40, "shop", version) for n in (1, 2, 3) for version in ("1", "2")]
    found = add_up(days, since=SINCE, until=UNTIL)
    assert found == Exposure(4, 3, installs=80)
    assert (found.sessions, found.smaller, found.apps_only) == (80, Population(80, Unit.INSTALLS), True)


def test_what_is_not_known_is_not_zero() -> None:
    nothing = add_up([], since=SINCE, until=UNTIL)
    assert (nothing.days_known, nothing.sessions, nothing.smaller, nothing.apps_only) == (0, None, None, False)
    assert add_up([_day(1, 0)], since=SINCE, until=UNTIL).sessions == 0


def test_where_clients_were_not_counted_shares_are_of_sessions() -> None:
    assert add_up([_day(1, 100)], since=SINCE, until=UNTIL).smaller == Population(100, Unit.SESSIONS)


@pytest.mark.parametrize(
    ("clients", "installs", "of"),
    [(1000, 10, "10 installs"), (10, 1000, "10 clients"), (0, 1010, "1010 installs"), (1010, 0, "1010 clients")],
)
def test_of_site_and_apps_together_a_share_is_of_the_smaller(clients: int, installs: int, of: str) -> None:
    found = add_up([_day(1, None, clients), _day(1, None, installs, "shop")], since=SINCE, until=UNTIL)
    assert (found.sessions, str(found.smaller), found.apps_only) == (1010, of, False)


@pytest.mark.parametrize(
    ("since", "first"),
    [("2026-11-01T00:00:00", 1), ("2026-11-01T00:00:00.001", 2), ("2026-11-01T23:59:59", 2)],
)
def test_the_day_on_which_the_pins_changed_was_partly_before(since: str, first: int) -> None:
    moment = datetime.fromisoformat(since).replace(tzinfo=UTC)
    assert first_whole_day(moment) == date(2026, 11, first)
    counted = add_up([_day(1, 5, 5), _day(2, 7, 7)], since=moment, until=UNTIL)
    assert counted.days == counted.days_known + 2 == 5 - first
    assert counted.sessions == (12 if first == 1 else 7)


def test_on_that_day_itself_nothing_is_known() -> None:
    since = datetime(2026, 11, 3, 12, tzinfo=UTC)
    assert add_up([_day(3, 100, 60)], since=since, until=since) == Exposure(0, 0)


@pytest.mark.parametrize(
    ("sessions", "clients", "can_be"), [(5, 5, True), (4, 5, False), (None, 5, True), (5, None, True)]
)
def test_a_client_has_a_session_at_least(sessions: int | None, clients: int | None, can_be: bool) -> None:
    assert (_day(1, sessions, clients).fault is None) is can_be
