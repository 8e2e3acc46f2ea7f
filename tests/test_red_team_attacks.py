"""Situations of one rollout after another: forgeries, which one decision ends, and real clients, who always count.

No situation may end in a false `ready`, and no forgery in a block that one decision does not end.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.demo.rollout import Act, CarryPins, Expose, Keys, Send, SetPolicy
from app.demo.scenarios import routine
from app.hpkp.pins import Pin
from app.hpkp.report import Sender
from tests.support.red_team import RedTeam, red_team
from tests.test_scenarios import HOST

APPS = (
    Sender.TRUSTKIT_APPLE,
    Sender.TRUSTKIT_ANDROID,
    Sender.PROTON_BRIDGE,
    Sender.PROTON_VPN,
    Sender.REACT_NATIVE,
)
BROWSERS = (Sender.CHROMIUM, Sender.GO_HPKP, Sender.REPORTING_API)
SENDERS = (*BROWSERS, *APPS)
TELLS_MODE = (Sender.CHROMIUM, Sender.TRUSTKIT_APPLE, Sender.TRUSTKIT_ANDROID, Sender.REACT_NATIVE)
"""Senders whose reports say whether the pins are enforced."""
APP = "com.example.shop"


def _with_app() -> Iterator[Act]:
    """Do what a careful operator of a site and an app does every day."""
    yield from routine()
    yield Expose(None, 5000, app=APP)


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedTeam]:
    """Return a rollout that is `ready` for a site and an app, whose operator has a key that is not pinned."""

    def policy(keys: Keys) -> SetPolicy:
        return SetPolicy((keys.leaf[0].pin, keys.backup), own_keys=(keys.renewed[0].pin,))

    def daily() -> Iterable[Act]:
        return _with_app()

    with red_team(tmp_path, monkeypatch, policy=policy, days=0, daily=daily) as team:
        team.play(CarryPins(APP))
        team.next_day(15)
        assert team.decisive() == ("ready", set())
        yield team


MakeSend = Callable[[Keys, tuple[Pin, ...]], Send]
"""What is reported, with these known pins."""


def _own_key(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Meet a certificate of an own key that is not pinned; anybody can take it from a public log."""
    return Send(keys.renewed, (*keys.renewed, keys.old_root), known, 1)


def _nothing(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Report no chain."""
    return Send((), (), known, 1)


def _proxy(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Meet a proxy that intercepts."""
    return Send(keys.proxied, (*keys.proxied, keys.proxy_root), known, 1)


def _portal(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Meet a captive portal, whose certificate is for another name."""
    return Send(keys.portal, (*keys.portal, keys.new_root), known, 1)


def _public_ca(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Meet a key that nobody knows in a certificate that a public CA did issue."""
    return Send(keys.misissued, (*keys.misissued, keys.new_root), known, 1)


def _made_up_path(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Claim a path from a key that nobody knows to a public root that never signed it."""
    return Send(keys.proxied, (*keys.proxied, keys.old_root), known, 1)


def _other_intermediate(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Claim our leaf under a root that did not issue it."""
    return Send(keys.leaf, (keys.leaf[0], keys.proxy_root), known, 1)


def _matching(keys: Keys, known: tuple[Pin, ...]) -> Send:
    """Report the chain that is served, which the expected pins match."""
    return Send(keys.leaf, (*keys.leaf, keys.old_root), known, 1)


@dataclass(frozen=True, slots=True)
class Forgery:
    """What one sender on one network makes up, in one variation after another."""

    name: str
    make: MakeSend
    sender: Sender
    clients: int = 3
    enforced: bool = False
    trusted: bool = True

    def send(self, keys: Keys, variation: int) -> Send:
        """Return a variation like no other."""
        known = keys.leaf[0].pin, keys.backup, Pin(variation.to_bytes(32, "big"))
        return replace(
            self.make(keys, known), sender=self.sender, clients=self.clients, enforced=self.enforced,
            trusted=self.trusted, forged=True,
        )  # fmt: skip


FORGERIES = (
    *(Forgery("own key", _own_key, sender) for sender in SENDERS),
    *(Forgery("own key of an enforcing client", _own_key, sender, enforced=True) for sender in SENDERS),
    *(Forgery("no chain, of many installs", _nothing, sender, clients=60) for sender in SENDERS),
    *(Forgery("interception, of many installs", _proxy, sender, clients=60) for sender in SENDERS),
    *(Forgery("a captive portal", _portal, sender, trusted=False) for sender in APPS[:2]),
    *(Forgery("a path that was never signed", _made_up_path, sender) for sender in SENDERS),
    *(Forgery("our leaf on a path of its own", _other_intermediate, sender) for sender in SENDERS),
    *(Forgery("the chain that is served", _matching, sender, clients=60) for sender in SENDERS),
)


def _counting(team: RedTeam) -> set[int]:
    return {found["id"] for found in team.get("/violations", host=HOST, limit="500")["items"] if found["counts"]}


@pytest.mark.parametrize("name", dict.fromkeys(forgery.name for forgery in FORGERIES))
def test_one_decision_ends_a_forgery_and_its_variations(team: RedTeam, name: str) -> None:
    for number, forgery in enumerate(one for one in FORGERIES if one.name == name):
        before = _counting(team)
        team.play(forgery.send(team.keys, 10 * number + 1))
        new = _counting(team) - before
        assert new or team.verdict() == "ready", forgery
        if new:  # decide at once, also on what holds nothing back by itself: it would add up with what comes
            team.set_status(max(new), "ignored")  # more than one if all together have outgrown the decision before
        assert team.decisive() == ("ready", set()), forgery
        for variation in (2, 3):
            team.later(minutes=2)
            team.play(forgery.send(team.keys, 10 * number + variation))
            assert team.decisive() == ("ready", set()), forgery
    team.next_day()
    assert team.decisive() == ("ready", set())


@dataclass(frozen=True, slots=True)
class Lockout:
    """What real clients on networks of their own report; enforcing would lock them out, or they may be attacked."""

    name: str
    make: MakeSend
    sender: Sender
    clients: int
    code: str
    """A finding that has to decide."""
    ends: str = "resolved"
    """The decision that ends it once it is mended."""
    enforced: bool = False


LOCKOUTS = (
    *(Lockout("own key", _own_key, sender, 8, "open_own_key_not_pinned") for sender in SENDERS),
    *(
        Lockout("own key, enforced", _own_key, sender, 8, "locked_out_now", enforced=True)
        for sender in SENDERS
        if sender in TELLS_MODE
    ),
    *(
        Lockout("a key that a public CA vouches for", _public_ca, sender, 1, "open_unknown_key_public_ca", "expected")
        for sender in SENDERS
        if sender is not Sender.REACT_NATIVE  # on Android it sends pins in place of certificates
    ),
    *(
        Lockout(
            "interception of an app",
            _proxy,
            sender,
            60,
            # Of TrustKit for Android it is not known whether the chain would be trusted without the pins.
            "unknown_share_over_limit" if sender is Sender.TRUSTKIT_ANDROID else "interception_share_over_limit",
            "expected",
        )
        for sender in APPS
        if sender is not Sender.REACT_NATIVE
    ),
    *(Lockout("no chain", _nothing, sender, 60, "unknown_share_over_limit", "expected") for sender in BROWSERS),
)


@pytest.mark.parametrize("name", dict.fromkeys(lockout.name for lockout in LOCKOUTS))
def test_what_real_clients_report_always_counts_until_it_is_mended(team: RedTeam, name: str) -> None:
    for lockout in (one for one in LOCKOUTS if one.name == name):
        before = _counting(team)
        known = team.keys.leaf[0].pin, team.keys.backup
        team.play(
            replace(
                lockout.make(team.keys, known), sender=lockout.sender, clients=lockout.clients,
                enforced=lockout.enforced,
            )
        )  # fmt: skip
        verdict, codes = team.decisive()
        assert verdict != "ready", lockout
        assert lockout.code in codes, lockout
        (violation,) = _counting(team) - before
        team.later(minutes=1)
        team.set_status(violation, lockout.ends)
        assert team.decisive() == ("ready", set()), lockout
        team.later(minutes=1)
    assert team.decisive() == ("ready", set())


def test_an_ignored_forgery_mutes_no_real_client_of_the_same_kind(team: RedTeam) -> None:
    team.play(Forgery("own key", _own_key, Sender.CHROMIUM).send(team.keys, 1))
    (violation,) = _counting(team)
    team.set_status(violation, "ignored")
    assert team.decisive() == ("ready", set())
    team.play(replace(_own_key(team.keys, (team.keys.leaf[0].pin, team.keys.backup)), clients=1))
    verdict, codes = team.decisive()
    assert (verdict, codes >= {"open_own_key_not_pinned"}) == ("not_ready", True), "a single client elsewhere counts"


def test_there_are_at_least_sixty_situations() -> None:
    assert len(FORGERIES) + len(LOCKOUTS) >= 60
    assert len({(one.name, one.sender) for one in FORGERIES}) == len(FORGERIES)
    assert len({(one.name, one.sender) for one in LOCKOUTS}) == len(LOCKOUTS)
