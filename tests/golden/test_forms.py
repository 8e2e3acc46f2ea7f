"""Each golden report keeps the exact form of its sender: an editor that tidies one up would take its point away."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden.test_golden import REPORTS, name_of

CHROMIUM_MEMBERS = [
    "date-time",
    "effective-expiration-date",
    "hostname",
    "include-subdomains",
    "known-pins",
    "noted-hostname",
    "port",
    "served-certificate-chain",
    "validated-certificate-chain",
]
SECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
BEGIN, END = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----"
CHROMIUM_PEM = re.compile(rf"{BEGIN}([A-Za-z0-9+/=]{{64}}\n)*[A-Za-z0-9+/=]{{1,64}}\n{END}\n")
APPLE_PEM = re.compile(rf"{BEGIN}([A-Za-z0-9+/=]{{64}}\r\n)*[A-Za-z0-9+/=]{{1,64}}\n{END}")
ANDROID_PEM = re.compile(rf"{BEGIN}([A-Za-z0-9+/=]{{76}}\n)*[A-Za-z0-9+/=]{{1,76}}\n{END}\n")


def of(sender: str) -> pytest.MarkDecorator:
    """Run a test with each report of a sender."""
    paths = [path for path in REPORTS if path.parent.name == sender]
    assert len(paths) >= 5, f"the reports of {sender} are missing; run: uv run python -m tests.golden.make"
    return pytest.mark.parametrize("path", paths, ids=name_of)


def certificates_of(members: dict[str, Any]) -> Iterator[str]:
    yield from members.get("served-certificate-chain") or []
    yield from members["validated-certificate-chain"]


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
    assert {report["app-platform"] for report in reports} == {"IOS", "MACOS", "TVOS", "WATCHOS"}
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


def test_the_odd_forms_of_others_are_still_odd() -> None:
    assert golden("rfc7469/byte-order-mark").startswith(b"\xef\xbb\xbf{")
    assert json.loads(golden("rfc7469/port-as-text"))["port"] == "443"
    assert json.loads(golden("rfc7469/both-chains-null"))["served-certificate-chain"] is None
    assert json.loads(golden("rfc7469/empty-expiration-date"))["effective-expiration-date"] == ""
    assert isinstance(json.loads(golden("rfc7469/chain-as-one-text"))["validated-certificate-chain"], str)
    [text] = json.loads(golden("rfc7469/several-certificates-in-one-text"))["validated-certificate-chain"]
    assert text.count(BEGIN) == 3
    for text in json.loads(golden("rfc7469/bare-base64-of-der"))["validated-certificate-chain"]:
        assert text.startswith("MII")
    for text in json.loads(golden("rfc7469/leading-blanks"))["validated-certificate-chain"]:
        assert all(line.startswith("\t ") for line in text.splitlines()[2:])
    spelled = [
        json.loads(golden(f"rfc7469/{case}"))["known-pins"][0] for case in ("bare-pins", "okhttp-pins-and-no-chains")
    ]
    assert [len(pin) for pin in spelled] == [44, len("sha256/") + 44]
