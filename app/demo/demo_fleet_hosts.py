"""The hosts of the demo, each with its history; everything in them is made up.

::

    www.example.com     a renewal brought a key that nobody pinned: not ready
    shop.example.com    a forgotten server was found in time: ready
    login.example.com   enforces, and is on its way up the ramp
    beta.example.com    has just begun, with few to see: not enough data
    api.example.net     pinned in apps alone; a CA vouched for a stranger's key
    news.example.org    nobody registered it: it copied the header of a tutorial, then pinned a root
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from app.demo.client_population import OFFICE, Chain, ClientPopulation, Encounter, Release
from app.demo.demo_fleet import DAYS, DemoFleet, Deploy, Part, Publish, RecordEvent, Refused, first_midnight
from app.demo.demo_fleet_keys import Keys, make_demo_fleet_keys
from app.demo.rollout import CarryPins, Expose, SetStatus
from app.demo.scenarios import EXAMPLE_PIN
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.hpkp.report import Sender

WWW, SHOP, LOGIN, BETA = (Host(f"{name}.example.com") for name in ("www", "shop", "login", "beta"))
API, NEWS = Host("api.example.net"), Host("news.example.org")

_DAY = 86_400
_ALL = range(DAYS)
_REPORT_URI = "https://reports.example.net/report"
_BEFORE = -400
"""A day long before the demo."""
_SHOP = "com.example.shop"
_BANK = "com.example.bank"
_RELEASES = {
    _SHOP: (Release(_BEFORE, "4.0"), Release(12, "4.1"), Release(38, "4.2"), Release(63, "4.3"), Release(84, "4.4")),
    _BANK: (Release(_BEFORE, "2.7"), Release(31, "2.8"), Release(70, "2.9")),
}


def make_demo_fleet(*, at: datetime, seed: int) -> DemoFleet:
    """Make the keys and certificates of a demo fleet that ends at a moment, and cast the hosts."""
    keys = make_demo_fleet_keys(at=at, begin=first_midnight(at))
    return DemoFleet(
        parts=tuple(cast(keys) for cast in (_www, _shop, _login, _beta, _api, _news)),
        refused=_REFUSED,
        roots_pem=keys.roots_pem,
        catalog=keys.catalog,
        until=at,
        seed=seed,
    )


def _www(keys: Keys) -> Part:
    first, previous, backup = keys.leaf(WWW, -45), keys.leaf(WWW, -130)[0].pin, keys.backup(WWW)
    second, other = keys.leaf(WWW, 32, key=first[0]), keys.leaf(WWW, 77)
    browsers, apple, android = _browsers(900, 1), _apple(2400, 2), _android(3100, 3)
    by_root, by_leaf = (keys.old_root.pin, backup), (first[0].pin, backup)
    spare = (backup, "backup key, offline")
    both = "192.0.2.10", "192.0.2.11"
    newer = frozenset({"4.2", "4.3", "4.4"})
    lost = range(77, DAYS)
    return Part(
        host=WWW,
        acts=(
            (0, 0, Deploy(dict.fromkeys(both, keys.seen(first)))),
            (0, 0, _publish(WWW, (previous, "key of last year"), spare, since=keys.begin - timedelta(days=200))),
            (0, 0, _publish(WWW, (keys.old_root.pin, "our CA's root"), spare)),
            (0, 1, CarryPins(_SHOP, "4.0", (previous, backup))),
            (12, 10, RecordEvent("deployed", "Shop app 4.1: pins of revision 2")),
            (12, 10, CarryPins(_SHOP, "4.1", by_root)),
            (20, 14, _publish(WWW, (first[0].pin, "live key"), spare)),
            (32, 3, Deploy(dict.fromkeys(both, second))),
            (32, 3, RecordEvent("certificate_rotated", "Renewed with the same key at both addresses")),
            (38, 10, RecordEvent("deployed", "Shop app 4.2: pins of revision 3")),
            *(
                (day, 10, CarryPins(_SHOP, version, by_leaf))
                for day, version in ((38, "4.2"), (63, "4.3"), (84, "4.4"))
            ),
            (
                55,
                9,
                SetStatus(Cause.PRIVATE_ROOT, "expected", "Proxies of companies and schools on devices of theirs"),
            ),
            (63, 10, RecordEvent("deployed", "Shop app 4.3")),
            (77, 3, Deploy(dict(zip(both, (second, other), strict=True)))),
            (77, 3, RecordEvent("certificate_rotated", "Renewed at 192.0.2.11 by the new automation")),
            (
                79,
                8,
                SetStatus(Cause.OWN_KEY_NOT_PINNED, "acknowledged", "A certificate for the pinned key is asked for"),
            ),
            (84, 10, RecordEvent("deployed", "Shop app 4.4")),
        ),
        encounters=(
            _encounter(browsers, keys.seen(first), keys.crossed(first), by_root, 9, range(21)),
            _encounter(apple, (), keys.crossed(first), by_root, 16, _ALL, versions=frozenset({"4.1"})),
            _encounter(apple, (), keys.seen(first), (previous, backup), 13, _ALL, versions=frozenset({"4.0"})),
            _encounter(browsers, other, keys.seen(other), by_leaf, 46, lost),
            _encounter(apple, (), keys.seen(other), by_leaf, 70, lost, versions=newer),
            _encounter(android, other, other, by_leaf, 62, lost, versions=newer),
            _encounter(_apple(9, 8), (), (), by_leaf, 0.8, range(21, DAYS)),
            _encounter(_browsers(25, 9), first, keys.seen(first), (EXAMPLE_PIN, backup), 1.2, _ALL),
            _encounter(_browsers(3, 10), *_both(keys.forged(WWW, keys.filters[0])), by_leaf, 1, range(50, 62)),
            _encounter(_programs(4, 11), second, keys.seen(second), by_leaf, 1.5, range(32, DAYS)),
            *_between(keys, WWW, by_leaf, range(21, DAYS), network=100, scale=1.6),
        ),
        exposed=_exposed(keys, 42_000, 17_000, {apple: 5.0, android: 4.0}),
    )


def _shop(keys: Keys) -> Part:
    first, backup, stray = keys.leaf(SHOP, -30), keys.backup(SHOP), keys.leaf(SHOP, -20)
    second, pins = keys.leaf(SHOP, 48, key=first[0]), (first[0].pin, backup)
    named = (first[0].pin, "live key"), (backup, "backup key, in the safe")
    found = range(18, 22)
    return Part(
        host=SHOP,
        acts=(
            (2, 9, Deploy({"192.0.2.20": first, "2001:db8:a::20": first})),
            (2, 9, _publish(SHOP, *named, own_keys=frozenset({stray[0].pin}))),
            (2, 10, CarryPins(_SHOP)),
            (18, 2, RecordEvent("deployed", "A third server joins")),
            (22, 1, RecordEvent("deployed", "The third server has the certificate of the others")),
            (
                22,
                9,
                SetStatus(Cause.OWN_KEY_NOT_PINNED, "resolved", "The third server served a certificate of its own"),
            ),
            (48, 3, Deploy({"192.0.2.20": second, "2001:db8:a::20": second})),
            (48, 3, RecordEvent("certificate_rotated", "Renewed with the same key")),
        ),
        encounters=(
            _encounter(_browsers(800, 21), stray, keys.seen(stray), pins, 30, found),
            _encounter(_apple(1500, 22), (), keys.seen(stray), pins, 24, found),
            *_between(keys, SHOP, pins, range(3, DAYS), network=200, scale=0.7),
        ),
        exposed=_exposed(keys, 15_000, 7_200, whole=(_SHOP, 9_400)),
        deaf=range(57, 60),
    )


def _login(keys: Keys) -> Part:
    first, backup = keys.leaf(LOGIN, -20), keys.backup(LOGIN)
    second, pins = keys.leaf(LOGIN, 61, key=first[0]), (first[0].pin, backup)
    named = (first[0].pin, "live key"), (backup, "backup key, in the safe")
    ramp = ((20, 300), (22, 3600), (25, _DAY), (33, 7 * _DAY), (66, 30 * _DAY))
    return Part(
        host=LOGIN,
        acts=(
            (1, 9, Deploy({"192.0.2.30": first})),
            (1, 9, _publish(LOGIN, *named)),
            (1, 10, CarryPins(_SHOP)),
            *((day, 9, _publish(LOGIN, *named, mode=Mode.ENFORCE, max_age=seconds)) for day, seconds in ramp),
            (61, 3, Deploy({"192.0.2.30": second})),
            (61, 3, RecordEvent("certificate_rotated", "Renewed with the same key")),
        ),
        encounters=(
            *_between(keys, LOGIN, pins, range(2, 20), network=300, scale=0.8),
            *_between(keys, LOGIN, pins, range(20, DAYS), network=300, scale=0.8, enforced=True),
        ),
        exposed=_exposed(keys, 26_000, 14_000, whole=(_SHOP, 9_400)),
    )


def _beta(keys: Keys) -> Part:
    first, backup = keys.leaf(BETA, 78), keys.backup(BETA)
    return Part(
        host=BETA,
        acts=(
            (81, 13, Deploy({"192.0.2.40": first})),
            (81, 13, _publish(BETA, (first[0].pin, "live key"), (backup, "backup key, offline"))),
        ),
        exposed=_exposed(keys, 900, 520),
    )


def _api(keys: Keys) -> Part:
    first, backup = keys.leaf(API, -10), keys.backup(API)
    second, pins, since = keys.leaf(API, 70, key=first[0]), (first[0].pin, backup), range(3, DAYS)
    encounters = (
        _encounter(
            _android(80, 56, _BANK), *_both(keys.forged(API, keys.proxies[1])[:1]), pins, 2, since, trusted=False
        ),
        _encounter(_apple(2, 57, _BANK), (), keys.forged(API, keys.adware), pins, 1, range(40, 43)),
        _encounter(_react(12), keys.forged(API, keys.filters[0]), (), pins, 1, range(31, DAYS)),
        _encounter(_apple(5, 59, _BANK), (), keys.seen(keys.leaf(API, 80)), pins, 2, range(85, DAYS)),
        *_between(keys, API, pins, since, network=500, scale=1.2, app=_BANK, portals=False),
    )
    return Part(
        host=API,
        acts=(
            (3, 9, Deploy({"198.51.100.7": first, "198.51.100.8": first})),
            (3, 9, _publish(API, (first[0].pin, "live key"), (backup, "backup key, in the safe"))),
            (3, 10, CarryPins(_BANK, "2.7", pins)),
            (31, 10, RecordEvent("deployed", "Bank app 2.8")),
            (31, 10, CarryPins(_BANK, "2.8", pins)),
            (44, 9, SetStatus(Cause.KNOWN_BAD_KEY, "acknowledged", "Two users with adware; support wrote to them")),
            (70, 3, Deploy({"198.51.100.7": second, "198.51.100.8": second})),
            (70, 3, RecordEvent("certificate_rotated", "Renewed with the same key")),
            (70, 10, RecordEvent("deployed", "Bank app 2.9")),
            (70, 10, CarryPins(_BANK, "2.9", pins)),
        ),
        encounters=tuple(replace(encounter, label="apps") for encounter in encounters),
        exposed=_exposed(keys, None, None, {_apple(1200, 51, _BANK): 14.0, _android(1600, 52, _BANK): 12.0}),
        header=False,
    )


def _news(keys: Keys) -> Part:
    served = keys.seen(keys.leaf(NEWS, 10))
    return Part(
        host=NEWS,
        encounters=(
            _encounter(_browsers(200, 61), served, served, (EXAMPLE_PIN,), 3, range(35, DAYS)),
            _encounter(_browsers(90, 62), served, keys.crossed(served), (keys.old_root.pin,), 4, range(62, DAYS)),
        ),
    )


# What histories are made of


def _publish(
    host: Host,
    *pins: tuple[Pin, str],
    mode: Mode = Mode.REPORT_ONLY,
    max_age: int = 300,
    own_keys: frozenset[Pin] = frozenset(),
    since: datetime | None = None,
) -> Publish:
    """Publish pins; ``since`` where they were served before the service knew of them."""
    return Publish(
        PinningPolicy(
            host=host,
            pins=tuple(ExpectedPin(pin, label) for pin, label in pins),
            mode=mode,
            max_age=max_age,
            report_uri=_REPORT_URI,
            own_keys=own_keys,
            effective_from=since,
        )
    )


def _encounter(
    population: ClientPopulation,
    served: Chain,
    validated: Chain,
    known: tuple[Pin, ...],
    daily: float,
    days: range,
    *,
    versions: frozenset[str] = frozenset(),
    trusted: bool = True,
    enforced: bool = False,
) -> Encounter:
    return Encounter(
        population=population,
        served=served,
        validated=validated,
        known=known,
        daily=daily,
        days=days,
        versions=versions,
        trusted=trusted,
        enforced=enforced,
    )


def _between(
    keys: Keys,
    host: Host,
    known: tuple[Pin, ...],
    days: range,
    *,
    network: int,
    scale: float,
    app: str = _SHOP,
    portals: bool = True,
    enforced: bool = False,
) -> Iterator[Encounter]:
    """Meet with what stands between every host and its clients: filters, proxies, portals, and wrong clocks."""
    # Browsers report neither another name nor a date that is off; apps say that they did not trust the chain.
    for number, portal in enumerate(keys.portals if portals else (), 21):
        population = _android(200, network + number, app)
        yield _encounter(population, *_both(portal), known, 2.5 * scale, days, trusted=False, enforced=enforced)
    for number, root in enumerate(keys.filters, 1):
        population = _apple(int(7 * scale) + 1, network + number, app)
        yield _encounter(population, (), keys.forged(host, root), known, scale, days, enforced=enforced)
    for number, root in enumerate(keys.proxies, 11):
        population = replace(
            _apple(int(11 * scale) + 1, network + number, app), hours=OFFICE, weekend=0.1, together=True
        )
        yield _encounter(population, (), keys.forged(host, root), known, 2.5 * scale, days, enforced=enforced)
    population = _apple(int(25 * scale) + 1, network + 31, app)
    expired = keys.forged(host, keys.proxies[0], day=_BEFORE)
    yield _encounter(population, (), expired, known, scale, days, trusted=False, enforced=enforced)


def _both(chain: Chain) -> tuple[Chain, Chain]:
    """Return a chain for both: what stands as validated is the served one again."""
    return chain, chain


def _browsers(number: int, network: int) -> ClientPopulation:
    return ClientPopulation(number=number, network=network, sender=Sender.CHROMIUM)


def _apple(number: int, network: int, app: str = _SHOP) -> ClientPopulation:
    return ClientPopulation(
        number=number, network=network, sender=Sender.TRUSTKIT_APPLE, app=app, releases=_RELEASES[app]
    )


def _android(number: int, network: int, app: str = _SHOP) -> ClientPopulation:
    return ClientPopulation(
        number=number, network=network, sender=Sender.TRUSTKIT_ANDROID, app=app, releases=_RELEASES[app]
    )


def _react(number: int) -> ClientPopulation:
    return ClientPopulation(number=number, network=58, sender=Sender.REACT_NATIVE)


def _programs(number: int, network: int) -> ClientPopulation:
    return ClientPopulation(number=number, network=network, sender=Sender.GO_HPKP, weekend=1)


def _exposed(
    keys: Keys,
    sessions: int | None,
    clients: int | None,
    installs: dict[ClientPopulation, float] | None = None,
    *,
    whole: tuple[str, int] | None = None,
) -> Callable[[int], tuple[Expose, ...]]:
    """Tell how many were served the pins on a day.

    Browsers in sessions and clients, less on a weekend; apps in installs of each version, so many for each client of a
    population; or of an app as a ``whole``, whose releases all carry the same pins. Exposure does not tell platforms
    apart.
    """

    def of_day(day: int) -> tuple[Expose, ...]:
        weekday = (keys.begin + timedelta(days=day)).weekday()
        busy = (1.0, 1.02, 1.04, 1.01, 0.93, 0.71, 0.68)[weekday] * (1 + 0.012 * ((day * 29) % 11 - 5))
        counts = Counter[tuple[str, str]]()
        for population, scale in (installs or {}).items():
            for version, number in Counter(population.versions(day)).items():
                counts[population.app, version] += int(number * scale)
        site = () if sessions is None or clients is None else (Expose(int(sessions * busy), int(clients * busy)),)
        app = () if whole is None else (Expose(None, whole[1], app=whole[0]),)
        return (*site, *app, *(Expose(None, count, *version) for version, count in sorted(counts.items())))

    return of_day


_LATELY = range(DAYS - 30, DAYS)
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"
_REFUSED = (
    Refused(
        b'{"csp-report":{"document-uri":"https://www.example.com/","violated-directive":"img-src"}}',
        3, _LATELY, "application/csp-report", _BROWSER,
    ),
    Refused(
        b'{"csp-report":{"document-uri":"https://shop.example.com/","violated-directive":"script-src"}}',
        55, range(71, 72), "application/csp-report", _BROWSER,
    ),
    Refused(b"hello", 2, _LATELY, "text/plain", "curl/8.5.0"),
    Refused(b"", 1, _LATELY, "application/json", "monitoring/1.0"),
    Refused(b'{"date-time":"2026-01-01T00:00:00Z","hostname":5}', 1.5, range(75, DAYS), user_agent="okhttp/4.9"),
    Refused(b'{"hostname":"","known-pins":[]}', 0.7, _LATELY, user_agent="okhttp/4.9", label="apps"),
)  # fmt: skip
