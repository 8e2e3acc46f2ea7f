"""Whole rollouts with a known right answer for every day: the verdict, and all that stands in its way.

A story begins with the policy on day 0 at 06:00; its acts take place at noon, and the question is asked at 18:00 (UTC).
``right`` names exactly the findings that block or withhold; ``mentions`` some that only tell.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, Platform
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import Mode
from app.hpkp.readiness import Verdict
from app.hpkp.report import Sender
from app.samples.rollout import (
    Act,
    AddControl,
    CarryPins,
    Chain,
    CountInstalls,
    Expose,
    ExposeControl,
    Keys,
    Look,
    Mark,
    Register,
    Retire,
    Send,
    SendCanary,
    Serve,
    SetPolicy,
)

EXAMPLE_PIN = parse_pin("d6qzRu9zOECb90Uez27xWltNsj0e1Md7GkYYkVoZWmM=")
"""The first pin of the examples in RFC 7469 section 2.1.5."""

KNOWN_BAD_PIN = parse_pin("sPzOeMFmTik1RMFD49Jon3I/W25jFxB+Fj0iuoBpeUo=")
"""blocked-interception.badssl.com (test): its private key is public."""

CONTROL_PINS = tuple(Pin(hashlib.sha256(f"control {number}".encode()).digest()) for number in (1, 2))
"""The same in every rollout, so that it is played alike."""

Right = tuple[Verdict, frozenset[str]]
_DAY = 86_400
_APP = "com.example.shop"


@dataclass(frozen=True, slots=True)
class Story:
    """A rollout. ``day0`` comes before the acts of day 0."""

    name: str
    about: str
    day0: Callable[[Keys], SetPolicy]
    acts: Callable[[Keys, int], Iterator[Act]]
    right: Callable[[int], Right]
    days: int = 18
    mentions: frozenset[str] = frozenset()


def routine(*, sessions: int = 4000, clients: int | None = 4000) -> Iterator[Act]:
    """Do what a careful operator does every day."""
    yield Look()
    yield SendCanary()
    yield Expose(sessions, clients)


def _waiting(day: int, *, since: int = 0, needed: int = 14) -> frozenset[str]:
    """Name what is missing this number of days after a revision took effect.

    The day itself was partly before, and today is not over: the first evening with a covered day is that after next.
    """
    return frozenset({"too_few_covered_days"} if day - since - 1 < needed else ())


def _answer(withholding: frozenset[str], *blocking: str) -> Right:
    if blocking:
        return Verdict.NOT_READY, withholding | set(blocking)
    return (Verdict.NOT_ENOUGH_DATA if withholding else Verdict.READY), withholding


def _pins(keys: Keys) -> tuple[Pin, ...]:
    return keys.leaf[0].pin, keys.backup


def _root_pins(keys: Keys) -> tuple[Pin, ...]:
    return keys.old_root.pin, keys.backup


def _seen(chain: Chain, anchor: Chain) -> Chain:
    return (*chain, *anchor)


def _quiet(keys: Keys, day: int) -> Iterator[Act]:
    if day == 0:
        yield Serve(keys.leaf)
    yield from routine()


def _app(day: int, installs: int, *, since: int = 0) -> Iterator[Act]:
    """Let an app carry the pins, and count its installs every day."""
    if day == since:
        yield CarryPins(_APP)
    if day >= since:
        yield Expose(None, installs, app=_APP)


def _renewal(keys: Keys, day: int) -> Iterator[Act]:
    yield Serve(keys.renewed if day >= 8 else keys.leaf)
    if day == 12:
        yield SetPolicy((*_pins(keys), keys.renewed[0].pin))
    yield from routine()
    if 8 <= day < 12:
        yield Send(keys.renewed, _seen(keys.renewed, (keys.old_root,)), _pins(keys), clients=15)


def _renewal_right(day: int) -> Right:
    if day < 8:
        return _answer(_waiting(day))
    if day < 12:
        blocking = "no_pin_in_live_chain", "open_own_key_not_pinned", "lockout_share_over_limit"
        return _answer(_waiting(day), *blocking)
    return _answer(_waiting(day, since=12))


def _cross(keys: Keys, day: int) -> Iterator[Act]:
    yield from _quiet(keys, day)
    if day >= 3:
        path = (keys.leaf[0], keys.cross, keys.new_root)
        yield Send(_seen(keys.leaf, (keys.old_root,)), path, _root_pins(keys), clients=9)


def _cross_right(day: int) -> Right:
    blocking = ("open_other_trust_path", "lockout_share_over_limit") if day >= 3 else ()
    return _answer(_waiting(day), *blocking)


def _rotation(keys: Keys, day: int) -> Iterator[Act]:
    yield Serve(keys.reissued if day >= 3 else keys.leaf)
    if day == 5:
        yield SetPolicy(_pins(keys))
    yield from routine()
    if 3 <= day < 5:
        known = keys.intermediate.pin, keys.backup
        yield Send(keys.reissued, _seen(keys.reissued, (keys.old_root,)), known, clients=40)


def _rotation_right(day: int) -> Right:
    if day < 3:
        return _answer(_waiting(day), "rests_on_rotating_ca")
    if day < 5:
        blocking = "no_pin_in_live_chain", "open_own_key_not_pinned", "lockout_share_over_limit"
        return _answer(_waiting(day), *blocking)
    return _answer(_waiting(day, since=5))


def _no_backup(keys: Keys, day: int) -> Iterator[Act]:
    if day == 2:
        yield SetPolicy((keys.leaf[0].pin, keys.old_root.pin))
    if day == 4:
        yield SetPolicy(_pins(keys))
    yield from _quiet(keys, day)


def _no_backup_right(day: int) -> Right:
    if day < 2:
        return _answer(_waiting(day), "fewer_than_two_pins")
    if day < 4:
        return _answer(_waiting(day, since=2), "no_backup_pin")
    return _answer(_waiting(day, since=4))


def _pasted(keys: Keys, day: int) -> Iterator[Act]:
    if day == 2:
        yield SetPolicy((keys.leaf[0].pin, keys.retired))
    if day == 4:
        yield SetPolicy((*_pins(keys), KNOWN_BAD_PIN))
    if day == 6:
        yield SetPolicy(_pins(keys))
    yield from _quiet(keys, day)


def _pasted_right(day: int) -> Right:
    if day < 2:
        missing = _waiting(day) | {"canary_missing", "report_uri_on_pinned_host"}
        return _answer(missing, "example_pin", "fewer_than_two_usable_pins")
    if day < 4:
        return _answer(_waiting(day, since=2), "fewer_than_two_usable_pins")
    if day < 6:
        return _answer(_waiting(day, since=4), "known_bad_key")
    return _answer(_waiting(day, since=6))


def _proxy(keys: Keys, day: int) -> Iterator[Act]:
    yield from _quiet(keys, day)
    yield from _app(day, 3000)
    if day in (4, 5):
        met = _seen(keys.proxied, (keys.proxy_root,))
        yield Send(keys.proxied, met, _pins(keys), clients=45, sender=Sender.TRUSTKIT_APPLE)
    if day == 15:
        yield Mark(Cause.PRIVATE_ROOT, "expected")


def _proxy_right(day: int) -> Right:
    return _answer(_waiting(day), *(["interception_share_over_limit"] if 4 <= day < 15 else []))


def _portals(keys: Keys, day: int) -> Iterator[Act]:
    yield from _quiet(keys, day)
    yield from _app(day, 4000)
    # A leaf of another name does not validate: browsers send nothing, apps say that they did not trust it.
    met = _seen(keys.portal, (keys.new_root,))
    yield Send(keys.portal, met, _pins(keys), clients=3, sender=Sender.TRUSTKIT_ANDROID, trusted=False)
    if day == 3:
        met = _seen(keys.proxied, (keys.proxy_root,))
        yield Send(keys.proxied, met, _pins(keys), clients=20, sender=Sender.TRUSTKIT_APPLE)


def _misissued(keys: Keys, day: int) -> Iterator[Act]:
    yield from _quiet(keys, day)
    if day in (8, 18):
        yield Send(keys.misissued, _seen(keys.misissued, (keys.new_root,)), _pins(keys), clients=5)
    if day in (16, 20):
        yield Mark(Cause.UNKNOWN_KEY_PUBLIC_CA, "resolved")


def _misissued_right(day: int) -> Right:
    return _answer(_waiting(day), *(["open_unknown_key_public_ca"] if 8 <= day < 16 or 18 <= day < 20 else []))


def _flood(keys: Keys, day: int) -> Iterator[Act]:
    """Let somebody forge reports: of a root that a browser is said to ship, and of an old certificate."""
    yield from _quiet(keys, day)
    old = keys.renewed
    if day >= 3:
        met = _seen(keys.proxied, (keys.proxy_root,))
        yield Send(keys.proxied, met, (*_pins(keys), Pin(bytes((day,)) * 32)), clients=100, forged=True)
    if day == 5:
        yield Mark(Cause.UNKNOWN_KEY_PUBLIC_CA, "ignored")
    if day >= 5:
        met = _seen(old, (keys.old_root,))
        for variation in (day, 100 + day):
            known = (*_pins(keys), Pin(bytes((variation,)) * 32))
            yield Send(old, met, known, 40, Sender.TRUSTKIT_APPLE, forged=True)
    if day == 7:
        yield Mark(Cause.OWN_KEY_NOT_PINNED, "ignored")


def _flood_right(day: int) -> Right:
    # The app that the forged reports name has no installs on record, so their share is unknown.
    own = ("open_own_key_not_pinned",) if 5 <= day < 7 else ()
    claimed = ("open_unknown_key_public_ca",) if 3 <= day < 5 else ()
    return _answer(_waiting(day), *own, *claimed)


def _dead(keys: Keys, day: int) -> Iterator[Act]:
    if day == 0:
        yield Serve(keys.leaf)
    yield Look()
    yield Expose(4000, 4000)
    yield SendCanary(arrives=not 6 <= day < 16)


def _dead_right(day: int) -> Right:
    gone = {"canary_too_old"} if 6 <= day < 16 else frozenset[str]()
    old = {"covered_days_too_old"} if 9 <= day < 17 else frozenset[str]()
    covered = min(day - 1, 5) + max(day - 16, 0)
    few = {"too_few_covered_days"} if covered < 14 else frozenset[str]()
    return _answer(frozenset(gone | old | few))


def _key_loss(keys: Keys, day: int) -> Iterator[Act]:
    yield Serve(keys.renewed if day >= 5 else keys.leaf)
    if day == 6:
        yield SetPolicy((keys.renewed[0].pin, keys.retired, keys.backup), Mode.ENFORCE, 2 * _DAY)
    yield from routine()
    if day == 5:
        met = _seen(keys.renewed, (keys.old_root,))
        yield Send(keys.renewed, met, (keys.leaf[0].pin, keys.reissued[1].pin), clients=50, enforced=True)


def _key_loss_right(day: int) -> Right:
    if day < 5:
        return _answer(_waiting(day, needed=2))
    if day < 6:
        blocking = "locked_out_now", "no_pin_in_live_chain", "open_own_key_not_pinned", "lockout_share_over_limit"
        return _answer(frozenset(), *blocking)
    waiting = _waiting(day, since=6, needed=2)
    return _answer(waiting, *(["remembered_pins_broken"] if day < 8 else []))


def _a_year(keys: Keys, day: int) -> Iterator[Act]:
    yield Serve(keys.renewed if day >= 4 else keys.leaf)
    if day == 6:
        yield SetPolicy((keys.renewed[0].pin, keys.backup), Mode.ENFORCE, 300)
    yield from routine()
    if day == 4:
        met = _seen(keys.renewed, (keys.old_root,))
        yield Send(keys.renewed, met, _pins(keys), clients=80, enforced=True)


def _a_year_right(day: int) -> Right:
    if day < 4:
        return _answer(_waiting(day, needed=365))
    if day < 6:
        blocking = "locked_out_now", "no_pin_in_live_chain", "open_own_key_not_pinned", "lockout_share_over_limit"
        return _answer(_waiting(day, needed=365), *blocking)
    return _answer(_waiting(day, since=6, needed=1), "remembered_pins_broken")


def _stale(keys: Keys, day: int) -> Iterator[Act]:
    yield Serve(keys.renewed if day >= 4 else keys.leaf)
    if day == 4:
        yield SetPolicy((keys.renewed[0].pin, keys.retired, keys.backup), Mode.ENFORCE, 7 * _DAY)
    yield from routine()
    if 4 <= day < 11:
        known = keys.leaf[0].pin, keys.reissued[1].pin
        yield Send(keys.renewed, _seen(keys.renewed, (keys.old_root,)), known, clients=4, enforced=True)
    if day == 11:  # the former max-age has passed
        yield Mark(Cause.STALE_KNOWN_PINS, "resolved")


def _stale_right(day: int) -> Right:
    if day < 4:
        return _answer(_waiting(day, needed=7))
    waiting = _waiting(day, since=4, needed=7)
    if day >= 11:
        return _answer(waiting)
    share = ["lockout_share_over_limit"] if day > 5 else []  # until then no day is covered
    return _answer(waiting, "locked_out_now", "remembered_pins_broken", "open_stale_known_pins", *share)


def _blind(keys: Keys, day: int) -> Iterator[Act]:
    if day == 0:
        yield Serve(keys.leaf)
    if day == 1 or day >= 16:
        yield Look()
    yield SendCanary()
    if day >= 16:
        yield Expose(90_000, 30_000)


def _blind_right(day: int) -> Right:
    unseen = "live_chain_not_seen" if day < 1 else "probe_too_old" if 3 <= day < 16 else ""
    return _answer(frozenset(filter(None, (unseen,))) | _waiting(day, since=16))


def _few(keys: Keys, day: int) -> Iterator[Act]:
    if day == 0:
        yield Serve(keys.leaf)
    yield from routine(sessions=4000, clients=2000)


def _few_right(day: int) -> Right:
    return _answer(_waiting(day) | ({"lockout_share_not_bounded"} if day >= 2 else frozenset()))


def _unreadable(keys: Keys, day: int) -> Iterator[Act]:
    yield from _quiet(keys, day)
    if day == 4:
        yield Send((), (), _pins(keys), clients=20)


def _unreadable_right(day: int) -> Right:
    return _answer(_waiting(day) | ({"unknown_share_over_limit"} if day >= 4 else frozenset()))


def _apps(keys: Keys, day: int) -> Iterator[Act]:
    if day == 0:
        yield Serve(keys.leaf)
    yield Look(header=False)
    yield SendCanary()
    yield from _app(day, 30_000, since=3)
    if day == 15:
        met = _seen(keys.proxied, (keys.proxy_root,))
        yield Send(keys.proxied, met, _pins(keys), clients=30, sender=Sender.TRUSTKIT_APPLE)


def _apps_right(day: int) -> Right:
    unserved = {"header_not_served"} if day < 3 else frozenset[str]()
    return _answer(_waiting(day, since=2) | unserved)


def _control(keys: Keys, day: int) -> Iterator[Act]:
    """Tell how many of 60 clients a day report control pins: none, all of them, and at the end a third."""
    if day == 2:
        yield AddControl(CONTROL_PINS)
    yield from _quiet(keys, day)
    if day >= 3:
        yield ExposeControl(60)
    if day >= 6:
        path = _seen(keys.leaf, (keys.old_root,))
        yield Send(keys.leaf, path, CONTROL_PINS, clients=20 if day >= 16 else 60)


def _control_right(day: int) -> Right:
    if 3 <= day < 6:
        return _answer(_waiting(day) | {"control_never_reported", "lockout_share_not_bounded"})
    # 0.075 % of 4,000 clients, divided by 0.95, is within the limit of 0.1 %; divided by 0.23 it is not.
    return _answer(_waiting(day) | ({"lockout_share_not_bounded"} if day >= 16 else frozenset()))


_OLD, _SILENT, _MIDDLE, _NEW = "1.0", "1.5", "2.0", "3.0"


def _release(version: str, mode: PinMode, *pins: Pin, form: Form = Form.TRUSTKIT_PLIST) -> Register:
    """Return an act that registers a release for iOS; only TrustKit reports."""
    uris = ("https://reports.example.net/report/ios",) if form is Form.TRUSTKIT_PLIST else ()
    entry = PinEntry("www.example.com", Scope.EXACT, mode, carry(pins), report_uris=uris)
    if form is Form.ATS:
        entry = PinEntry("www.example.com", Scope.EXACT, mode, leaf_pins=carry(pins))
    return Register(AppRelease(_APP, version, Platform.IOS, (PinLayer(form, (entry,)),)))


def _three_releases(keys: Keys, day: int) -> Iterator[Act]:
    """Rotate the key on day 6: 1.0 cannot report and has only the old one, 2.0 and 3.0 have both."""
    old, new = keys.leaf[0].pin, keys.renewed[0].pin
    if day == 0:
        yield _release(_OLD, PinMode.ENFORCE, old, keys.retired, form=Form.ATS)
        yield _release(_SILENT, PinMode.MONITOR, old, keys.retired)
        yield _release(_MIDDLE, PinMode.ENFORCE, old, new)
    if day == 2:
        yield _release(_NEW, PinMode.MONITOR, old, new, keys.backup)
    yield Serve(keys.renewed if day >= 6 else keys.leaf)
    yield from routine()
    counts = ((_OLD, 3_410), (_SILENT, 590), (_MIDDLE, 200_000 if day >= 2 else 280_000))
    yield CountInstalls(_APP, Platform.IOS, (*counts, (_NEW, 80_000)) if day >= 2 else counts)
    if day == 12:
        yield Retire(_APP, Platform.IOS, _OLD)


def _three_releases_right(day: int) -> Right:
    waiting = _waiting(day, since=1)  # of 3.0, whose installs are counted from day 2 on
    return _answer(waiting, "release_locked_out") if 6 <= day < 12 else _answer(waiting)


def _clean_right(day: int) -> Right:
    return _answer(_waiting(day))


STORIES: tuple[Story, ...] = (
    Story(
        "clean", "Nothing goes wrong.", lambda k: SetPolicy(_pins(k)), _quiet, _clean_right,
        mentions=frozenset({"no_reports"}),
    ),
    Story("renewal", "A renewal brings a key that nobody pinned; it is pinned four days later.",
          lambda k: SetPolicy(_pins(k)), _renewal, _renewal_right, days=28),
    Story("cross-sign", "Old clients build another path to the same key, on which no pin stands.",
          lambda k: SetPolicy(_root_pins(k)), _cross, _cross_right),
    Story("rotation", "Only the CA's intermediate is pinned, and the CA issues by another.",
          lambda k: SetPolicy((k.intermediate.pin, k.backup)), _rotation, _rotation_right, days=21),
    Story("no-backup", "The Backup Pin is missing at first, then stands in the chain itself.",
          lambda k: SetPolicy((k.leaf[0].pin,)), _no_backup, _no_backup_right, days=20),
    Story("pasted-pins", "A pin is copied from an example, then from a CA that issues no more, then from a list.",
          lambda k: SetPolicy((k.leaf[0].pin, EXAMPLE_PIN), report_uri_on_host=True), _pasted, _pasted_right, days=22,
          mentions=frozenset({"report_uri_on_pinned_host", "retired_ca_key"})),
    Story("proxy", "Three in a hundred installs of the app are behind a company's proxy; later they may be.",
          lambda k: SetPolicy(_pins(k)), _proxy, _proxy_right, mentions=frozenset({"open_private_root"})),
    Story("portals", "Captive portals show certificates of their own, and very few proxies stand in between.",
          lambda k: SetPolicy(_pins(k)), _portals, _clean_right, mentions=frozenset({"open_name_mismatch"})),
    Story("misissuance", "A CA vouches for a stranger's key; what was taken for the end of it was none.",
          lambda k: SetPolicy(_pins(k)), _misissued, _misissued_right, days=22),
    Story("flood", "Somebody forges reports by the hundred, in new variations day after day; one decision ends it.",
          lambda k: SetPolicy(_pins(k), own_keys=(k.renewed[0].pin,)), _flood, _flood_right,
          mentions=frozenset({"left_out_as_ignored"})),
    Story("dead-report-uri", "For ten days no report can arrive, which looks as if nothing were wrong.",
          lambda k: SetPolicy(_pins(k)), _dead, _dead_right, days=27),
    Story("key-loss", "The pins are enforced, and the key is lost.",
          lambda k: SetPolicy((k.leaf[0].pin, k.reissued[1].pin), Mode.ENFORCE, 2 * _DAY),
          _key_loss, _key_loss_right, days=11),
    Story("a-year", "Pins are to be remembered for a year; the certificate is renewed with another key.",
          lambda k: SetPolicy(_pins(k), Mode.ENFORCE, 365 * _DAY), _a_year, _a_year_right, days=12,
          mentions=frozenset({"max_age_too_long"})),
    Story("stale-clients", "The pins are changed while clients remember the former ones for a week.",
          lambda k: SetPolicy((k.leaf[0].pin, k.reissued[1].pin), Mode.ENFORCE, 7 * _DAY),
          _stale, _stale_right, days=14, mentions=frozenset({"open_stale_known_pins"})),
    Story("blind", "Nobody looks and nobody counts for half of the time, which is no evidence afterwards.",
          lambda k: SetPolicy(_pins(k)), _blind, _blind_right, days=33),
    Story("few-clients", "Too few clients to bound anything.",
          lambda k: SetPolicy(_pins(k)), _few, _few_right),
    Story("unreadable", "Reports without a chain, from more clients than may be locked out.",
          lambda k: SetPolicy(_pins(k)), _unreadable, _unreadable_right),
    Story("apps-only", "The pins are in an app alone; the site serves no header.",
          lambda k: SetPolicy(_pins(k)), _apps, _apps_right, mentions=frozenset({"open_private_root"})),
    Story("three-releases", "A key is rotated; the oldest of three releases of an app has only the old one.",
          lambda k: SetPolicy((k.leaf[0].pin, k.renewed[0].pin, k.backup)), _three_releases, _three_releases_right,
          mentions=frozenset({"release_cannot_report", "release_would_be_locked_out"})),
    Story("control", "Control pins measure how many clients report: none, then all, then a third.",
          lambda k: SetPolicy(_pins(k)), _control, _control_right),
)  # fmt: skip
"""Every story, with what an expert would answer day by day."""
