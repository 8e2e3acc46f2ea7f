"""What is said of a key before it is pinned."""

from datetime import datetime, timedelta

import pytest

from app.catalog import load_known_certificates
from app.catalog.load import load_catalog
from app.hpkp.catalog import CaName, CaState, Catalog
from app.hpkp.key_description import KeyDescription, Validity, describe_key
from app.hpkp.x509.anchors import Anchor, KnownCertificates
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.certificate_role import Role
from app.hpkp.x509.keys import HeldKey, read_keys
from tests.support.authority import NOW, Issued, cross_sign, make_root, make_site

SITE = make_site()


def _held(issued: Issued) -> HeldKey:
    [key] = read_keys(issued.der, passphrase=lambda: b"")
    return key


def _describe(
    issued: Issued, *, known: KnownCertificates | None = None, catalog: Catalog | None = None, at: datetime = NOW
) -> KeyDescription:
    return describe_key(_held(issued), known=known or KnownCertificates(), catalog=catalog or Catalog(), at=at)


def _anchor(issued: Issued) -> Certificate:
    element = read_certificate(issued.der)
    assert isinstance(element, Certificate)
    return element


def test_a_leaf_of_one_s_own_has_nothing_against_it() -> None:
    described = _describe(SITE.leaf, known=load_known_certificates(), catalog=load_catalog())
    assert (described.role, described.validity, described.root_store) == (Role.LEAF, Validity.VALID, None)
    assert described.ca_names == ()
    assert described.findings == ()


@pytest.mark.parametrize(
    ("past_the_start", "past_the_end", "validity"),
    [
        (timedelta(seconds=-1), None, Validity.NOT_YET),
        (timedelta(0), None, Validity.VALID),
        (None, timedelta(0), Validity.VALID),
        (None, timedelta(seconds=1), Validity.EXPIRED),
    ],
)
def test_both_ends_belong_to_the_validity(
    past_the_start: timedelta | None, past_the_end: timedelta | None, validity: Validity
) -> None:
    certificate = SITE.leaf.certificate
    at = certificate.not_valid_before_utc if past_the_start is not None else certificate.not_valid_after_utc
    assert _describe(SITE.leaf, at=at + (past_the_start or past_the_end or timedelta(0))).validity is validity


def test_an_intermediate_that_nobody_knows_is_warned_of() -> None:
    [finding] = _describe(SITE.intermediate).findings
    assert finding.code == "intermediate_key"


def test_an_intermediate_of_the_catalog_is_named_and_warned_of_once() -> None:
    key = _held(SITE.intermediate)
    name = CaName("Example CA 7", CaState.RETIRED)
    described = _describe(SITE.intermediate, catalog=Catalog(ca_names={key.pin: (name,)}))
    assert described.ca_names == (name,)
    assert [finding.code for finding in described.findings] == ["retired_ca_key"]


def test_a_root_is_found_in_its_store_and_a_cross_signed_one_too() -> None:
    root = make_root("Public Root")
    crossed = cross_sign(root, by=make_root("Older Root"))
    known = KnownCertificates(public=(_anchor(root),), operator=(_anchor(SITE.root),))
    assert _describe(root, known=known).root_store is Anchor.PUBLIC
    assert _describe(SITE.root, known=known).root_store is Anchor.OPERATOR
    described = _describe(crossed, known=known)
    assert (described.role, described.root_store, described.findings) == (Role.INTERMEDIATE, Anchor.PUBLIC, ())


def test_of_a_key_without_a_certificate_only_the_pin_is_judged() -> None:
    key = _held(SITE.leaf)
    bare = HeldKey(key.kind, key.pin)
    catalog = Catalog(example_pins={key.pin: "a tutorial"})
    described = describe_key(bare, known=KnownCertificates(), catalog=catalog, at=NOW)
    assert [described.role, described.validity, described.root_store] == [None, None, None]
    assert [finding.code for finding in described.findings] == ["example_pin"]
