"""Random worlds, each the same for the same number."""

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from tests.support.differential.clients import Connection, connect, reports
from tests.support.differential.situations import Scene, Situation
from tests.support.differential.world import (
    NOW,
    YEAR,
    Calendar,
    Client,
    Family,
    Forgery,
    Knowledge,
    Policies,
    Store,
    World,
)

EXAMPLE_PIN = "A" * 43 + "="
"""A pin that texts give as an example; the collector knows it as that."""

_FORGED = 0.12
_UNTRUSTED = 0.45
_ATTEMPTS = 2000
_ALWAYS_ENFORCING = (Family.GO, Family.PROTON_BRIDGE, Family.PROTON_VPN)
_TRUSTKIT = (Family.TRUSTKIT_APPLE, Family.TRUSTKIT_ANDROID)


class Knows(Enum):
    """Which pins a client knows."""

    CURRENT = auto()
    PREVIOUS = auto()
    FUTURE = auto()
    CURRENT_AND_PREVIOUS = auto()
    FOREIGN = auto()
    EXAMPLE = auto()


@dataclass(frozen=True, slots=True)
class _Plan:
    """Drawn once per world, so that senders and pins that rarely lead to a report are as frequent as others."""

    forged: bool
    family: Family
    knows: Knows
    untrusted: bool
    """Whether the client does not trust what it is served; only TrustKit reports that."""


def make_world(number: int) -> tuple[World, Connection]:
    """Make the world of a number: one in which the client reports, or the report is forged."""
    choice = random.Random(number)
    plan = _draw_plan(choice)
    for _ in range(_ATTEMPTS):
        world = _forged(number, plan, choice) if plan.forged else _honest(number, plan, choice)
        connection = connect(world, choice)
        if plan.forged or (reports(world.client, connection) and connection.trusted is not plan.untrusted):
            return world, connection
    raise AssertionError(f"world {number}: no client reports: {plan}")


def _draw_plan(choice: random.Random) -> _Plan:
    forged = choice.random() < _FORGED
    family = choice.choice((*Family, *_TRUSTKIT))
    knows = Knows.CURRENT if forged else choice.choices(list(Knows), (58, 18, 6, 6, 8, 4))[0]
    return _Plan(forged, family, knows, family in _TRUSTKIT and choice.random() < _UNTRUSTED)


def _honest(number: int, plan: _Plan, choice: random.Random) -> World:
    scene = Scene(choice)
    situation = scene.draw()
    policies = _draw_policies(scene, plan)
    client = _draw_client(scene, plan, situation, policies)
    return World(number, situation.summary, situation.served, client, policies, _knowledge(scene), situation.broken)


def _forged(number: int, plan: _Plan, choice: random.Random) -> World:
    """Draw a report that no client can have sent: no client validates the path that it states."""
    scene = Scene(choice)
    # The bridge may compare pins alone, and then reports any chain.
    chain = scene.broken_chain(for_forgery=plan.family is not Family.PROTON_BRIDGE)
    situation = Situation(f"forged: {chain.how}", chain.served)
    policies = _draw_policies(scene, plan)
    client = _draw_client(scene, plan, situation, policies)
    forgery = Forgery(chain.how, chain.validated)
    broken = not chain.links_valid
    return World(number, situation.summary, situation.served, client, policies, _knowledge(scene), broken, forgery)


def _draw_policies(scene: Scene, plan: _Plan) -> Policies:
    """Draw the keys of the site's hierarchy that the operator pins, pinned before, and will pin."""
    choice, keys = scene.choice, [scene.site_key, *(certificate.key for certificate in scene.site.certificates)]
    keys += [root.key for root in scene.site.roots]
    on_paths = list(dict.fromkeys(key.pin for key in keys))
    backup = scene.maker.key().pin

    def draw() -> frozenset[str]:
        count = choice.choice((0, 1, 1, 1, 2))
        return frozenset((*choice.sample(on_paths, min(count, len(on_paths))), backup, scene.maker.key().pin))

    had_previous = scene.chance(0.5) or plan.knows in (Knows.PREVIOUS, Knows.CURRENT_AND_PREVIOUS)
    will_be = scene.chance(0.2) or plan.knows is Knows.FUTURE
    return Policies(
        current=draw(),
        previous=draw() if had_previous else frozenset(),
        future=draw() if will_be else frozenset(),
        own_keys=frozenset(key.pin for key in (scene.site_key, scene.stray_key) if scene.chance(0.6)),
        withdrawn=scene.chance(0.03),
    )


def _known_pins(scene: Scene, plan: _Plan, policies: Policies) -> tuple[str, ...]:
    foreign = scene.maker.key().pin, scene.maker.key().pin
    known = {
        Knows.CURRENT: policies.current,
        Knows.PREVIOUS: policies.previous,
        Knows.FUTURE: policies.future,
        Knows.CURRENT_AND_PREVIOUS: policies.current | policies.previous,
        Knows.FOREIGN: frozenset(foreign),
        Knows.EXAMPLE: frozenset((EXAMPLE_PIN, foreign[0])),
    }
    return tuple(sorted(known[plan.knows]))


def _draw_client(scene: Scene, plan: _Plan, situation: Situation, policies: Policies) -> Client:
    chance, choice, family = scene.chance, scene.choice, plan.family
    android, apple = family is Family.TRUSTKIT_ANDROID, family is Family.TRUSTKIT_APPLE
    right_clock = plan.forged or not chance(0.07)
    return Client(
        family=family,
        store=_draw_store(scene, situation),
        clock=NOW if right_clock else NOW + choice.choice((-3, -1, 1, 4)) * YEAR,
        enforcing=family in _ALWAYS_ENFORCING or chance(0.5),
        known_pins=_known_pins(scene, plan, policies),
        cached=situation.cached,
        pin_only=family in (Family.GO, Family.PROTON_BRIDGE) and chance(0.3) and not plan.forged,
        system_checks_pins=android and chance(0.6),
        on_macos=apple and chance(0.25),
        validates_to_report=chance(0.7) or plan.forged,
        zone=timedelta(hours=choice.choice((-11, -5, 0, 0, 3, 9))) if android else timedelta(),
        calendar=choice.choice(list(Calendar)) if apple and right_clock and chance(0.08) else Calendar.GREGORIAN,
    )


def _draw_store(scene: Scene, situation: Situation) -> Store:
    """Draw a device: most public roots, some of those that left, perhaps an intermediate; and what was installed."""
    chance, roots = scene.chance, scene.roots
    shipped = [root for root in roots.of(*roots.public) if not chance(0.12)]
    shipped += [root for root in roots.of(*roots.former) if chance(0.4)]
    shipped += [root for root in roots.of(roots.elsewhere) if chance(0.4)]
    if chance(0.06):
        shipped += scene.choice.sample(scene.site.steps, 1)
    installed = [*situation.installed, *(root for root in roots.of(roots.operator) if chance(0.5))]
    return Store(tuple(shipped), tuple(installed))


def _knowledge(scene: Scene) -> Knowledge:
    known = tuple(certificate for certificate in scene.site.certificates if scene.chance(0.25))
    of, roots = scene.roots.of, scene.roots
    return Knowledge(of(*roots.public), of(*roots.former), of(roots.operator), known, frozenset({scene.leaked.key.pin}))
