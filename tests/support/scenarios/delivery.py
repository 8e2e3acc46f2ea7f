"""How often is the verdict `ready` though too many clients are locked out, by the rate with which clients report.

::

    python -m tests.support.scenarios.delivery --rollouts 2000

In each rollout the true share of locked-out clients lies just over the limit. Every client, of the control share and of
those that would be locked out, reports with the same probability. The verdict is that of the real rules. Beside it
stands how often a host of which nobody is locked out is called ready, for a verdict that never is would be useless.
"""

import argparse
import functools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from app.hpkp.audience import SITE
from app.hpkp.clients import ClientCount
from app.hpkp.control import Control, ControlCount
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.hpkp.readiness import (
    CanaryStatus,
    Evidence,
    LockoutGroup,
    Observations,
    ReadinessInput,
    Thresholds,
    Verdict,
    assess_readiness,
)
from tests.hpkp.test_readiness import live_host, observed
from tests.support.authority import NOW

RATES = (1.0, 0.5, 0.3, 0.0)
CLIENTS = (4_000, 12_000, 40_000)
"""Enough for a bound under the limit only if all report, enough for most rates, and many."""
CONTROL_SHARES = (0.01, 0.05, 0.25)
OVER_LIMIT = 1.001
"""Of the limit: the nearest of the shares that must not be called ready is the hardest."""
LARGEST_ERROR = 0.05
"""Share of rollouts that may be called ready: that which the confidence of the bounds leaves."""
SEED = 7469

_LIVE, _BACKUP = Pin(b"\1" * 32), Pin(b"\2" * 32)
_POLICY = PinningPolicy(
    Host("www.example.com"),
    (ExpectedPin(_LIVE), ExpectedPin(_BACKUP)),
    report_uri="https://reports.example.net/report",
    max_age=300,
    effective_from=NOW - timedelta(days=30),
)
_LIVE_HOST = live_host(_LIVE, policy=_POLICY)


@dataclass(frozen=True, slots=True)
class World:
    """What is true and nobody sees: the delivery rate, and the share of clients that would be locked out."""

    rate: float
    locked_out: float
    clients: int
    control_share: float


def verdict_of(world: World, dice: random.Random) -> Verdict:
    """Play a rollout and return the verdict at its end.

    The count of clients alone speaks of the mistake: as an open violation it would block whatever the bounds are.
    Clients in the control share cannot report it.
    """
    received = round(world.clients * world.control_share)
    reported = _draw(world.clients - received, world.locked_out * world.rate, dice)
    delivered = _draw(received, world.rate, dice)
    evidence = Evidence(
        reports=reported,
        clients={SITE: {LockoutGroup.OPERATOR: ClientCount.exact(reported)}},
        observed=_observe(world.clients, received),
        live=_LIVE_HOST,
        canary=CanaryStatus(received_at=NOW - timedelta(hours=1)),
        control=Control((ControlCount(NOW.date(), received, ClientCount.exact(delivered)),), delivered),
    )
    return assess_readiness(ReadinessInput(_POLICY, evidence, NOW)).verdict


@functools.cache
def _observe(clients: int, control: int) -> Observations:
    """Return the same numbers for every day."""
    seen = observed(clients=clients)
    return replace(seen, control={day.day: control for day in seen.exposure})


def _draw(of: int, share: float, dice: random.Random) -> int:
    """Draw how many of so many; by each, because Python 3.11 has no binomial variate."""
    if share in (0.0, 1.0):
        return round(of * share)
    return sum(dice.random() < share for _ in range(of))


def worlds(rate: float, *, locked_out: float) -> Iterator[World]:
    """Yield the worlds of a rate, with populations and control shares of all sizes."""
    for clients in CLIENTS:
        for control_share in CONTROL_SHARES:
            yield World(rate, locked_out, clients, control_share)


def count_ready(world: World, *, rollouts: int, seed: int = SEED) -> int:
    """Count the rollouts of a world that end with `ready`."""
    dice = random.Random(f"{seed} {world}")
    return sum(verdict_of(world, dice) is Verdict.READY for _ in range(rollouts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each world; 1 if any is called ready too often."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rollouts", type=int, default=2000, help="Rollouts of each world.")
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    over = Thresholds().lockout_share * OVER_LIMIT
    failed = False
    print(  # noqa: T201
        "delivery  clients  control  wrongly ready  ready if nobody is locked out (a tenth of the rollouts)"
    )
    for rate in RATES:
        for world in worlds(rate, locked_out=over):
            wrong = count_ready(world, rollouts=chosen.rollouts, seed=chosen.seed) / chosen.rollouts
            some = max(chosen.rollouts // 10, 1)
            right = count_ready(replace(world, locked_out=0.0), rollouts=some, seed=chosen.seed) / some
            failed = failed or wrong > LARGEST_ERROR
            received = round(world.clients * world.control_share)
            print(  # noqa: T201
                f"{rate:8.1f}  {world.clients:7}  {received:7}  {wrong:13.2%}  {right:.1%}", flush=True
            )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
