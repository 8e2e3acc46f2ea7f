"""The history of roots: the package's data beside the installed certifi, and how a departure is found."""

import re
import tomllib
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import certifi
import pytest

from app.catalog.load import load_catalog
from app.catalog.roots import (
    DEPARTURES,
    DepartureEntry,
    FormerRoot,
    HistoricalRoot,
    RootHistory,
    find_former_roots,
    load_departures,
    load_former_roots,
    load_history,
    load_public_roots,
    release_date,
    release_key,
)
from app.hpkp.catalog import CaName, CaState
from app.hpkp.pins import parse_pin
from app.hpkp.x509.anchors import RootDeparture
from app.hpkp.x509.certificate import Certificate, read_certificate
from tests.support.authority import Issued, make_root

DIRECTORY = Path(__file__).parents[2] / "app" / "catalog"
HISTORY = load_history()
FORMER = {root.name: root for root in load_former_roots()}
BALTIMORE = parse_pin("Y9mvm0exBk1JoQ57f9Vm28jKo5lFm/woKcVxrYxu80o=")


# The package's data.


def test_the_newest_release_of_the_history_holds_the_roots_of_the_installed_certifi() -> None:
    newest = HISTORY.releases[-1]
    recorded = {root.certificate.fingerprint: root.name for root in HISTORY.roots if root.held_by[-1][1] == newest}
    installed = {root.fingerprint: root.subject for root in load_public_roots()}
    assert recorded.keys() == installed.keys(), (
        f"certifi {certifi.__version__} differs from root_history.toml, which ends with {newest}. Left: "
        f"{[recorded[key] for key in recorded.keys() - installed.keys()]}; new: "
        f"{[installed[key] for key in installed.keys() - recorded.keys()]}. "
        f"Run `uv run python -m tools.rebuild_roots`, and add what is known of departures to {DEPARTURES}."
    )


def test_the_releases_are_in_order_and_every_span_is_of_them() -> None:
    assert list(HISTORY.releases) == sorted(HISTORY.releases, key=release_key)
    place = {version: number for number, version in enumerate(HISTORY.releases)}
    for root in HISTORY.roots:
        bounds = [place[version] for span in root.held_by for version in span]
        assert bounds == sorted(bounds), root.name
        # Two spans with nothing between them would be one.
        gaps = [
            later[0] - earlier[1] for earlier, later in zip(_spans(root, place), _spans(root, place)[1:], strict=False)
        ]
        assert all(gap > 1 for gap in gaps), root.name


def _spans(root: HistoricalRoot, place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place[first], place[last]) for first, last in root.held_by]


def test_every_root_stands_once_and_the_digest_beside_it_is_its_own() -> None:
    plain = tomllib.loads((DIRECTORY / "root_history.toml").read_text(encoding="utf-8"))["roots"]
    assert [entry["sha256"] for entry in plain] == [root.certificate.fingerprint.hex() for root in HISTORY.roots]
    assert len({root.certificate.pin for root in HISTORY.roots}) == len(HISTORY.roots) >= 279


def test_every_departure_is_of_a_root_that_is_former_or_distrusted() -> None:
    former = {root.stored.certificate.fingerprint.hex() for root in load_former_roots()}
    assert load_departures().keys() <= former


def test_a_departure_is_told_whole_or_not_at_all_and_comes_after_the_root() -> None:
    for entry in load_departures().values():
        assert (entry.left is None) == (entry.how is None) == (entry.bug is None), entry.name
        assert entry.left or entry.distrust_after, entry.name
    for root in load_former_roots():
        departure = root.stored.departure
        assert departure is not None
        assert root.stored.since is None or root.stored.since < departure.left, root.name


@pytest.mark.parametrize(
    ("name", "how", "left", "bug"),
    [
        ("DST Root CA X3", "expired", date(2021, 12, 13), 1733560),
        ("WoSign", "removed", date(2017, 10, 17), 1408080),
        ("Baltimore CyberTrust Root", "trust_off", date(2025, 4, 16), 1957685),
        ("DigiCert Global Root CA", "trust_off", date(2026, 4, 9), 2017453),
        ("GTS Root R2", "trust_off", date(2026, 4, 9), 2020137),
    ],
)
def test_a_root_of_which_we_know_elsewhere_when_and_why_it_left(name: str, how: str, left: date, bug: int) -> None:
    departure = FORMER[name].stored.departure
    assert departure is not None
    assert (departure.how, departure.left, departure.bug) == (how, left, bug)
    assert str(bug) in departure.reason


@pytest.mark.parametrize("name", ["GTS Root R1", "GTS Root R3", "GTS Root R4", "ISRG Root X1"])
def test_a_root_that_was_issued_again_or_never_left_is_not_former(name: str) -> None:
    assert name not in FORMER


def test_a_root_that_left_and_came_back_has_two_spans() -> None:
    [epki] = [root for root in HISTORY.roots if root.name == "ePKI Root Certification Authority"]
    assert epki.held_by == (("2015.4.28", "2025.4.26"), ("2025.7.9", "2026.4.22"))
    departure = FORMER[epki.name].stored.departure
    assert departure is not None
    assert (departure.how, departure.left) == ("bundle", date(2026, 5, 20))
    assert departure.distrust_after == datetime(2025, 4, 15, 23, 59, 59, tzinfo=UTC)


def test_the_catalog_has_departed_roots_by_key_and_none_that_is_current() -> None:
    catalog = load_catalog()
    name, departure = catalog.departed_roots[BALTIMORE]
    assert (name, departure.how) == ("Baltimore CyberTrust Root", "trust_off")
    assert catalog.ca_names_of(BALTIMORE) == (CaName("Baltimore CyberTrust Root", CaState.OLD),)
    assert len(catalog.departed_roots) == len(load_former_roots()) >= 162
    assert not catalog.departed_roots.keys() & {root.pin for root in load_public_roots()}


def test_the_documented_numbers_are_those_of_the_data() -> None:
    text = (DIRECTORY.parents[1] / "docs" / "pins.md").read_text(encoding="utf-8")
    told = {how: int(number) for how, number in re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE)}
    departures = [root.stored.departure for root in load_former_roots()]
    counted = Counter(departure.how for departure in departures if departure)
    assert told == {"distrusted": 0, **counted}
    assert f"{len(HISTORY.roots)} keys, {len(load_public_roots())} of them public now" in " ".join(text.split())


# How a departure is found, with roots made here.

ONE, TWO = make_root("Root One"), make_root("Root Two")
RELEASES = ("2020.1.1", "2021.2.2", "2022.3.3")


def read(issued: Issued) -> Certificate:
    certificate = read_certificate(issued.der)
    assert isinstance(certificate, Certificate)
    return certificate


def former(
    last: str = "2022.3.3",
    *,
    first: str = "2020.1.1",
    entry: DepartureEntry | None = None,
    public: tuple[Issued, ...] = (TWO,),
    installed: str = "2022.3.3",
) -> list[FormerRoot]:
    """Find the former roots of a history with Root One, held from one release to another, and Root Two."""
    history = RootHistory(
        RELEASES,
        (
            HistoricalRoot("One", read(ONE), ((first, last),)),
            HistoricalRoot("Two", read(TWO), (("2020.1.1", "2022.3.3"),)),
        ),
    )
    departures = {} if entry is None else {read(ONE).fingerprint.hex(): entry}
    return list(find_former_roots(history, departures, map(read, public), installed=installed))


def departure_of(root: FormerRoot) -> RootDeparture:
    assert root.stored.departure is not None
    return root.stored.departure


def entry(**known: object) -> DepartureEntry:
    return DepartureEntry.model_validate({"name": "One", "sha256": read(ONE).fingerprint.hex(), **known})


def test_what_the_installed_certifi_holds_is_not_former_whatever_the_history_says() -> None:
    assert former("2020.1.1", public=(ONE, TWO)) == []


def test_a_root_left_with_the_first_release_without_it() -> None:
    [root] = former("2020.1.1")
    assert root.name == "One"
    assert departure_of(root).left == date(2021, 2, 2)
    assert departure_of(root).how == "bundle"
    assert "certifi 2021.2.2" in departure_of(root).reason


def test_a_root_that_a_newer_certifi_dropped_left_with_that_release_at_the_latest() -> None:
    [root] = former(installed="2023.4.4")
    assert departure_of(root).left == date(2023, 4, 4)


def test_a_root_that_an_older_certifi_lacks_was_public_as_long_as_the_history_knows() -> None:
    [root] = former(installed="2019.1.1")
    assert departure_of(root).left == date(2022, 3, 3)


def test_mozillas_own_record_comes_before_certifis_releases() -> None:
    known = entry(left=date(2020, 12, 24), how="removed", bug=12)
    [root] = former("2020.1.1", entry=known)
    assert departure_of(root) == RootDeparture(date(2020, 12, 24), "removed", "removed by Mozilla, bug 12", 12)


def test_since_is_unknown_for_roots_of_the_first_release() -> None:
    assert former()[0].stored.since is None
    assert former(first="2021.2.2")[0].stored.since == date(2021, 2, 2)


def test_a_root_that_left_the_bundle_keeps_the_day_of_its_distrust() -> None:
    after = datetime(2020, 6, 30, tzinfo=UTC)
    [root] = former("2020.1.1", entry=entry(distrust_after=after))
    assert (departure_of(root).how, departure_of(root).distrust_after) == ("bundle", after)
    assert "2020-06-30" in departure_of(root).reason


def test_a_root_that_is_distrusted_is_listed_although_the_bundle_holds_it() -> None:
    after = datetime(2020, 6, 30, tzinfo=UTC)
    [root] = former(entry=entry(distrust_after=after), public=(ONE, TWO))
    assert (departure_of(root).how, departure_of(root).left) == ("distrusted", date(2020, 6, 30))


def test_a_root_issued_again_with_its_key_and_name_has_not_left() -> None:
    again = make_root("Root One", key=ONE.key)
    assert again.der != ONE.der
    assert former("2020.1.1", public=(again, TWO)) == []


def test_the_key_under_another_name_is_another_root() -> None:
    [root] = former("2020.1.1", public=(make_root("Root Renamed", key=ONE.key), TWO))
    assert root.name == "One"


@pytest.mark.parametrize(("version", "day"), [("2015.4.28", (2015, 4, 28)), ("2026.10.19.post1", (2026, 10, 19))])
def test_the_day_of_a_release_is_its_version(version: str, day: tuple[int, int, int]) -> None:
    assert release_date(version) == date(*day)
    with pytest.raises(ValueError, match="month"):
        release_date("3")
