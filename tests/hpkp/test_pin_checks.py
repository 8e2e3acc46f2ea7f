"""What speaks against a pin, by what is known of its key."""

import pytest

from app.catalog.load import load_catalog
from app.hpkp.catalog import CaState, Catalog
from app.hpkp.findings import Severity
from app.hpkp.header.lint import Subject, lint_header
from app.hpkp.pin_checks import check_pin
from app.hpkp.pins import Pin

CATALOG = load_catalog()
MINE = Pin(bytes(range(32)))


def _of_state(state: CaState) -> Pin:
    return next(pin for pin, names in CATALOG.ca_names.items() if {name.state for name in names} == {state})


@pytest.mark.parametrize(
    ("pin", "code", "severity"),
    [
        (next(iter(CATALOG.example_pins)), "example_pin", Severity.BLOCKER),
        (next(iter(CATALOG.known_bad)), "known_bad_key", Severity.BLOCKER),
        (next(iter(CATALOG.captive_portals)), "captive_portal_key", Severity.BLOCKER),
        (_of_state(CaState.RETIRED), "retired_ca_key", Severity.BLOCKER),
        (_of_state(CaState.OLD), "retired_ca_key", Severity.BLOCKER),
        (_of_state(CaState.ACTIVE), "rotating_ca_key", Severity.WARNING),
        (_of_state(CaState.BACKUP), "rotating_ca_key", Severity.WARNING),
    ],
)
def test_a_key_of_which_something_is_known_has_one_finding(pin: Pin, code: str, severity: Severity) -> None:
    [finding] = check_pin(pin, CATALOG)
    assert (finding.code, finding.severity) == (code, severity)
    assert str(pin) in finding.message


@pytest.mark.parametrize("pin", [MINE, _of_state(CaState.ROOT)], ids=["a key of one's own", "a public root"])
def test_other_keys_have_none(pin: Pin) -> None:
    assert list(check_pin(pin, CATALOG)) == []
    assert list(check_pin(pin, Catalog())) == []


def test_a_header_with_a_compromised_key_is_told_the_same() -> None:
    bad = next(iter(CATALOG.known_bad))
    review = lint_header(Subject((f"{MINE.directive}; {bad.directive}; max-age=300",), catalog=CATALOG))
    assert set(check_pin(bad, CATALOG)) <= set(review.findings)
