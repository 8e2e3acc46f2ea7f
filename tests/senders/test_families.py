"""Which sender a form is taken for, what it says of the mode, and what in it that sender cannot have written."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.demo import FORMS, Incident, Members, SampleKind, make_site
from app.demo.forms import android_pem, apple_pem, pem
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.senders import CertificateReader, read_report
from tests.support.authority import NOW
from tests.support.senders.submissions import accepted, body_with, read, site

Change = Callable[[Members], object]

HOST = "www.example.com"
OTHERS = [sender for sender in Sender if sender not in FORMS]


def incident(**changes: Any) -> Incident:
    issued = site()
    facts: Members = {
        "hostname": HOST,
        "noted_hostname": "example.com",
        "include_subdomains": True,
        "known_pins": [],
        "served": [issued.leaf.der, issued.intermediate.der],
        "validated": [issued.leaf.der, issued.intermediate.der, issued.root.der],
        "at": NOW,
    }
    return Incident(**facts | changes)


def sent_by(sender: Sender, **changes: Any) -> ViolationReport:
    """Read what a sender sends, with members changed; None leaves a member out."""
    members = FORMS[sender].members(incident(known_pins=SITE.pins)) | {
        name.replace("_", "-"): value for name, value in changes.items()
    }
    written = {name: value for name, value in members.items() if value is not ABSENT}
    return accepted(FORMS[sender].encode(written))


SITE = make_site(accepted(body_with()).hostname, at=NOW)
ABSENT = object()


def test_all_but_the_unknown_sender_can_be_imitated() -> None:
    assert OTHERS == [Sender.RFC7469]


@pytest.mark.parametrize("sender", FORMS)
@pytest.mark.parametrize("scenario", SampleKind)
def test_what_each_sender_sends_is_taken_for_its_own_without_contradictions(
    sender: Sender, scenario: SampleKind
) -> None:
    report = accepted(SITE.report(scenario, at=NOW, sender=sender))
    assert (report.sender, report.contradictions) == (sender, ())
    assert report.known_pins
    assert not report.unreadable_pins


@pytest.mark.parametrize(
    ("sender", "changes", "taken_for"),
    [
        (Sender.CHROMIUM, {"date_time": "2026-06-01T12:00:00Z"}, Sender.RFC7469),
        (Sender.CHROMIUM, {"effective_expiration_date": None}, Sender.RFC7469),
        (Sender.CHROMIUM, {"and_more": 1}, Sender.RFC7469),
        (Sender.CHROMIUM, {"port": ABSENT}, Sender.RFC7469),
        (Sender.TRUSTKIT_APPLE, {"trustkit_version": ABSENT, "app_platform": ABSENT}, Sender.TRUSTKIT_APPLE),
        (Sender.TRUSTKIT_APPLE, {"app_platform": "VISIONOS"}, Sender.TRUSTKIT_APPLE),
        (Sender.TRUSTKIT_APPLE, {"app_platform": "Android"}, Sender.TRUSTKIT_ANDROID),
        (Sender.TRUSTKIT_ANDROID, {"app_platform": ABSENT}, Sender.TRUSTKIT_ANDROID),
        (Sender.TRUSTKIT_ANDROID, {"trustkit_version": ABSENT, "app_bundle_id": ABSENT}, Sender.RFC7469),
        (Sender.PROTON_BRIDGE, {"port": 443}, Sender.PROTON_BRIDGE),
        (Sender.PROTON_BRIDGE, {"app_version": ABSENT, "validated_certificate_chain": []}, Sender.RFC7469),
        (Sender.PROTON_BRIDGE, {"app_version": ABSENT}, Sender.GO_HPKP),
        (Sender.PROTON_VPN, {"date_time": "2026-06-01T12:00:00Z", "known_pins": ["x"]}, Sender.RFC7469),
        (Sender.PROTON_VPN, {"date_time": "2026-06-01T12:00:00Z"}, Sender.GO_HPKP),
        (Sender.REACT_NATIVE, {"served_pins": ABSENT}, Sender.RFC7469),
        (Sender.REACT_NATIVE, {"message": ABSENT, "enforced": ABSENT}, Sender.REACT_NATIVE),
        (Sender.GO_HPKP, {"known_pins": ["sha256/AAAA"]}, Sender.RFC7469),
        (Sender.GO_HPKP, {"known_pins": ["sha256/AAAA"], "validated_certificate_chain": None}, Sender.GO_HPKP),
        (Sender.GO_HPKP, {"known_pins": [], "effective_expiration_date": ""}, Sender.GO_HPKP),
    ],
)
def test_a_form_that_differs_a_little(sender: Sender, changes: dict[str, Any], taken_for: Sender) -> None:
    assert sent_by(sender, **changes).sender is taken_for


AT = "2026-06-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("sender", "changes", "mode"),
    [
        (Sender.CHROMIUM, {}, Mode.REPORT_ONLY),
        (Sender.CHROMIUM, {"effective_expiration_date": "2026-06-01T12:00:01.000Z"}, Mode.REPORT_ONLY),
        (Sender.CHROMIUM, {"effective_expiration_date": "2026-06-01T11:59:59.000Z"}, Mode.REPORT_ONLY),
        (Sender.CHROMIUM, {"effective_expiration_date": "2026-06-01T12:00:01.001Z"}, Mode.ENFORCE),
        (Sender.TRUSTKIT_APPLE, {}, Mode.REPORT_ONLY),
        (Sender.TRUSTKIT_ANDROID, {"enforce_pinning": True}, Mode.ENFORCE),
        (Sender.TRUSTKIT_ANDROID, {"enforce_pinning": None}, None),
        (Sender.REACT_NATIVE, {"enforced": True}, Mode.ENFORCE),
        (Sender.PROTON_BRIDGE, {}, None),
        (Sender.GO_HPKP, {"effective_expiration_date": "2026-06-01T12:00:00Z"}, None),
        (Sender.GO_HPKP, {"enforced": "False"}, Mode.REPORT_ONLY),
    ],
)
def test_the_mode_is_what_the_body_says(sender: Sender, changes: dict[str, Any], mode: Mode | None) -> None:
    assert sent_by(sender, **changes).mode is mode


@pytest.mark.parametrize("sender", FORMS)
@pytest.mark.parametrize("mode", Mode)
def test_the_mode_of_the_query_goes_before_all(sender: Sender, mode: Mode) -> None:
    report = read(SITE.report(SampleKind.CLOCK, at=NOW, sender=sender), mode=mode)
    assert isinstance(report, ViolationReport)
    assert report.mode is mode


LEAF = site().leaf.der


@pytest.mark.parametrize(
    ("sender", "changes", "said"),
    [
        (Sender.CHROMIUM, {"port": 0}, "port"),
        (Sender.CHROMIUM, {"hostname": "192.0.2.1", "noted_hostname": "192.0.2.1"}, "addresses"),
        (Sender.CHROMIUM, {"noted_hostname": "example.net"}, "not below"),
        (Sender.CHROMIUM, {"noted_hostname": "shop.www.example.com"}, "not below"),
        (Sender.CHROMIUM, {"include_subdomains": False}, "do not include subdomains"),
        (Sender.CHROMIUM, {"effective_expiration_date": "2026-06-01T11:58:59.000Z"}, "expired"),
        (Sender.CHROMIUM, {"effective_expiration_date": "2026-08-01T12:00:00.001Z"}, "60 days"),
        (Sender.CHROMIUM, {"served_certificate_chain": [pem(LEAF, columns=76)]}, "PEM"),
        (Sender.CHROMIUM, {"served_certificate_chain": [pem(LEAF, final_newline=False)]}, "PEM"),
        (Sender.CHROMIUM, {"validated_certificate_chain": [pem(LEAF), apple_pem(LEAF)]}, "PEM"),
        (Sender.TRUSTKIT_APPLE, {"port": 443}, "port"),
        (Sender.TRUSTKIT_APPLE, {"validation_result": 0}, "succeeded"),
        (Sender.TRUSTKIT_APPLE, {"validated_certificate_chain": [pem(LEAF)]}, "CRLF"),
        (Sender.TRUSTKIT_ANDROID, {"port": "443"}, "port"),
        (Sender.TRUSTKIT_ANDROID, {"validation_result": 0}, "succeeded"),
        (Sender.TRUSTKIT_ANDROID, {"served_certificate_chain": [apple_pem(LEAF)]}, "lines of 76"),
    ],
)
def test_what_a_sender_cannot_have_written_contradicts_it(sender: Sender, changes: dict[str, Any], said: str) -> None:
    report = sent_by(sender, **changes)
    assert report.sender is sender
    [contradiction] = report.contradictions
    assert said in contradiction


@pytest.mark.parametrize(
    ("sender", "changes"),
    [
        (Sender.CHROMIUM, {"effective_expiration_date": "1601-01-01T00:00:00.000Z"}),
        (Sender.CHROMIUM, {"effective_expiration_date": "2026-06-01T11:59:00.000Z"}),
        (Sender.CHROMIUM, {"effective_expiration_date": "2026-08-01T12:00:00.000Z"}),
        (Sender.CHROMIUM, {"noted_hostname": HOST, "include_subdomains": False}),
        (Sender.CHROMIUM, {"hostname": "WWW.example.com.", "noted_hostname": HOST}),
        (Sender.CHROMIUM, {"served_certificate_chain": [], "validated_certificate_chain": []}),
        (Sender.CHROMIUM, {"known_pins": []}),
        (Sender.TRUSTKIT_APPLE, {"port": None}),
        (Sender.TRUSTKIT_APPLE, {"validation_result": None, "date_time": None}),
        (Sender.TRUSTKIT_APPLE, {"app_platform": "VISIONOS", "validated_certificate_chain": [pem(LEAF)]}),
        (Sender.TRUSTKIT_APPLE, {"app_platform": ABSENT, "validated_certificate_chain": [android_pem(LEAF)]}),
        (Sender.TRUSTKIT_ANDROID, {"validation_result": False, "app_platform": ["ANDROID"]}),
        (Sender.TRUSTKIT_ANDROID, {"app_platform": ABSENT, "served_certificate_chain": [pem(LEAF)]}),
        (Sender.PROTON_BRIDGE, {"effective_expiration_date": AT, "port": 0}),
        (Sender.REACT_NATIVE, {"hostname": "192.0.2.1"}),
        (Sender.GO_HPKP, {"port": 0, "noted_hostname": "example.net"}),
    ],
)
def test_what_is_odd_but_possible_contradicts_nothing(sender: Sender, changes: dict[str, Any]) -> None:
    assert sent_by(sender, **changes).contradictions == ()


def test_a_certificate_read_before_in_another_form_does_not_hide_a_contradiction() -> None:
    reader = CertificateReader()
    plain, odd = (
        FORMS[Sender.CHROMIUM].encode(FORMS[Sender.CHROMIUM].members(incident()) | {"served-certificate-chain": [text]})
        for text in (pem(LEAF), pem(LEAF, columns=76))
    )
    found = [read_report(body, certificates=reader) for body in (plain, odd, plain, odd)]
    assert [len(report.contradictions) for report in found if isinstance(report, ViolationReport)] == [0, 1, 0, 1]


def test_an_unknown_form_keeps_what_only_other_senders_are_known_to_write() -> None:
    told = {
        "app-version": "9", "app-platform": "LINUX", "app-platform-version": "6.1", "app-vendor-id": "7f",
        "known-pins-expiration-date": "2027-01-02", "validation-result": 2,
    }  # fmt: skip
    report = accepted(body_with(told))
    assert report.sender is Sender.RFC7469
    assert (report.app_version, report.platform, report.platform_version, report.install_id) == (
        "9", "LINUX", "6.1", "7f",
    )  # fmt: skip
    assert report.effective_expiration_text == "2027-01-02"
    assert report.sender_result is None


def test_pins_in_place_of_certificates_keep_their_places_and_are_bounded() -> None:
    report = sent_by(Sender.REACT_NATIVE)
    assert [str(element.pin) for element in report.validated_chain or ()] == [
        site().leaf.pin,
        site().intermediate.pin,
        site().root.pin,
    ]
    members = FORMS[Sender.REACT_NATIVE].members(incident()) | {"served-pins": ["sha256/AAAA"] * 21}
    assert getattr(read(json.dumps(members).encode()), "pointer", None) == "/served-pins"
