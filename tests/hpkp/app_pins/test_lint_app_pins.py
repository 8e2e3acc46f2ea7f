"""What is wrong with an app's pins: every rule with a case in which it speaks and one in which it is silent."""

from datetime import UTC, date, datetime

import pytest

from app.catalog.load import load_catalog
from app.hpkp.app_pins.forms import Form, PinKind, PinMode, Scope
from app.hpkp.app_pins.lint import LintContext, lint_layer, lint_release
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.catalog import CaState
from tests.support.app_pins import API, BACKUP, FIRST, OTHER

CATALOG = load_catalog()
CONTEXT = LintContext(CATALOG, datetime(2026, 11, 27, tzinfo=UTC))
F, B, A, O = (CarriedPin(pin.digest) for pin in (FIRST, BACKUP, API, OTHER))  # noqa: E741
EXAMPLE = CarriedPin(next(iter(CATALOG.example_pins)).digest)
ROTATING = CarriedPin(
    next(pin for pin, names in CATALOG.ca_names.items() if {name.state for name in names} == {CaState.ACTIVE}).digest
)
NAME = "shop.example"


def entry(name: str = NAME, **said: object) -> PinEntry:
    return PinEntry(name, **{"pins": (F, B), **said})  # type: ignore[arg-type]


def codes(form: Form, *entries: PinEntry, bypass: bool = False) -> set[str]:
    return {finding.code for finding in lint_layer(PinLayer(form, entries, bypass), CONTEXT)}


BELOW = entry(scope=Scope.NAME_AND_BELOW)


@pytest.mark.parametrize(
    ("code", "form", "wrong", "right"),
    [
        ("no_backup_pin", Form.NSC, [entry(pins=(F,))], [entry()]),
        ("no_backup_pin", Form.OKHTTP, [entry(pins=(F,))], [entry(pins=(F,)), entry(scope=Scope.NAME_AND_BELOW, pins=(B,))]),
        ("same_pin_twice", Form.NSC, [entry(pins=(F, B, F))], [entry()]),
        ("no_pins", Form.ATS, [entry(pins=())], [entry(mode=PinMode.EXCLUDE, pins=())]),
        ("pin_never_matches", Form.OKHTTP, [entry(pins=(F, CarriedPin(b"x")))], [entry()]),
        ("locks_everybody_out", Form.OKHTTP, [entry(pins=(CarriedPin(b"x"), EXAMPLE))], [entry(pins=(F, EXAMPLE))]),
        ("example_pin", Form.NSC, [entry(pins=(F, EXAMPLE))], [entry()]),
        ("rotating_ca_key", Form.NSC, [entry(pins=(F, ROTATING))], [entry()]),
        ("certificate_hash", Form.CERTIFICATE_HASHES, [entry(pins=(CarriedPin(F.digest, PinKind.CERTIFICATE),))], [entry()]),
        ("pins_expired", Form.NSC, [entry(expires_on=date(2026, 11, 26))], [entry(expires_on=date(2028, 1, 1))]),
        ("pins_expire_soon", Form.NSC, [entry(expires_on=date(2026, 12, 5))], [entry(expires_on=date(2026, 12, 10))]),
        ("pins_expire_early", Form.NSC, [entry(expires_on=date(2027, 11, 1))], [entry(expires_on=date(2027, 12, 1))]),
        ("name_never_matches", Form.NSC, [entry("*.shop.example")], [entry()]),
        ("name_never_matches", Form.TRUSTKIT_PLIST, [entry("Shop.example")], [entry()]),
        ("name_never_matches", Form.TRUSTKIT_PLIST, [entry("https://shop.example")], [entry()]),
        ("wildcard_without_its_name", Form.OKHTTP, [entry(scope=Scope.ONE_LABEL)], [entry(scope=Scope.ONE_LABEL), entry()]),
        ("subdomains_one_label_only", Form.ATS, [entry(scope=Scope.NAME_AND_ONE_LABEL)], [entry()]),
        ("both_lists_must_match", Form.ATS, [entry(pins=(), leaf_pins=(F,), ca_pins=(B,))], [entry(pins=(), leaf_pins=(F, B))]),
        ("ca_pin_in_leaf_list", Form.ATS, [entry(pins=(), leaf_pins=(ROTATING,))], [entry(pins=(), ca_pins=(ROTATING,))]),
        ("vendor_gets_reports", Form.TRUSTKIT_PLIST, [entry(reports_to_vendor=True)], [entry()]),
        ("report_host_pinned", Form.TRUSTKIT_ANDROID, [entry(scope=Scope.NAME_AND_BELOW, report_uris=("https://user@r.shop.example:8443/x",))],
         [entry(scope=Scope.NAME_AND_BELOW, report_uris=("https://r.test/shop.example",))]),
        ("monitors_for_nobody", Form.TRUSTKIT_PLIST, [entry(mode=PinMode.MONITOR)], [entry(mode=PinMode.MONITOR, report_uris=("https://r.test/",))]),
        ("monitor_not_everywhere", Form.TRUSTKIT_ANDROID, [entry(mode=PinMode.MONITOR)], [entry()]),
        ("cannot_report", Form.OKHTTP, [entry()], []),
        ("replaces_pins_above", Form.NSC, [BELOW, entry("api.shop.example", pins=(A, O))], [BELOW, entry("api.shop.example", pins=(A, F))]),
    ],
)  # fmt: skip
def test_a_rule_speaks_where_it_should_and_only_there(
    code: str, form: Form, wrong: list[PinEntry], right: list[PinEntry]
) -> None:
    assert code in codes(form, *wrong)
    assert code not in codes(Form.TRUSTKIT_PLIST if not right else form, *(right or [entry()]))


def test_united_entries_are_no_replacement() -> None:
    assert "replaces_pins_above" not in codes(Form.OKHTTP, BELOW, entry("api.shop.example", pins=(A, O)))


def test_a_bypass_for_local_roots_is_told() -> None:
    assert "local_roots_bypass" in codes(Form.TRUSTKIT_PLIST, entry(), bypass=True)
    assert "local_roots_bypass" not in codes(Form.TRUSTKIT_PLIST, entry())


def test_two_layers_without_a_pin_in_common_are_told_once_for_each_name() -> None:
    first = PinLayer(Form.NSC, (BELOW,))
    second = PinLayer(Form.OKHTTP, (entry(pins=(A, O)), entry("www.shop.example", pins=(F, A))))
    told = [finding for finding in lint_release((first, second), CONTEXT) if finding.code.startswith("layers_")]
    assert [finding.evidence["name"] for finding in told] == [NAME]


def test_the_life_of_a_release_counts_from_when_it_is_shipped() -> None:
    late = LintContext(CATALOG, CONTEXT.at, shipped_at=datetime(2027, 6, 1, tzinfo=UTC))
    layer = PinLayer(Form.NSC, (entry(expires_on=date(2028, 1, 1)),))
    assert "pins_expire_early" in {finding.code for finding in lint_layer(layer, late)}
    assert "pins_expire_early" not in {finding.code for finding in lint_layer(layer, CONTEXT)}


def test_the_worst_comes_first() -> None:
    found = lint_layer(PinLayer(Form.NSC, (entry(pins=(F, F)),)), CONTEXT)
    assert [finding.severity.in_lint for finding in found] == ["error", "warning", "info"]
