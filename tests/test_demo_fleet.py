"""The demo fleet that ``hpkp demo`` plays: in order, up to its end, and the same for the same seed."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from app.demo.client_population import Post
from app.demo.demo_fleet import DAYS, DemoFleet, Timed, first_midnight
from app.demo.demo_fleet_hosts import make_demo_fleet

UNTIL = datetime(2026, 6, 3, 14, 30, tzinfo=UTC)


def _acts(fleet: DemoFleet) -> list[Timed]:
    return [timed for day in fleet.acts() for timed in day]


def _posts(acts: list[Timed]) -> Counter[tuple[datetime, str]]:
    return Counter((timed.at, timed.act.address) for timed in acts if isinstance(timed.act, Post))


def test_the_acts_come_in_order_up_to_the_end_and_are_the_same_for_the_same_seed() -> None:
    fleet = make_demo_fleet(at=UNTIL, seed=1)
    acts = _acts(fleet)
    moments = [timed.at for timed in acts]
    assert moments == sorted(moments)
    assert first_midnight(UNTIL) == moments[0]
    assert moments[-1] <= UNTIL
    assert len({moment.date() for moment in moments}) == DAYS
    assert _posts(acts) == _posts(_acts(fleet))
    assert _posts(acts) != _posts(_acts(replace(fleet, seed=2)))
