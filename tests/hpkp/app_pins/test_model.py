"""Which hosts an entry covers, when it ends, and which chains a layer lets pass."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.hpkp.app_pins.forms import ExpiryRule, Form, PinKind, PinMode, Scope
from app.hpkp.app_pins.model import CarriedPin, ExpiryState, PathKey, PinEntry, PinLayer, expiry_instants
from tests.support.app_pins import API, BACKUP, FIRST, OTHER

F, B, A, O = (CarriedPin(pin.digest) for pin in (FIRST, BACKUP, API, OTHER))  # noqa: E741
CERTIFICATE = CarriedPin(bytes(range(32)), PinKind.CERTIFICATE)
NAME = "shop.example"


@pytest.mark.parametrize(
    ("scope", "hosts"),
    [
        (Scope.EXACT, {NAME}),
        (Scope.ONE_LABEL, {"www.shop.example"}),
        (Scope.NAME_AND_ONE_LABEL, {NAME, "www.shop.example"}),
        (Scope.NAME_AND_BELOW, {NAME, "www.shop.example", "a.www.shop.example"}),
    ],
)
def test_a_scope_covers_these_hosts_and_no_others(scope: Scope, hosts: set[str]) -> None:
    every = {NAME, "www.shop.example", "a.www.shop.example", "evilshop.example", "example"}
    assert {host for host in every if PinEntry(NAME, scope).covers(host)} == hosts


@pytest.mark.parametrize(
    ("rule", "first", "last"),
    [
        (ExpiryRule.UTC_START, "2027-06-30T00:00", "2027-06-30T00:00"),
        (ExpiryRule.UTC_END, "2027-07-01T00:00", "2027-07-01T00:00"),
        (ExpiryRule.DEVICE_START, "2027-06-29T10:00", "2027-06-30T12:00"),
    ],
)
def test_a_date_ends_the_pins_by_the_rule_of_the_form(rule: ExpiryRule, first: str, last: str) -> None:
    entry = PinEntry(NAME, expires_on=date(2027, 6, 30))
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))
    assert expiry_instants(date(2027, 6, 30), rule) == (begin, end)
    second = timedelta(seconds=1)
    assert entry.state_at(begin - second, rule) is ExpiryState.ON
    assert entry.state_at(end, rule) is ExpiryState.OFF
    assert entry.state_at(end - second, rule) is (ExpiryState.ON if begin == end else ExpiryState.DEPENDS)
    assert PinEntry(NAME).state_at(end, rule) is ExpiryState.ON


def path(*keys: CarriedPin) -> list[PathKey]:
    return [PathKey(key.digest, b"certificate of " + key.digest) for key in keys]


@pytest.mark.parametrize(
    ("form", "entries", "keys", "passes"),
    [
        (Form.NSC, [PinEntry(NAME, pins=(F, B))], (O, B), True),
        (Form.NSC, [PinEntry(NAME, pins=(F, B))], (O, A), False),
        (Form.NSC, [PinEntry(NAME)], (O, A), True),
        (Form.CURL, [PinEntry(NAME, pins=(F,))], (F, A), True),
        (Form.CURL, [PinEntry(NAME, pins=(F,))], (A, F), False),  # the leaf alone is compared
        (Form.ATS, [PinEntry(NAME, leaf_pins=(F,))], (F, A), True),
        (Form.ATS, [PinEntry(NAME, leaf_pins=(F,))], (A, F), False),
        (Form.ATS, [PinEntry(NAME, ca_pins=(F,))], (A, F), True),
        (Form.ATS, [PinEntry(NAME, ca_pins=(F,))], (F, A), False),
        (Form.ATS, [PinEntry(NAME, leaf_pins=(F,), ca_pins=(B,))], (F, A), False),  # both must match
        (Form.ATS, [PinEntry(NAME, leaf_pins=(F,), ca_pins=(B,))], (F, B), True),
        (Form.OKHTTP, [PinEntry(NAME, pins=(F,)), PinEntry(NAME, pins=(B,))], (O, B), True),  # united
        (Form.NSC, [PinEntry(NAME, pins=(CarriedPin(b"short"),))], (F, B), False),
        (Form.CERTIFICATE_HASHES, [PinEntry(NAME, pins=(CERTIFICATE,))], (F,), False),
    ],
)  # fmt: skip
def test_a_path_passes_if_the_library_would_let_it(
    form: Form, entries: list[PinEntry], keys: tuple[CarriedPin, ...], passes: bool
) -> None:
    layer = PinLayer(form, tuple(entries))
    assert layer.accepts(path(*keys), layer.entries_for(NAME)) is passes


def test_a_hash_of_a_certificate_is_compared_with_certificates_and_never_with_keys() -> None:
    layer = PinLayer(Form.CERTIFICATE_HASHES, (PinEntry(NAME, pins=(CERTIFICATE,)),))
    assert layer.accepts([PathKey(bytes(32), CERTIFICATE.digest)], layer.entries)
    assert not layer.accepts([PathKey(CERTIFICATE.digest, bytes(32))], layer.entries)


@pytest.mark.parametrize(("form", "pins"), [(Form.NSC, {A}), (Form.OKHTTP, {A, F}), (Form.SSL_MANAGER, {F})])
def test_overlapping_entries_combine_as_the_library_does(form: Form, pins: set[CarriedPin]) -> None:
    parent = PinEntry(NAME, Scope.NAME_AND_BELOW, pins=(F,))
    layer = PinLayer(form, (parent, PinEntry("api.shop.example", Scope.NAME_AND_BELOW, pins=(A,))))
    assert layer.pins_for("x.api.shop.example") == pins
    assert layer.pins_for("www.shop.example") == {F}


def test_an_exclusion_takes_its_name_out_of_the_entry_above() -> None:
    parent = PinEntry(NAME, Scope.NAME_AND_BELOW, pins=(F,))
    layer = PinLayer(Form.TRUSTKIT_PLIST, (parent, PinEntry("free.shop.example", mode=PinMode.EXCLUDE)))
    assert layer.entries_for("free.shop.example") == ()
    assert layer.pins_for("x.free.shop.example") == {F}
