"""The season that ``hpkp demo`` plays: in order, up to its end, and the same for the same seed."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from app.samples.crowd import Post
from app.samples.season import DAYS, Season, Timed, first_midnight
from app.samples.season_hosts import make_season

UNTIL = datetime(2026, 6, 3, 14, 30, tzinfo=UTC)


def _acts(season: Season) -> list[Timed]:
    return [timed for day in season.acts() for timed in day]


def _posts(acts: list[Timed]) -> Counter[tuple[datetime, str]]:
    return Counter((timed.at, timed.act.address) for timed in acts if isinstance(timed.act, Post))


def test_the_acts_come_in_order_up_to_the_end_and_are_the_same_for_the_same_seed() -> None:
    season = make_season(at=UNTIL, seed=1)
    acts = _acts(season)
    moments = [timed.at for timed in acts]
    assert moments == sorted(moments)
    assert first_midnight(UNTIL) == moments[0]
    assert moments[-1] <= UNTIL
    assert len({moment.date() for moment in moments}) == DAYS
    assert _posts(acts) == _posts(_acts(season))
    assert _posts(acts) != _posts(_acts(replace(season, seed=2)))
