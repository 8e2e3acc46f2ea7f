"""What a catalog says of an issuer's name and of a key."""

from datetime import date

import pytest

from app.hpkp.catalog import (
    MAX_MATCHED,
    Basis,
    CaName,
    CaState,
    Catalog,
    InterceptionProduct,
    KnownKey,
    compile_issuer_pattern,
)
from app.hpkp.errors import HpkpError
from app.hpkp.pins import pin_of_spki
from app.hpkp.x509.certificate import Certificate, read_certificate
from tests.support.authority import make_root

PIN, OTHER_PIN = pin_of_spki(b"one"), pin_of_spki(b"other")


def product(
    name: str = "Shield", *, common_name: str | None = None, organization: str | None = None
) -> InterceptionProduct:
    return InterceptionProduct(
        name,
        None if common_name is None else compile_issuer_pattern(common_name),
        None if organization is None else compile_issuer_pattern(organization),
        "https://example.com/",
        Basis.OBSERVED,
    )


def leaf_of(common_name: str, organization: str | None = None) -> Certificate:
    leaf = read_certificate(make_root(common_name, organization=organization).issue("www.example.com").der)
    assert isinstance(leaf, Certificate)
    return leaf


def known(name: str) -> KnownKey:
    return KnownKey(name, "https://example.com/", date(2026, 1, 1))


def test_a_certificate_tells_its_issuers_names() -> None:
    leaf = leaf_of("Shield Root", "Shield GmbH")
    assert (leaf.issuer_common_name, leaf.issuer_organizations) == ("Shield Root", ("Shield GmbH",))
    assert leaf_of("Shield Root").issuer_organizations == ()


@pytest.mark.parametrize(
    ("pattern", "issuer", "matches"),
    [
        ("Shield Root", "Shield Root", True),
        ("Shield Root", "The Shield Root", False),
        ("Shield Root", "Shield Root 2", False),
        ("Shield Root", "shield root", False),
        ("Shield|Shield Root", "Shield Root", True),
        (r"Shield \(\d+\)", "Shield (12)", True),
        (r"Shield \(\d+\)", "Shield ()", False),
        ("Shield.*", "Shield", True),
    ],
)
def test_the_whole_of_the_name_must_match(pattern: str, issuer: str, matches: bool) -> None:
    assert product(common_name=pattern).signed(leaf_of(issuer)) is matches


@pytest.mark.parametrize(
    ("common_name", "organization", "matches"),
    [
        ("Shield Root", "Shield GmbH", True),
        ("Shield Root", "Another", False),
        ("Another", "Shield GmbH", False),
        ("Shield Root", None, False),
    ],
)
def test_where_both_patterns_are_given_both_must_match(
    common_name: str, organization: str | None, matches: bool
) -> None:
    both = product(common_name="Shield Root", organization="Shield GmbH")
    assert both.signed(leaf_of(common_name, organization)) is matches


def test_a_pattern_for_the_organization_alone_leaves_the_common_name_open() -> None:
    shield = product(organization="Shield( GmbH)?")
    assert shield.signed(leaf_of("anything", "Shield GmbH"))
    assert not shield.signed(leaf_of("Shield GmbH"))


def test_the_issuer_of_the_leaf_counts_and_not_its_subject() -> None:
    assert not product(common_name="www.example.com").signed(leaf_of("Shield Root"))


def test_no_more_than_the_first_characters_of_a_name_are_matched() -> None:
    organization = "a" * (MAX_MATCHED + 10)
    leaf = leaf_of("Shield Root")
    leaf.__dict__["issuer_organizations"] = (organization,)
    assert product(organization=f"a{{{MAX_MATCHED}}}").signed(leaf)


def test_a_product_needs_a_pattern() -> None:
    with pytest.raises(HpkpError, match="Shield: neither"):
        product()


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a+)+", "repeats a group"),
        ("(a|aa)*b", "repeats a group"),
        ("(?:ab){2,9}", "repeats a group"),
        (".*a.*b.*c.*", "more than 3 repeats"),
        ("(?=a)b", "does not know"),
        ("(?i)shield", "does not know"),
        ("(shield", "not a regular expression"),
        (r"(a)\2", "not a regular expression"),
    ],
)
def test_a_pattern_that_may_be_slow_or_means_something_else_in_re2_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(HpkpError, match=reason):
        compile_issuer_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"\(a\)+", "[(a)]+[)*+{]", "(?:Avast|AVG)( Root)?", r"a{2}\+\*\?b+"])
def test_what_only_looks_like_a_repeated_group_is_taken(pattern: str) -> None:
    assert compile_issuer_pattern(pattern).pattern == pattern


def test_the_first_product_that_matches_is_named() -> None:
    catalog = Catalog(products=(product("one", organization="Shield"), product("two", common_name="Shield Root")))
    [one, two] = catalog.products
    assert catalog.product_of(leaf_of("Shield Root", "Shield")) == one
    assert catalog.product_of(leaf_of("Shield Root")) == two
    assert catalog.product_of(leaf_of("Test Root")) is None


def test_a_key_may_carry_several_names_or_none() -> None:
    names = (CaName("X1", CaState.OLD), CaName("X3", CaState.OLD))
    catalog = Catalog(ca_names={PIN: names})
    assert catalog.ca_names_of(PIN) == names
    assert catalog.ca_names_of(OTHER_PIN) == ()


def test_the_operators_entries_come_first_and_nothing_is_said_twice() -> None:
    ours = Catalog(
        known_bad={PIN: (known("ours"), known("both"))},
        captive_portals={PIN: known("ours"), OTHER_PIN: known("kept")},
        products=(product("ours", common_name="Shield Root"),),
        ca_names={PIN: (CaName("ours", CaState.OLD),)},
        example_pins={PIN: "ours", OTHER_PIN: "kept"},
    )
    operators = Catalog(
        known_bad={PIN: (known("operator's"), known("both")), OTHER_PIN: (known("operator's"),)},
        captive_portals={PIN: known("operator's")},
        products=(product("operator's", common_name="Shield Root"),),
        ca_names={PIN: (CaName("operator's", CaState.ACTIVE),)},
        example_pins={PIN: "operator's"},
    )
    merged = ours.merged_with(operators)
    assert [key.name for key in merged.known_bad[PIN]] == ["operator's", "both", "ours"]
    assert [key.name for key in merged.known_bad[OTHER_PIN]] == ["operator's"]
    assert {pin: key.name for pin, key in merged.captive_portals.items()} == {PIN: "operator's", OTHER_PIN: "kept"}
    assert [found.name for found in merged.products] == ["operator's", "ours"]
    assert [name.name for name in merged.ca_names_of(PIN)] == ["operator's", "ours"]
    assert merged.example_pins == {PIN: "operator's", OTHER_PIN: "kept"}
    assert ours.example_pins[PIN] == "ours"


def test_merging_with_nothing_changes_nothing() -> None:
    catalog = Catalog(known_bad={PIN: (known("bad"),)}, products=(product(common_name="Shield Root"),))
    assert catalog.merged_with(Catalog()) == catalog
    assert Catalog().merged_with(catalog) == catalog
