"""What makes two reports the same violation."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from app.hpkp.hosts import Host
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.violation import chain_digest, identity_of
from app.hpkp.x509.certificate import UnreadableCertificate, read_certificate
from tests.authority import NOW, cross_sign, make_root, make_site

ONE, TWO = (Pin(bytes((number,)) * 32) for number in (1, 2))
SITE = make_site()
CHAIN = tuple(read_certificate(issued.der, position=i) for i, issued in enumerate((SITE.leaf, SITE.intermediate)))
REPORT = ViolationReport(
    Host("www.example.com"), Sender.CHROMIUM, known_pins=(ONE, TWO), served_chain=CHAIN, validated_chain=CHAIN
)

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
