"""Exposure: what adds up, what does not, and that a missing day is unknown."""

from datetime import UTC, date, datetime

from app.hpkp.exposure import ExposedDay, Exposure, add_up

SINCE, UNTIL = datetime(2026, 11, 1, 12, tzinfo=UTC), datetime(2026, 11, 4, 1, tzinfo=UTC)


def _day(number: int, sessions: int | None, clients: int | None = None, app: str = "", version: str = "") -> ExposedDay:
    return ExposedDay("a.example", date(2026, 11, number), sessions, clients, app, version)


def test_sessions_add_up_and_clients_are_those_of_the_busiest_day() -> None:
    found = add_up([_day(1, 100, 60), _day(2, 200, 50), _day(5, 9, 9)], since=SINCE, until=UNTIL)
    assert found == Exposure(days=4, days_known=2, sessions=300, clients=60)
    assert (found.basis, found.unit) == (60, "clients")


def test_installs_of_an_app_are_the_same_day_after_day_and_add_up_over_versions() -> None:
    days = [_day(n, None, 40, "shop", version) for n in (1, 2, 3) for version in ("1", "2")]
    assert add_up(days, since=SINCE, until=UNTIL) == Exposure(4, 3, sessions=80, clients=80, apps_only=True)


def test_what_is_not_known_is_not_zero() -> None:
    nothing = add_up([], since=SINCE, until=UNTIL)
    assert (nothing.days_known, nothing.sessions, nothing.basis) == (0, None, None)
    assert add_up([_day(1, 0)], since=SINCE, until=UNTIL).sessions == 0


def test_where_clients_were_not_counted_shares_are_of_sessions() -> None:
    found = add_up([_day(1, 100)], since=SINCE, until=UNTIL)
    assert (found.basis, found.unit) == (100, "sessions")
