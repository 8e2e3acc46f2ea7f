"""Files that are refused: the whole file, with the place and the reason."""

import json
from collections.abc import Callable

import pytest

from app.app_configs.recognize import read_config
from app.hpkp.errors import InvalidAppConfig
from tests.support.app_pins import (
    API,
    APP_JSON,
    APPLE,
    CURL,
    FIRST,
    NSC,
    OKHTTP,
    PINS_JSON,
    RN_SPKI,
    SSL_CONFIG,
    TRUSTKIT_ANDROID,
    WULTRA,
)


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (changed(NSC, str(API), "AAAA"), "line 15, <pin>: a SHA-256 pin has 32 bytes, 'AAAA' has 3; the app would not"),
        (changed(NSC, str(API), API.digest.hex()), "this is hexadecimal, a pin is base64"),
        (changed(NSC, str(API), f"sha256/{API}"), "line 15, <pin>: "),
        (changed(NSC, "sha-256", "SHA-512"), 'line 9, <pin>: a pin has digest="SHA-256"; Android refuses'),
        (changed(NSC, "2028-03-01", "2028/03/01"), "line 7, <pin-set>: '2028/03/01' is no date"),
        (changed(NSC, "2028-03-01", "2028-02-31"), "line 7, <pin-set>: '2028-02-31' is no date"),
        (changed(NSC, "api.shop", "shop"), "line 14, <domain>: shop.example is there twice"),
        (changed(NSC, '<domain includeSubdomains="true">img.shop.example</domain>', ""), "line 17, <domain-config>"),
        (changed(NSC, "<trust-anchors>", "<pin-set/><trust-anchors>"), "pin-set is not allowed in base-config"),
        (changed(NSC, "</network", "<<<<<<< HEAD\n</network"), "line 24, column 2: not XML: not well-formed"),
        (" " + NSC, "line 1, column 2: not XML: XML or text declaration not at start"),
        (changed(NSC, "network-security-config", "x"), "not XML: mismatched tag"),
        ("<html></html>", "line 1, <html>: the root is <html>"),
        (changed(TRUSTKIT_ANDROID, 'enforcePinning="false"', 'enforcePinning="true"').replace(
            f'<pin digest="SHA-256">{API}</pin>', ""), "TrustKit enforces with two pins at least, api.shop.example has 1"),
        (changed(APPLE, f"<string>{FIRST}</string>", ""), "TSKPinnedDomains > shop.example: TrustKit needs 2 distinct"),
        (changed(APPLE, str(FIRST), f"sha256/{FIRST}"), "TSKPublicKeyHashes > 0: "),
        (changed(APPLE, "kSKExclude", "TSKExclude"), "TrustKit reads this key of a property list only as kSKExclude"),
        (changed(APPLE, "free.shop.example", "free.example"), "TrustKit excludes a name only from an entry above it"),
        (changed(APPLE, "<key>shop.example", "<key>shop.example:443"), "neither port nor path"),
        (changed(APPLE, "2028-03-01", "March 2028"), "'March 2028' is no date"),
        (changed(APPLE, "<key>CFBundleVersion</key>", "<key>CFBundleIdentifier</key>"), "is there twice"),
        (changed(APPLE, "<key>CFBundleVersion</key>", ""), "line 3, <dict>: a dictionary has keys and values in pairs"),
        (changed(APPLE, "<true/>", "<maybe/>"), "a property list has no <maybe>"),
        ('<plist version="1.0"><dict></dict></plist>', "neither TSKConfiguration nor NSPinnedDomains"),
        (changed(OKHTTP, f'"sha256/{API}"', "API_PIN"), "line 6: the pins of api.shop.example are defined elsewhere"),
        (changed(OKHTTP, f'"sha256/{API}"', '"sha256/$API_PIN"'), "line 6: the pins of api.shop.example are defined else"),
        (changed(OKHTTP, '"api.shop.example"', "API_HOST"), "line 6: the host of these pins is no literal"),
        (changed(OKHTTP, f"sha256/{API}", f"SHA256/{API}"), "line 6: a pin begins with sha256/"),
        (changed(OKHTTP, f"sha256/{API}", "sha1/AAAA"), "line 6: SHA-1 pins are not supported"),
        (changed(OKHTTP, "api.shop", "https://api.shop"), "line 6: OkHttp does not take the pattern"),
        (changed(OKHTTP, "**.pay", "a.*.pay"), "line 7: OkHttp does not take the pattern"),
        (changed(SSL_CONFIG, f"sha256/{API}", str(API)), "/sha256Keys/api.shop.example/0: a pin begins with sha256/"),
        (changed(SSL_CONFIG, "2028-03-01", "2028-03-01T00:00"), "/domains/pay.example/expirationDate: "),
        (changed(SSL_CONFIG, "false", '"no"'), "/domains/pay.example/enforcePinning: true or false is expected"),
        (changed(SSL_CONFIG, '"domains": {"pay', '"domains": {"nowhere'), "/domains/nowhere.example: there are no sha256"),
        (json.dumps({"sha256Keys": {}, "domains": {"development": "dev.example"}}), "/domains: this is the form of version"),
        (changed(RN_SPKI, f"'{FIRST}'", "PIN"), "line 5: 'PIN' is no literal here"),
        (changed(RN_SPKI, "'shop.example'", "[HOST]"), "line 3: '[' is no literal here"),
        (changed(RN_SPKI, f"'{FIRST}'", f"'sha256/{FIRST}'"), "a pin here is bare base64"),
        (changed(RN_SPKI, f"'{FIRST}', ", ""), "two distinct pins are needed on iOS, there are 1"),
        (changed(APP_JSON, str(API), "AAAA"), "/expo/plugins/1/1/sslPinning/pay.example/0: "),
        (changed(PINS_JSON, str(FIRST), "AAAA").replace(str(FIRST), "AAAA"), "/domains/shop.example/hashes/0: "),
        (changed(CURL, "https://Shop.example/path", ""), "line 1: curl's pins name no host; give --name"),
        (changed(WULTRA, "1835481600", '"soon"'), "/fingerprints/0/expires: seconds since 1970"),
        ('{"payload": "x", "signature": "y"}', "remote pins, which belongs to no release"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('{"a": NaN}', "not JSON: NaN"),
        ('{"a": ', "line 1, column 7: not JSON"),
        ("[]", "JSON of no known form"),
        ("builder\n.addPublicKeyPins(host, pins, true, date)", "line 2: Cronet's pins are bytes in source text"),
        ("[kTSKPinnedDomains: [:]]", "TrustKit's configuration in code cannot be read"),
        ("", "the file is of no known form"),
        ("hello", "the file is of no known form"),
    ],
)  # fmt: skip
def test_the_reason_comes_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(InvalidAppConfig) as refused:
        read_config(text.encode())
    assert reason in str(refused.value)


def test_compiled_xml_is_named() -> None:
    with pytest.raises(InvalidAppConfig, match="aapt2"):
        read_config(b"\x03\x00\x08\x00" + bytes(100))


def test_a_name_is_taken_where_the_form_has_none() -> None:
    text = changed(CURL, "https://Shop.example/path", "")
    [layer] = read_config(text.encode(), name="pay.example").layers
    assert layer.entries_for("pay.example")


@pytest.mark.parametrize("cut", [str.upper, lambda text: text[: len(text) // 2], lambda text: text[::-1]])
@pytest.mark.parametrize("text", [NSC, APPLE, OKHTTP, SSL_CONFIG, RN_SPKI, APP_JSON, PINS_JSON, WULTRA])
def test_a_damaged_file_is_refused_and_raises_nothing_else(text: str, cut: Callable[[str], str]) -> None:
    with pytest.raises(InvalidAppConfig):
        read_config(cut(text).encode())
