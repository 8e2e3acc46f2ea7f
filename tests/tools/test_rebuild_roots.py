"""The script that writes the history of roots: on bundles made here, and beside certifi's own releases from PyPI."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest

from app.catalog.roots import load_history
from tests.support.authority import Issued, make_root
from tools.rebuild_roots import Bundle, build_history, fetch_bundle, read_bundle, unexplained, write_history

ONE, TWO, THREE = (make_root(f"Root {number}") for number in ("One", "Two", "Three"))
HISTORY = Path(__file__).parents[2] / "app" / "catalog" / "root_history.toml"


def bundle(**roots: Issued) -> Bundle:
    return read_bundle("".join(f'\n# Issuer: CN=x\n# Label: "{label}"\n{root.pem}' for label, root in roots.items()))


def spans(**bundles: Bundle) -> dict[str, tuple[tuple[str, str], ...]]:
    return {entry.root.label: entry.spans for entry in build_history(bundles)}


def test_a_root_has_the_first_and_last_release_of_each_span() -> None:
    both, second = bundle(one=ONE, two=TWO), bundle(two=TWO)
    assert spans(a=both, b=both, c=second, d=both, e=second) == {
        "one": (("a", "b"), ("d", "d")),
        "two": (("a", "e"),),
    }


def test_a_root_issued_again_is_one_entry_with_the_newest_certificate_and_label() -> None:
    again = make_root("Root One", key=ONE.key)
    [entry] = build_history({"a": bundle(old=ONE), "b": bundle(new=again)})
    assert (entry.root.label, entry.root.certificate.der) == ("new", again.der)
    assert entry.spans == (("a", "b"),)


def test_of_two_certificates_of_one_root_in_a_bundle_the_same_is_chosen_in_any_order() -> None:
    again = make_root("Root One", key=ONE.key)
    orders = (bundle(x=ONE, y=again), bundle(y=again, x=ONE))
    chosen = {build_history({"a": order})[0].root.certificate.fingerprint for order in orders}
    assert len(chosen) == 1


def test_the_key_under_another_name_and_the_name_with_another_key_are_other_roots() -> None:
    assert (
        len(build_history({"a": bundle(one=ONE, two=make_root("Two", key=ONE.key), other=make_root("Root One"))})) == 3
    )


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Plain", "Plain"),
        ("Autorit\\xe9 Racine", "Autorité Racine"),
        ("T\\xc3\\x9C\\x42\\xC4\\xB0TAK K\\xC3\\xB6k", "TÜBİTAK Kök"),
        ("F\\u0151tan\\xfas\\xedtv\\xe1ny", "Főtanúsítvány"),
        ("Autorité", "Autorité"),
    ],
)
def test_a_label_is_read_with_its_escapes(label: str, name: str) -> None:
    assert [root.label for root in bundle(**{label: ONE}).values()] == [name]


def test_a_bundle_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="1 certificates and 0 labels"):
        read_bundle(ONE.pem)
    with pytest.raises(ValueError, match=r"^one: "):
        read_bundle('# Label: "one"\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')


def test_what_is_written_is_sorted_and_can_be_read() -> None:
    bundles = {"2020.1.1": bundle(b=ONE, A=TWO), "2021.1.1": bundle(**{'c "\\\\': THREE})}
    text = write_history(bundles, build_history(bundles))
    plain = tomllib.loads(text)
    assert plain["releases"] == ["2020.1.1", "2021.1.1"]
    assert [root["name"] for root in plain["roots"]] == ["A", "b", 'c "\\']
    assert max(map(len, text.splitlines())) <= 120
    assert [name.split(" ")[0] for name in unexplained(text)] == ["A", "b"]


OLD = ("2015.4.28", "2021.5.30")
"""One release before most departures and one in the middle: fetching all takes a minute."""

Fetch = Callable[[str], Bundle]


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Fetch:
    """Return what fetches a release from PyPI, once for all tests; a machine that cannot reach PyPI fails loudly."""
    cache = tmp_path_factory.mktemp("certifi")
    return lambda version: fetch_bundle(version, cache)


@pytest.mark.parametrize("version", [*OLD, certifi.__version__])
@pytest.mark.filterwarnings("ignore:Attribute's length must be")  # of a root of 2015, whose name breaks X.520
def test_the_history_holds_exactly_the_roots_of_a_release_as_pypi_has_it(version: str, fetch: Fetch) -> None:
    history = load_history()
    place = {release: number for number, release in enumerate(history.releases)}
    recorded = {
        root.certificate.pin: root.name
        for root in history.roots
        if any(place[first] <= place[version] <= place[last] for first, last in root.held_by)
    }
    released = {root.certificate.pin: root.label for root in fetch(version).values()}
    assert recorded.keys() == released.keys()
    assert len(recorded) > 100


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
def test_the_certificates_of_two_releases_are_written_as_they_are_committed(fetch: Fetch) -> None:
    bundles = {version: fetch(version) for version in OLD}
    committed = {root["sha256"]: root for root in tomllib.loads(HISTORY.read_text(encoding="utf-8"))["roots"]}
    again = tomllib.loads(write_history(bundles, build_history(bundles)))["roots"]
    kept = [root for root in again if root["sha256"] in committed]
    assert len(kept) > 150
    assert [root["der"] for root in kept] == [committed[root["sha256"]]["der"] for root in kept]


def test_a_release_that_cannot_be_fetched_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"certifi==2015\.4\.29"):
        fetch_bundle("2015.4.29", tmp_path)
