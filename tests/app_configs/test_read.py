"""Which pins each form puts on a name, whatever the file is called."""

import plistlib
from datetime import date

import pytest

from app.app_configs.limits import AppConfig
from app.app_configs.recognize import read_config
from app.hpkp.app_pins.forms import Form, PinKind, PinMode, Scope
from app.hpkp.app_pins.model import AppIdentity, PinLayer
from tests.support.app_pins import (
    API,
    APP_JSON,
    APPLE,
    BACKUP,
    CURL,
    ELECTRON,
    FIRST,
    FLUTTER,
    NSC,
    OKHTTP,
    OTHER,
    PINS_JSON,
    RN_SPKI,
    SSL_CONFIG,
    TRUSTKIT_ANDROID,
    WULTRA,
)

F, B, A, O = FIRST, BACKUP, API, OTHER  # noqa: E741


def read(text: str) -> AppConfig:
    return read_config(text.encode())


def layer_of(text: str, form: Form) -> PinLayer:
    [layer] = [layer for layer in read(text).layers if layer.form is form]
    return layer


@pytest.mark.parametrize(
    ("text", "form", "host", "pins"),
    [
        # The most specific name alone counts; every domain of a config is pinned; the parent's pin-set is inherited.
        (NSC, Form.NSC, "shop.example", {F, B}),
        (NSC, Form.NSC, "deep.down.shop.example", {F, B}),
        (NSC, Form.NSC, "pay.example", {F, B}),
        (NSC, Form.NSC, "www.pay.example", set()),
        (NSC, Form.NSC, "api.shop.example", {A}),
        (NSC, Form.NSC, "x.api.shop.example", {F, B}),
        (NSC, Form.NSC, "x.img.shop.example", {F, B}),
        (NSC, Form.NSC, "free.shop.example", set()),
        (NSC, Form.NSC, "evilshop.example", set()),
        (NSC, Form.NSC, "10.0.2.2", set()),
        # The system pins both domains; TrustKit the last alone, and lets includeSubdomains be inherited.
        (TRUSTKIT_ANDROID, Form.NSC, "old.example", {F, B}),
        (TRUSTKIT_ANDROID, Form.NSC, "x.api.shop.example", {F, B}),
        (TRUSTKIT_ANDROID, Form.TRUSTKIT_ANDROID, "old.example", set()),
        (TRUSTKIT_ANDROID, Form.TRUSTKIT_ANDROID, "shop.example", {F, B}),
        (TRUSTKIT_ANDROID, Form.TRUSTKIT_ANDROID, "x.api.shop.example", {A, O}),
        (APPLE, Form.TRUSTKIT_PLIST, "deep.down.shop.example", {F, B}),
        (APPLE, Form.TRUSTKIT_PLIST, "free.shop.example", set()),
        (APPLE, Form.TRUSTKIT_PLIST, "x.free.shop.example", {F, B}),
        # Apple unites the exact entry with the one above it, and goes one label deep.
        (APPLE, Form.ATS, "shop.example", {A}),
        (APPLE, Form.ATS, "www.shop.example", {A}),
        (APPLE, Form.ATS, "api.shop.example", {A, O}),
        (APPLE, Form.ATS, "x.api.shop.example", set()),
        (OKHTTP, Form.OKHTTP, "shop.example", set()),
        (OKHTTP, Form.OKHTTP, "www.shop.example", {F, B}),
        (OKHTTP, Form.OKHTTP, "api.shop.example", {F, B, A}),
        (OKHTTP, Form.OKHTTP, "x.api.shop.example", set()),
        (OKHTTP, Form.OKHTTP, "pay.example", {F}),
        (OKHTTP, Form.OKHTTP, "a.b.pay.example", {F}),
        (OKHTTP, Form.OKHTTP, "commented.example", set()),
        (OKHTTP, Form.OKHTTP, "also.example", set()),
        # The exact name, else the first in the order of the file; subdomains by default.
        (SSL_CONFIG, Form.SSL_MANAGER, "api.shop.example", {A}),
        (SSL_CONFIG, Form.SSL_MANAGER, "x.api.shop.example", {F, B}),
        (SSL_CONFIG, Form.SSL_MANAGER, "www.pay.example", set()),
        (RN_SPKI, Form.RN_SPKI, "www.shop.example", {F, B}),
        (APP_JSON, Form.EXPO_SECURITY, "www.shop.example", {F, B}),
        (APP_JSON, Form.EXPO_SECURITY, "www.pay.example", set()),
        (APP_JSON, Form.ATS, "shop.example", {F}),
        (PINS_JSON, Form.EXPENSIFY, "shop.example", {F, B}),
        (PINS_JSON, Form.EXPENSIFY, "www.shop.example", set()),
        (CURL, Form.CURL, "shop.example", {F, B}),
    ],
)
def test_a_host_has_the_pins_that_the_library_would_compare(
    text: str, form: Form, host: str, pins: set[object]
) -> None:
    assert {carried.pin for carried in layer_of(text, form).pins_for(host)} == pins


@pytest.mark.parametrize("text", [WULTRA, ELECTRON, FLUTTER])
def test_hashes_of_certificates_are_no_pins_of_keys(text: str) -> None:
    [carried] = layer_of(text, Form.CERTIFICATE_HASHES).pins_for("shop.example")
    assert (carried.kind, carried.digest, carried.pin) == (PinKind.CERTIFICATE, FIRST.digest, None)


def test_electrons_hash_is_told_from_the_pin_that_is_spelled_the_same() -> None:
    as_okhttp = ELECTRON.replace("setCertificateVerifyProc", "CertificatePinner.Builder().add")
    assert "sha256/" in as_okhttp
    with pytest.raises(ValueError, match="no add"):
        read(as_okhttp)


def test_mode_expiry_report_uris_and_the_copy_to_the_vendor_are_read() -> None:
    [android] = [entry for entry in layer_of(TRUSTKIT_ANDROID, Form.TRUSTKIT_ANDROID).entries if "api" in entry.name]
    assert (android.mode, android.expires_on, android.scope) == (
        PinMode.MONITOR,
        date(2028, 3, 1),
        Scope.NAME_AND_BELOW,
    )
    assert android.report_uris == ("https://collect.test/report/android",)
    assert not android.reports_to_vendor
    apple = layer_of(APPLE, Form.TRUSTKIT_PLIST).entries[0]
    assert (apple.mode, apple.expires_on, apple.reports_to_vendor) == (PinMode.ENFORCE, date(2028, 3, 1), True)
    native = {entry.name: entry for entry in layer_of(SSL_CONFIG, Form.SSL_MANAGER).entries}
    assert native["pay.example"].mode is PinMode.MONITOR
    assert native["pay.example"].expires_on == date(2028, 3, 1)
    assert native["shop.example"].mode is PinMode.ENFORCE


def test_a_nested_config_of_the_system_does_not_inherit_the_expiry_of_its_own_pin_set() -> None:
    entries = {entry.name: entry for entry in layer_of(NSC, Form.NSC).entries}
    assert entries["api.shop.example"].expires_on is None
    assert entries["img.shop.example"].expires_on == date(2028, 3, 1)
    assert "10.0.2.2" not in entries


@pytest.mark.parametrize("binary", [False, True])
def test_a_built_property_list_is_read_like_its_source(binary: bool) -> None:
    source = plistlib.loads(APPLE.encode())
    data = plistlib.dumps(source, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML, sort_keys=False)
    config = read_config(data)
    assert config == read(APPLE)
    assert config.identity == AppIdentity("example.shop", "4.2", "4207")


def test_a_file_of_trustkits_own_is_read_like_the_part_of_an_info_plist() -> None:
    source = plistlib.loads(APPLE.encode())
    own = read_config(plistlib.dumps(source["TSKConfiguration"], sort_keys=False))
    assert own.layers == (layer_of(APPLE, Form.TRUSTKIT_PLIST),)


def test_an_identity_that_the_build_sets_is_not_guessed() -> None:
    config = read(APPLE.replace("example.shop", "$(PRODUCT_BUNDLE_IDENTIFIER)"))
    assert config.identity == AppIdentity("", "4.2", "4207")
    assert [finding.code for finding in config.findings] == ["build_variables"]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", [SSL_CONFIG, OKHTTP, APPLE.replace(' encoding="UTF-8"', "")])
def test_the_text_may_be_in_what_windows_tools_write(text: str, codec: str) -> None:
    assert read_config(text.encode(codec)).layers == read(text).layers


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (NSC, []),
        (NSC.replace('src="system"', 'src="user"'), ["user_roots_trusted"]),
        (NSC.replace('src="system"', 'src="user" overridePins="true"'), ["pins_overridden"]),
        (f"<network-security-config><pin-set><pin>{F}</pin></pin-set></network-security-config>", ["pin_set_ignored"]),
        (
            "<network-security-config><domain-config><domain>a.example</domain><pin-set/></domain-config>"
            "</network-security-config>",
            ["empty_pin_set"],
        ),
        (
            f'<network-security-config><domain-config><domain>a.example</domain><pin digest="SHA-256">{F}</pin>'
            "</domain-config></network-security-config>",
            ["pin_outside_pin_set"],
        ),
        (APPLE.replace("TSKReportUris", "TSKReportURIs"), ["unknown_key"]),
        (APPLE.replace("SPKI-SHA256-BASE64", "SPKI-SHA256-PIN"), ["identity_ignored", "identity_ignored"]),
        (APPLE.replace("<key>NSIncludesSubdomains</key><true/>", "<key>NSIncludesSubdomains</key><string>YES</string>"),
         ["identity_ignored"]),
        (OKHTTP, ["read_from_source"]),
        (APP_JSON, ["platforms_differ"]),
    ],
)  # fmt: skip
def test_what_the_library_passes_over_in_silence_is_told(text: str, codes: list[str]) -> None:
    assert [finding.code for finding in read(text).findings] == codes


def test_an_override_outside_debugging_lets_chains_to_local_roots_pass() -> None:
    assert not layer_of(NSC, Form.NSC).local_roots_bypass
    assert layer_of(NSC.replace('src="system"', 'src="user" overridePins="true"'), Form.NSC).local_roots_bypass


def test_ats_and_okhttp_take_pins_that_match_nothing() -> None:
    okhttp = layer_of(OKHTTP.replace(f"sha256/{API}", "sha256/AAAA"), Form.OKHTTP)
    ats = layer_of(APPLE.replace(f"<string>{API}</string>", "<string>not-a-pin!</string>"), Form.ATS)
    for layer in (okhttp, ats):
        assert any(not carried.can_match for carried in layer.pins_for("api.shop.example"))
