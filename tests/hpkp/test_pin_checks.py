"""What speaks against a pin, by what is known of its key."""

from datetime import date

import pytest

from app.catalog.load import load_catalog
from app.hpkp.catalog import CaName, CaState, Catalog
from app.hpkp.findings import Severity
from app.hpkp.header.lint import Subject, lint_header
from app.hpkp.pin_checks import check_pin
from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import RootDeparture
from app.hpkp.x509.certificate_role import Role

CATALOG = load_catalog()
MINE = Pin(bytes(range(32)))


def _of_state(state: CaState) -> Pin:
    named = {pin: {name.state for name in names} for pin, names in CATALOG.ca_names.items()}
    return next(pin for pin, states in named.items() if states == {state} and pin not in CATALOG.departed_roots)


@pytest.mark.parametrize(
    ("pin", "code", "severity"),
    [
        (next(iter(CATALOG.example_pins)), "example_pin", Severity.BLOCKER),
        (next(iter(CATALOG.known_bad)), "known_bad_key", Severity.BLOCKER),
        (next(iter(CATALOG.captive_portals)), "captive_portal_key", Severity.BLOCKER),
        (_of_state(CaState.RETIRED), "retired_ca_key", Severity.BLOCKER),
        (_of_state(CaState.OLD), "retired_ca_key", Severity.BLOCKER),
        (next(iter(CATALOG.departed_roots)), "departed_root_key", Severity.BLOCKER),
        (_of_state(CaState.ACTIVE), "rotating_ca_key", Severity.WARNING),
        (_of_state(CaState.BACKUP), "rotating_ca_key", Severity.WARNING),
    ],
)
def test_a_key_of_which_something_is_known_has_one_finding(pin: Pin, code: str, severity: Severity) -> None:
    [finding] = check_pin(pin, CATALOG)
    assert (finding.code, finding.severity) == (code, severity)
    assert str(pin) in finding.message


PENDING = _of_state(CaState.PENDING)
GONE = Pin(bytes(range(1, 33)))
DEPARTED = Catalog(
    ca_names={GONE: (CaName("Old Root", CaState.OLD),)},
    departed_roots={GONE: ("Old Root", RootDeparture(date(2024, 5, 1), "removed", "removed by Mozilla, bug 1", 1))},
)


def test_a_root_that_left_the_store_is_told_once_with_the_day_and_the_reason() -> None:
    [finding] = check_pin(GONE, DEPARTED)
    assert (finding.code, finding.severity) == ("departed_root_key", Severity.BLOCKER)
    assert "Old Root" in finding.message
    assert "2024-05-01" in finding.message
    assert "removed by Mozilla, bug 1" in finding.message


def test_a_root_that_is_in_the_store_and_no_longer_trusted_is_warned_of() -> None:
    distrusted = RootDeparture(date(2024, 5, 1), "distrusted", "distrusted by Mozilla", None)
    [finding] = check_pin(GONE, Catalog(departed_roots={GONE: ("Root", distrusted)}), role=Role.TRUST_ANCHOR)
    assert (finding.code, finding.severity) == ("distrusted_root_key", Severity.WARNING)


def test_a_root_that_no_store_has_yet_is_no_intermediate_that_rotates() -> None:
    for role in (None, Role.TRUST_ANCHOR, Role.INTERMEDIATE):
        [finding] = check_pin(PENDING, CATALOG, role=role)
        assert (finding.code, finding.severity) == ("pending_root_key", Severity.INFO)


@pytest.mark.parametrize(
    ("role", "in_store", "codes"),
    [
        (None, False, []),
        (Role.LEAF, False, []),
        (Role.TRUST_ANCHOR, False, []),
        (Role.UNKNOWN, False, []),
        (Role.INTERMEDIATE, False, ["intermediate_key"]),
        (Role.INTERMEDIATE, True, []),
    ],
)
def test_of_a_key_that_no_catalog_knows_the_role_decides(role: Role | None, in_store: bool, codes: list[str]) -> None:
    assert [finding.code for finding in check_pin(MINE, CATALOG, role=role, in_store=in_store)] == codes


def test_a_current_root_that_is_served_as_a_cross_certificate_is_no_intermediate() -> None:
    assert list(check_pin(_of_state(CaState.ROOT), CATALOG, role=Role.INTERMEDIATE)) == []


@pytest.mark.parametrize("pin", [MINE, _of_state(CaState.ROOT)], ids=["a key of one's own", "a public root"])
def test_other_keys_have_none(pin: Pin) -> None:
    assert list(check_pin(pin, CATALOG)) == []
    assert list(check_pin(pin, Catalog())) == []


def test_a_header_with_a_compromised_key_is_told_the_same() -> None:
    bad = next(iter(CATALOG.known_bad))
    review = lint_header(Subject((f"{MINE.directive}; {bad.directive}; max-age=300",), catalog=CATALOG))
    assert set(check_pin(bad, CATALOG)) <= set(review.findings)
