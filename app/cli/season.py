"""Plays the season into a store; for ``hpkp demo``."""

from collections.abc import Iterator
from itertools import groupby

from app.cli.stage import Stage, take
from app.samples.crowd import Post
from app.samples.rollout import CarryPins, Mark, SendCanary
from app.samples.season import DAYS, Assess, Counted, LookAt, Publish, Season, Tell, Timed
from app.service import Service
from app.wiring import DirectIntake

_ALERTED = 30
"""For so many days, up to the end, the service looked for what to alert of."""


def play_season(service: Service, season: Season) -> Iterator[int]:
    """Play a season day by day; give the number of each day when it is over."""
    intake = DirectIntake(service)
    stages = {part.host: Stage(service, part.host, season.until) for part in season.parts}
    for day, acts in enumerate(season.acts()):
        for posted, together in groupby(acts, lambda timed: isinstance(timed.act, Post)):
            if posted:
                take(intake, [timed.act for timed in together if isinstance(timed.act, Post)])
            else:
                for timed in together:
                    _act(stages[timed.host], timed)
        if acts and day >= DAYS - _ALERTED:
            service.alerts.update(at=acts[-1].at)
        yield day
    for host in stages:
        service.readiness.record(host, at=season.until)


def _act(stage: Stage, timed: Timed) -> None:
    stage.moment = timed.at
    match timed.act:
        case Publish(policy):
            stage.publish(policy)
        case LookAt(chains, header):
            stage.look_at(chains, header=header)
        case Counted(exposed):
            stage.count(exposed)
        case CarryPins():
            stage.carry_pins(timed.act)
        case SendCanary(arrives):
            stage.send_canary(arrives=arrives)
        case Mark(cause, status, note):
            stage.mark(cause, status, note)
        case Tell(kind, text):
            stage.tell(kind, text)
        case Assess():
            stage.service.readiness.record(stage.host, at=stage.moment)
