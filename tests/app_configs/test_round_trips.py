"""What is written in a form is read as the same pins of the same hosts, whatever they are, or is refused by name."""

from collections.abc import Iterable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.app_configs.recognize import read_config
from app.app_configs.writers import WRITERS, write_config
from app.hpkp.app_pins.forms import FORMS, Expiry, Form, Overlap, PinKind, PinMode, Scope
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.errors import CannotExpress
from tests.support.app_pins import (
    APP_JSON,
    APPLE,
    BACKUP,
    CURL,
    FIRST,
    NSC,
    OKHTTP,
    PINS_JSON,
    RN_SPKI,
    SSL_CONFIG,
    TRUSTKIT_ANDROID,
)

READ_AND_WRITTEN = [form for form in WRITERS if FORMS[form].reads]
LABELS = st.sampled_from(["a", "b", "api", "www"])
NAMES = st.lists(LABELS, max_size=3).map(lambda labels: ".".join((*labels, "shop", "example")))
PINS = st.lists(st.binary(min_size=32, max_size=32).map(CarriedPin), min_size=2, max_size=4, unique=True).map(tuple)
URIS = st.lists(st.sampled_from(["https://collect.test/report/a", "https://c.test/?a=1&b=<2>"]), unique=True).map(tuple)


def entries_of(form: Form) -> st.SearchStrategy[PinEntry]:
    """Return entries that the form can express."""
    traits = FORMS[form]
    expiry = st.dates(date(2026, 1, 1), date(2040, 1, 1))
    return st.builds(
        PinEntry,
        NAMES,
        st.sampled_from(sorted(traits.scopes)),
        st.sampled_from(sorted(traits.modes - {PinMode.EXCLUDE})),
        pins=st.just(()) if traits.leaf_and_ca_lists else PINS,
        leaf_pins=PINS if traits.leaf_and_ca_lists else st.just(()),
        ca_pins=st.one_of(PINS, st.just(())) if traits.leaf_and_ca_lists else st.just(()),
        expires_on={
            Expiry.NONE: st.none(),
            Expiry.OPTIONAL: st.none() | expiry,
            Expiry.REQUIRED: expiry,
        }[traits.expiry],
        report_uris=URIS if traits.report_uris and not traits.one_set_of_report_uris else st.just(()),
        reports_to_vendor=st.booleans() if traits.report_uris and not traits.one_set_of_report_uris else st.just(False),
    )


def layers_of(form: Form) -> st.SearchStrategy[PinLayer]:
    key = (lambda entry: (entry.name, entry.scope)) if FORMS[form].repeats_names else (lambda entry: entry.name)
    entries = st.lists(entries_of(form), min_size=1, max_size=5, unique_by=key)
    if FORMS[form].one_mode:
        entries = entries.map(lambda found: [entry for entry in found if entry.mode is found[0].mode])
    return entries.map(lambda found: PinLayer(form, tuple(found)))


def read_back(text: str, form: Form) -> PinLayer:
    [layer] = [layer for layer in read_config(text.encode()).layers if layer.form is form]
    return layer


def written_or_loss(layer: PinLayer, form: Form) -> str | CannotExpress:
    try:
        return write_config(layer, form)
    except CannotExpress as loss:
        return loss


def hosts_of(entries: Iterable[PinEntry]) -> set[str]:
    return {host for entry in entries for host in entry.sample_hosts}


@pytest.mark.parametrize("form", READ_AND_WRITTEN)
def test_what_is_written_is_read_back_equal(form: Form) -> None:
    @settings(max_examples=60, deadline=None)
    @given(layers_of(form))
    def check(layer: PinLayer) -> None:
        assert read_back(write_config(layer, form), form) == layer

    check()


@pytest.mark.parametrize("source", READ_AND_WRITTEN)
@pytest.mark.parametrize("form", READ_AND_WRITTEN)
def test_in_another_form_each_host_has_the_same_pins_or_the_loss_is_named(source: Form, form: Form) -> None:
    @settings(max_examples=40, deadline=None)
    @given(layers_of(source))
    def check(layer: PinLayer) -> None:
        written = written_or_loss(layer, form)
        if isinstance(written, CannotExpress):
            assert str(written).startswith(f"{FORMS[form].title} cannot express this: ")
            return
        found = read_back(written, form)
        for host in hosts_of((*layer.entries, *found.entries)):
            assert found.pins_for(host) == layer.pins_for(host), host
            before, after = layer.entries_for(host), found.entries_for(host)
            assert {entry.mode for entry in after} == {entry.mode for entry in before}
            assert {entry.expires_on for entry in after} == {entry.expires_on for entry in before}

    check()


@pytest.mark.parametrize("text", [NSC, TRUSTKIT_ANDROID, APPLE, OKHTTP, SSL_CONFIG, RN_SPKI, PINS_JSON, CURL])
def test_a_file_as_people_write_it_means_the_same_after_it_was_read_and_written(text: str) -> None:
    for layer in read_config(text.encode()).layers:
        found = read_back(write_config(layer, layer.form), layer.form)
        for host in hosts_of(layer.entries):
            assert found.entries_for(host) == layer.entries_for(host), (layer.form, host)


def layer(form: Form, *entries: PinEntry) -> PinLayer:
    return PinLayer(form, entries)


def entry(name: str = "shop.example", **said: object) -> PinEntry:
    return PinEntry(name, **{"pins": (CarriedPin(FIRST.digest), CarriedPin(BACKUP.digest)), **said})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "form", "loss"),
    [
        (layer(Form.TRUSTKIT_PLIST, entry(mode=PinMode.MONITOR)), Form.NSC, "no mode that only reports"),
        (layer(Form.TRUSTKIT_PLIST, entry(mode=PinMode.MONITOR)), Form.OKHTTP, "no mode that only reports"),
        (layer(Form.NSC, entry(), entry("a.shop.example", mode=PinMode.EXCLUDE, pins=())), Form.OKHTTP, "cannot take a name out"),
        (layer(Form.NSC, entry(scope=Scope.NAME_AND_BELOW)), Form.ATS, "subdomains of any depth"),
        (layer(Form.OKHTTP, entry(scope=Scope.ONE_LABEL)), Form.NSC, "only the names one label below"),
        (layer(Form.ATS, entry(pins=(), leaf_pins=(CarriedPin(FIRST.digest),), scope=Scope.NAME_AND_ONE_LABEL)), Form.NSC,
         "and no deeper ones"),
        (layer(Form.NSC, entry(expires_on=date(2028, 1, 1))), Form.OKHTTP, "would not expire on 2028-01-01, but never"),
        (layer(Form.NSC, entry()), Form.CRONET, "needs a date"),
        (layer(Form.NSC, entry(pins=(CarriedPin(FIRST.digest),))), Form.TRUSTKIT_PLIST, "needs 2 distinct pins, there are 1"),
        (layer(Form.NSC, entry(pins=(CarriedPin(FIRST.digest),) * 2)), Form.TRUSTKIT_PLIST, "2 distinct pins, there are 1"),
        (layer(Form.NSC, entry()), Form.ATS, "which pins are the leaf's and which a CA's"),
        (layer(Form.ATS, entry(pins=(), leaf_pins=(CarriedPin(FIRST.digest),), ca_pins=(CarriedPin(BACKUP.digest),))),
         Form.NSC, "cannot say which pins are the leaf's"),
        (layer(Form.NSC, entry()), Form.CURL, "it compares the leaf"),
        (layer(Form.CERTIFICATE_HASHES, entry(pins=(CarriedPin(FIRST.digest, PinKind.CERTIFICATE),))), Form.CURL,
         "hashes are of certificates"),
        (layer(Form.NSC, entry(scope=Scope.NAME_AND_BELOW), entry("api.shop.example", pins=(CarriedPin(bytes(32)),))),
         Form.OKHTTP, "api.shop.example has not all pins of shop.example above it"),
        (layer(Form.OKHTTP, entry(), entry(scope=Scope.NAME_AND_BELOW, pins=(CarriedPin(bytes(32)),))), Form.NSC,
         "add up for only some of its hosts"),
        (layer(Form.TRUSTKIT_PLIST, entry(), entry("b.example", mode=PinMode.MONITOR)), Form.EXPENSIFY, "one mode"),
        (layer(Form.TRUSTKIT_PLIST, entry(report_uris=("https://a.test/",)), entry("b.example")), Form.SSL_MANAGER,
         "same report-uris"),
        (layer(Form.NSC), Form.OKHTTP, "no names with pins"),
        (layer(Form.NSC, entry()), Form.EXPO_SECURITY, "only read, not written"),
    ],
)  # fmt: skip
def test_what_a_form_has_no_words_for_is_refused(source: PinLayer, form: Form, loss: str) -> None:
    with pytest.raises(CannotExpress) as refused:
        write_config(source, form)
    assert loss in str(refused.value)


def test_united_pins_are_added_up_for_a_form_in_which_the_most_specific_counts() -> None:
    third = CarriedPin(bytes(32))
    okhttp = layer(Form.OKHTTP, entry(scope=Scope.NAME_AND_BELOW), entry("api.shop.example", pins=(third,)))
    nsc = read_back(write_config(okhttp, Form.NSC), Form.NSC)
    assert nsc.pins_for("api.shop.example") == {third, CarriedPin(FIRST.digest), CarriedPin(BACKUP.digest)}
    assert nsc.pins_for("x.api.shop.example") == {CarriedPin(FIRST.digest), CarriedPin(BACKUP.digest)}


def test_swift_and_cronet_are_written_with_every_setting() -> None:
    full = entry(scope=Scope.NAME_AND_BELOW, expires_on=date(2028, 1, 1), report_uris=('https://c.test/"x"',))
    swift = write_config(layer(Form.TRUSTKIT_SWIFT, full), Form.TRUSTKIT_SWIFT)
    for line in (
        '"shop.example": [',
        "kTSKIncludeSubdomains: true,",
        "kTSKEnforcePinning: true,",
        "kTSKDisableDefaultReportUri: true,",
        f'kTSKPublicKeyHashes: ["{FIRST}", "{BACKUP}"],',
        r'kTSKReportUris: ["https://c.test/\"x\""],',
        'kTSKExpirationDate: "2028-01-01",',
    ):
        assert line in swift
    cronet = write_config(layer(Form.CRONET, full), Form.CRONET)
    assert f'.addPublicKeyPins("shop.example", setOf(pin("{FIRST}"), pin("{BACKUP}")), true, ' in cronet
    assert "2028-01-01T00:00:00Z" in cronet


def test_every_form_is_read_or_written_and_expiry_has_a_rule() -> None:
    for form, traits in FORMS.items():
        assert traits.writes is (form in WRITERS), form
        assert traits.reads or traits.writes
        assert (traits.expiry is Expiry.NONE) is (traits.expiry_rule is None)
        assert traits.overlap in Overlap
    assert {layer.form for layer in read_config(APP_JSON.encode()).layers} == {Form.EXPO_SECURITY, Form.ATS}
