"""Each golden report keeps the exact form of its sender: an editor that tidies one up would take its point away."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.golden.test_golden import REPORTS, name_of

RFC_MEMBERS = [
    "date-time",
    "hostname",
    "port",
    "effective-expiration-date",
    "include-subdomains",
    "noted-hostname",
    "served-certificate-chain",
    "validated-certificate-chain",
    "known-pins",
]
CHROMIUM_MEMBERS = sorted(RFC_MEMBERS)
SECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
BEGIN, END = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----"
CHROMIUM_PEM = re.compile(rf"{BEGIN}([A-Za-z0-9+/=]{{64}}\n)*[A-Za-z0-9+/=]{{1,64}}\n{END}\n")
APPLE_PEM = re.compile(rf"{BEGIN}([A-Za-z0-9+/=]{{64}}\r\n)*[A-Za-z0-9+/=]{{1,64}}\n{END}")
ANDROID_PEM = re.compile(rf"{BEGIN}([A-Za-z0-9+/=]{{76}}\n)*[A-Za-z0-9+/=]{{1,76}}\n{END}\n")


def of(sender: str) -> pytest.MarkDecorator:
    """Run a test with each report of a sender."""
    paths = [path for path in REPORTS if path.parent.name == sender]
    assert len(paths) >= 3, f"the reports of {sender} are missing; run: uv run python -m tests.support.golden.make"
    return pytest.mark.parametrize("path", paths, ids=name_of)


def certificates_of(members: dict[str, Any]) -> Iterator[str]:
    yield from members.get("served-certificate-chain") or []
    yield from members.get("validated-certificate-chain") or []


@of("chromium")
def test_chromium_writes_compact_ascii_json_with_sorted_members(path: Path) -> None:
    body = path.read_bytes()
    members = json.loads(body)
    assert list(members) == CHROMIUM_MEMBERS
    assert json.dumps(members, separators=(",", ":")).encode("ascii") == body


@of("chromium")
def test_chromium_writes_milliseconds_and_pem_of_64_columns_with_a_newline_at_the_end(path: Path) -> None:
    members = json.loads(path.read_bytes())
    for date in (members["date-time"], members["effective-expiration-date"]):
        assert re.fullmatch(rf"{SECONDS}\.\d{{3}}Z", date, re.ASCII)
    for pem in certificates_of(members):
        assert CHROMIUM_PEM.fullmatch(pem), pem


@of("trustkit-apple")
def test_trustkit_for_apple_writes_pem_with_crlf_inside_and_no_newline_at_the_end(path: Path) -> None:
    members = json.loads(path.read_bytes())
    for pem in certificates_of(members):
        assert APPLE_PEM.fullmatch(pem), pem


@of("trustkit-apple")
def test_trustkit_for_apple_sends_no_served_chain_port_zero_and_its_own_expiration_date(path: Path) -> None:
    members = json.loads(path.read_bytes())
    assert not members.keys() & {"served-certificate-chain", "effective-expiration-date"}
    assert members["port"] == 0
    date, expiration = members["date-time"], members["known-pins-expiration-date"]
    assert date is None or re.fullmatch(rf"{SECONDS}Z", date, re.ASCII)
    assert expiration is None or re.fullmatch(r"\d{4}-\d\d-\d\d", expiration, re.ASCII)


def test_every_apple_platform_and_both_common_results_have_a_report() -> None:
    reports = [json.loads(path.read_bytes()) for path in REPORTS if path.parent.name == "trustkit-apple"]
    assert {report.get("app-platform") for report in reports} == {"IOS", "MACOS", "TVOS", "WATCHOS", None}
    assert {report["validation-result"] for report in reports} >= {1, 2}
    assert {type(report["known-pins-expiration-date"]) for report in reports} == {str, type(None)}


@of("trustkit-android")
def test_trustkit_for_android_writes_pem_of_76_columns(path: Path) -> None:
    members = json.loads(path.read_bytes())
    for pem in certificates_of(members):
        assert ANDROID_PEM.fullmatch(pem), pem


@of("trustkit-android")
def test_trustkit_for_android_sends_no_expiration_nor_system_version_and_port_zero(path: Path) -> None:
    members = json.loads(path.read_bytes())
    absent = {"effective-expiration-date", "known-pins-expiration-date", "app-platform-version"}
    assert not members.keys() & absent
    assert (members["port"], members["app-platform"]) == (0, "ANDROID")
    assert re.fullmatch(rf"{SECONDS}Z", members["date-time"])


@pytest.mark.parametrize("path", [path for path in REPORTS if "trustkit" in path.parent.name], ids=name_of)
def test_trustkit_escapes_every_slash(path: Path) -> None:
    body = path.read_bytes()
    assert body.count(b"/") == body.count(rb"\/") > 0


def golden(case: str) -> bytes:
    [path] = [path for path in REPORTS if name_of(path) == case]
    return path.read_bytes()


def test_the_digits_of_the_locale_are_no_ascii() -> None:
    date = json.loads(golden("trustkit-android/digits-of-the-locale"))["date-time"]
    assert not re.fullmatch(rf"{SECONDS}Z", date, re.ASCII)


@of("proton-bridge")
def test_bridge_writes_offsets_a_year_ahead_and_members_in_the_order_of_the_rfc(path: Path) -> None:
    members = json.loads(path.read_bytes())
    assert list(members) == [*RFC_MEMBERS, "app-version"]
    dates = [datetime.fromisoformat(members[name]) for name in ("date-time", "effective-expiration-date")]
    assert dates[1] - dates[0] == timedelta(days=365)
    assert {date.utcoffset() for date in dates} == {timedelta(hours=1)}
    assert not members["validated-certificate-chain"]


def test_bridge_writes_the_port_as_text_and_older_ones_as_a_number() -> None:
    reports = [json.loads(path.read_bytes()) for path in REPORTS if path.parent.name == "proton-bridge"]
    assert {type(report["port"]) for report in reports} == {str, int}


@of("proton-vpn")
def test_vpn_writes_five_members_and_a_date_without_a_zone(path: Path) -> None:
    members = json.loads(path.read_bytes())
    assert list(members) == ["date-time", "hostname", "port", "validated-certificate-chain", "known-pins"]
    assert re.fullmatch(SECONDS, members["date-time"], re.ASCII)


@of("react-native-ssl-manager")
def test_react_native_writes_the_pins_of_okhttp_and_no_certificate(path: Path) -> None:
    members = json.loads(path.read_bytes())
    assert list(members) == ["hostname", "enforced", "known-pins", "served-pins", "message", "date-time"]
    assert all(re.fullmatch(r"sha256/[A-Za-z0-9+/]{43}=", pin) for pin in members["known-pins"])
    assert b"CERTIFICATE" not in path.read_bytes()


@of("go-hpkp")
def test_go_writes_null_for_an_empty_chain_and_the_members_in_the_order_of_the_rfc(path: Path) -> None:
    members = json.loads(path.read_bytes())
    assert list(members) == [name for name in RFC_MEMBERS if name in members]
    assert [] not in members.values()


@of("reporting-api")
def test_the_reporting_api_wraps_a_report_that_seldom_has_a_date(path: Path) -> None:
    value = json.loads(path.read_bytes())
    [entry] = [entry for entry in (value if isinstance(value, list) else [value]) if entry["type"] == "hpkp"]
    assert list(entry) == ["type", "age", "url", "user_agent", "body"]
    assert ("date-time" in entry["body"]) == (path.stem == "with-a-date-of-its-own")


def test_the_odd_forms_of_others_are_still_odd() -> None:
    assert golden("rfc7469/byte-order-mark").startswith(b"\xef\xbb\xbf{")
    assert json.loads(golden("rfc7469/port-as-text"))["port"] == "443"
    assert json.loads(golden("go-hpkp/both-chains-null-and-pins-with-prefix"))["served-certificate-chain"] is None
    assert json.loads(golden("go-hpkp/empty-expiration-date-and-no-noted-hostname"))["effective-expiration-date"] == ""
    assert isinstance(json.loads(golden("rfc7469/chain-as-one-text"))["validated-certificate-chain"], str)
    [text] = json.loads(golden("rfc7469/several-certificates-in-one-text"))["validated-certificate-chain"]
    assert text.count(BEGIN) == 3
    for text in json.loads(golden("rfc7469/bare-base64-of-der"))["validated-certificate-chain"]:
        assert text.startswith("MII")
    for text in json.loads(golden("rfc7469/leading-blanks"))["validated-certificate-chain"]:
        assert all(line.startswith("\t ") for line in text.splitlines()[2:])
    [bare, _] = json.loads(golden("go-hpkp/bare-pins"))["known-pins"]
    assert len(bare) == 44
