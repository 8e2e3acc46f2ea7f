"""What makes two reports the same violation."""

import hashlib
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.hpkp.hosts import Host
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.violation import CLOCK_TOLERANCE, chain_digest, date_matters, is_outside_validity
from app.hpkp.violation import identity_of as identity_at
from app.hpkp.x509.certificate import Certificate, Element, UnreadableCertificate, read_certificate
from tests.support.authority import NOW, cross_sign, make_root, make_site

ONE, TWO = (Pin(bytes((number,)) * 32) for number in (1, 2))
SITE = make_site()
CHAIN = tuple(read_certificate(issued.der, position=i) for i, issued in enumerate((SITE.leaf, SITE.intermediate)))
REPORT = ViolationReport(
    Host("www.example.com"), Sender.CHROMIUM, known_pins=(ONE, TWO), served_chain=CHAIN, validated_chain=CHAIN
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def identity_of(report: ViolationReport) -> bytes:
    """Return the identity of a report received at noon."""
    return identity_at(report, received_at=NOW)


MAKES_ANOTHER: dict[str, Any] = {
    "hostname": Host("other.example.com"),
    "sender": Sender.TRUSTKIT_APPLE,
    "port": 8443,
    "noted_hostname": Host("example.com"),
    "mode": Mode.ENFORCE,
    "known_pins": (ONE,),
    "unreadable_pins": ("sha1/AAAA",),
    "served_chain": CHAIN[:1],
    "validated_chain": None,
    "sender_result": SenderResult.CHAIN_NOT_TRUSTED,
    "contradictions": ("the port is 0",),
}
LEAVES_THE_SAME: dict[str, Any] = {
    "include_subdomains": True,
    "date_time": NOW,
    "date_time_text": "2026-06-01",
    "effective_expiration_date": NOW + timedelta(days=1),
    "effective_expiration_text": "2026-06-02",
    "app": "com.example.shop",
    "app_version": "1.2",
    "platform": "IOS",
    "platform_version": "18",
    "install_id": "an install",
}


def test_every_field_of_a_report_is_either_in_the_identity_or_left_out() -> None:
    assert {field.name for field in fields(ViolationReport)} == MAKES_ANOTHER.keys() | LEAVES_THE_SAME.keys()


@pytest.mark.parametrize("name", MAKES_ANOTHER)
def test_another_fact_is_another_violation(name: str) -> None:
    assert identity_of(replace(REPORT, **{name: MAKES_ANOTHER[name]})) != identity_of(REPORT)


@pytest.mark.parametrize("name", LEAVES_THE_SAME)
def test_dates_and_versions_and_installs_do_not_make_another(name: str) -> None:
    assert identity_of(replace(REPORT, **{name: LEAVES_THE_SAME[name]})) == identity_of(REPORT)


def test_whose_app_carries_the_pins_makes_another() -> None:
    """Not for a browser, whose pins come with a header, whatever app it says it is."""
    app = replace(REPORT, sender=Sender.TRUSTKIT_APPLE)
    identities = {identity_of(replace(app, app=name)) for name in (None, "com.example.shop", "com.example.other")}
    assert len(identities) == 3
    assert identity_of(replace(app, app="")) == identity_of(app)


def test_neither_order_nor_repetition_of_pins_makes_another() -> None:
    assert identity_of(replace(REPORT, known_pins=(TWO, ONE, TWO))) == identity_of(REPORT)


def test_the_order_of_certificates_does() -> None:
    assert chain_digest(CHAIN) != chain_digest(CHAIN[::-1])


def test_a_chain_that_was_not_sent_is_another_than_an_empty_one() -> None:
    assert identity_of(replace(REPORT, served_chain=None)) != identity_of(replace(REPORT, served_chain=()))


def test_two_certificates_of_one_key_make_two_chains() -> None:
    root = make_root()
    one, other = read_certificate(root.der), read_certificate(cross_sign(root, make_root("Other")).der)
    assert one.pin == other.pin
    assert chain_digest((one,)) != chain_digest((other,))


def test_unreadable_certificates_are_told_apart_by_what_is_known_of_them() -> None:
    chains = [
        (UnreadableCertificate(0, "the text is empty"),),
        (UnreadableCertificate(0, "not base64"),),
        (UnreadableCertificate(0, "only a pin", pin=ONE),),
        (UnreadableCertificate(0, "only a pin", pin=TWO),),
        (UnreadableCertificate(0, "no certificate", b"abc"),),
        (UnreadableCertificate(0, "no certificate", b"abd"),),
    ]
    assert len({chain_digest(chain) for chain in chains}) == len(chains)
    assert parse_pin(str(ONE)) == ONE


# Dates -----------------------------------------------------------------------------------------------------------

APP = replace(REPORT, sender=Sender.TRUSTKIT_ANDROID, sender_result=SenderResult.CHAIN_NOT_TRUSTED)
"""Of a sender that says it did not trust the path: a wrong clock may be why."""


def _validity(element: Element) -> tuple[datetime, datetime]:
    assert isinstance(element, Certificate)
    assert element.not_before is not None
    assert element.not_after is not None
    return element.not_before, element.not_after


LEAF, INTERMEDIATE = map(_validity, CHAIN)
EXPIRED = LEAF[1] + CLOCK_TOLERANCE + HOUR
"""The leaf is expired in every time zone, the intermediate is not."""


def _dated(date_time: datetime | None, report: ViolationReport = APP) -> ViolationReport:
    return replace(report, date_time=date_time)


def test_the_makers_leaf_expires_before_its_intermediate() -> None:
    assert INTERMEDIATE[1] > EXPIRED


def test_a_report_dated_when_the_path_was_not_valid_is_another_fact() -> None:
    assert identity_of(_dated(EXPIRED)) != identity_of(_dated(NOW))
    assert identity_of(_dated(EXPIRED)) == identity_of(_dated(EXPIRED + HOUR))


def test_other_certificates_out_of_date_are_another_fact_again() -> None:
    all_expired = INTERMEDIATE[1] + CLOCK_TOLERANCE + HOUR
    none_valid_yet = INTERMEDIATE[0] - CLOCK_TOLERANCE - HOUR
    assert len({identity_of(_dated(at)) for at in (NOW, EXPIRED, all_expired)}) == 3
    assert identity_of(_dated(all_expired)) == identity_of(_dated(none_valid_yet))


def test_a_valid_path_keeps_the_identity_that_earlier_versions_gave_it() -> None:
    assert identity_of(APP).hex() == hashlib.sha256(b"".join(_parts_of_the_first_version(APP))).hexdigest()


def _parts_of_the_first_version(report: ViolationReport) -> Iterator[bytes]:
    pins = b"".join(sorted(pin.digest for pin in report.known_pins))
    names = (report.hostname, "None", "None", "None", "trustkit-android")
    for part in (*map(str.encode, names), pins, b"", *[chain_digest(CHAIN)] * 2, b"chain_not_trusted", b""):
        yield len(part).to_bytes(4, "big") + part


def test_within_the_tolerance_of_time_zones_a_date_is_valid() -> None:
    assert identity_of(_dated(LEAF[1] + CLOCK_TOLERANCE)) == identity_of(_dated(NOW))
    assert identity_of(_dated(LEAF[0] - CLOCK_TOLERANCE)) == identity_of(_dated(NOW))


def test_a_report_without_a_date_counts_as_dated_at_its_receipt() -> None:
    undated = _dated(None)
    assert identity_at(undated, received_at=NOW) == identity_of(_dated(NOW))
    assert identity_at(undated, received_at=EXPIRED) == identity_of(_dated(EXPIRED))


@pytest.mark.parametrize(
    "report",
    [REPORT, replace(REPORT, sender=Sender.TRUSTKIT_APPLE, sender_result=SenderResult.PINS_NOT_MATCHED)],
    ids=["Chromium", "TrustKit, pins failed"],
)
def test_an_implausible_date_of_a_sender_that_found_the_path_valid_decides_for_no_others(
    report: ViolationReport,
) -> None:
    assert identity_of(_dated(EXPIRED, report)) != identity_of(_dated(NOW, report))


def test_the_date_of_a_forgery_splits_nothing() -> None:
    forged = replace(APP, contradictions=("TrustKit does not know the port",))
    assert not date_matters(forged)
    assert identity_of(_dated(EXPIRED, forged)) == identity_of(_dated(NOW, forged))


def test_a_chain_of_the_same_certificates_in_both_members_counts_them_once() -> None:
    once = replace(APP, validated_chain=None)
    assert identity_of(_dated(EXPIRED, once)) != identity_of(_dated(NOW, once))


@pytest.mark.parametrize("clock", [datetime.min, datetime.max])
def test_a_clock_at_either_end_of_the_calendar_is_outside(clock: datetime) -> None:
    assert is_outside_validity(*LEAF, clock.replace(tzinfo=UTC))


def test_a_certificate_of_some_hours_is_not_outside_while_it_is_valid() -> None:
    assert not is_outside_validity(NOW - HOUR, NOW + HOUR, NOW)


def test_a_bound_that_cannot_be_read_excludes_nothing() -> None:
    assert not is_outside_validity(None, None, NOW)
    assert is_outside_validity(None, NOW - DAY, NOW)
    assert is_outside_validity(NOW + DAY, None, NOW)
