"""With a delivery rate that is measured, too large a share of locked-out clients is hardly ever called ready."""

from math import sqrt

import pytest

from app.hpkp.confidence_bound import upper_share
from app.hpkp.readiness import Thresholds
from tests.support.scenarios.delivery import LARGEST_ERROR, OVER_LIMIT, RATES, World, count_ready, worlds

ROLLOUTS = 100
TOO_MANY = ROLLOUTS * LARGEST_ERROR + 4 * sqrt(ROLLOUTS * LARGEST_ERROR * (1 - LARGEST_ERROR))
"""Four standard deviations over the stated share: 2,000 rollouts (see the module) come nearer."""
OVER = Thresholds().lockout_share * OVER_LIMIT


@pytest.mark.parametrize("rate", RATES)
def test_a_share_over_the_limit_is_called_ready_in_five_percent_of_rollouts_at_most(rate: float) -> None:
    for world in worlds(rate, locked_out=OVER):
        assert count_ready(world, rollouts=ROLLOUTS) <= TOO_MANY, world


def test_who_never_reports_is_never_called_ready_however_many_they_are() -> None:
    for locked_out in (0.0, OVER):
        assert count_ready(World(0.0, locked_out, 10_000_000, 0.05), rollouts=20) == 0


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate])
def test_with_enough_clients_ready_is_reached(rate: float) -> None:
    assert count_ready(World(rate, 0.0, 40_000, 0.05), rollouts=20) == 20


def test_the_simulation_finds_out_if_the_bound_is_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(0.3, OVER, 12_000, 0.05)
    assert count_ready(world, rollouts=ROLLOUTS) <= TOO_MANY
    for module in ("headline", "violation_rules"):
        monkeypatch.setattr(
            f"app.hpkp.readiness.{module}.upper_share_of_all", lambda met, of, delivery: upper_share(met, of)
        )
    assert count_ready(world, rollouts=ROLLOUTS) > TOO_MANY
