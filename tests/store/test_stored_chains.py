"""Certificates are stored once under the SHA-256 of their DER, and chains come back as they were sent."""

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from app.hpkp.pins import parse_pin
from app.hpkp.violation import chain_digest
from app.hpkp.x509.certificate import Chain, UnreadableCertificate, read_certificate
from app.store import tables
from app.store.engine import writing
from app.store.read.reported import load_certificate, load_chain, report_of_row
from app.store.write.chains import insert_chains
from tests.support.authority import cross_sign, make_root, make_site, pem_with, pss_certificate
from tests.support.reports import report_body, site
from tests.support.store.ingest_harness import IngestHarness, submission


def _stored(harness: IngestHarness, chain: Chain) -> Chain | None:
    with writing(harness.engine) as connection:
        insert_chains(connection, [chain])
        return load_chain(connection, chain_digest(chain))


def test_certificates_stand_once_however_many_chains_hold_them(harness: IngestHarness) -> None:
    harness.take(submission(), submission(report_body(port=8443)))
    expected = {hashlib.sha256(issued.der).digest() for issued in (site().leaf, site().intermediate, site().root)}
    assert {row.sha256 for row in harness.rows(tables.certificates)} == expected
    assert len(harness.rows(tables.chains)) == 2
    assert len(harness.rows(tables.violations)) == 2


def test_certificates_are_kept_byte_for_byte_with_their_pin(harness: IngestHarness) -> None:
    harness.take(submission(report_body(served=[pem_with(pss_certificate())], validated=None)))
    row = next(row for row in harness.rows(tables.certificates) if row.der == pss_certificate())
    assert row.sha256 == hashlib.sha256(pss_certificate()).digest()
    assert row.pin != site().leaf.pin
    assert row.unreadable is None


def test_two_roots_with_the_same_key_are_two_certificates_with_one_pin(harness: IngestHarness) -> None:
    old = make_root("Old Root")
    crossed = cross_sign(old, by=make_root("Elder Root"))
    assert old.pin == crossed.pin
    for root in (old, crossed):
        harness.take(submission(report_body(validated=[*site().served, root.pem])))
    same_key = [row for row in harness.rows(tables.certificates) if row.pin == old.pin]
    assert {row.der for row in same_key} == {old.der, crossed.der}
    assert len(harness.rows(tables.violations)) == 2
    with harness.engine.connect() as connection:
        assert load_certificate(connection, hashlib.sha256(crossed.der).digest()) == crossed.der
        assert load_certificate(connection, bytes(32)) is None


def _unreadable() -> Chain:
    """Return a chain of everything that can stand in one."""
    leaf = site().leaf.der
    damaged = leaf.replace(b"\x17\x0d", b"\x17\x0c", 1)  # the date of a certificate that can be read for the rest
    texts = [leaf, damaged, leaf[:50], b"\x30\x03\x02\x01\x05"]
    elements = tuple(read_certificate(der, position=position) for position, der in enumerate(texts))
    return (
        *elements,
        UnreadableCertificate(4, "a text is expected, this is a int"),
        UnreadableCertificate(5, "the text is empty"),
        read_certificate(site().root.der),
    )


def test_a_chain_with_unreadable_elements_comes_back_as_it_was(harness: IngestHarness) -> None:
    chain = _unreadable()
    assert sum(isinstance(element, UnreadableCertificate) for element in chain) == 4
    assert _stored(harness, chain) == chain


def test_the_same_unreadable_bytes_in_another_place_keep_their_place(harness: IngestHarness) -> None:
    garbage = b"\x30\x03\x02\x01\x05"
    chain = tuple(read_certificate(garbage, position=position) for position in range(3))
    loaded = _stored(harness, chain)
    assert loaded == chain
    assert [element.position for element in loaded if isinstance(element, UnreadableCertificate)] == [0, 1, 2]


@pytest.mark.parametrize("empty", [(), None])
def test_no_chain_and_an_empty_chain_are_told_apart(harness: IngestHarness, empty: Chain | None) -> None:
    taken = submission()
    harness.take(taken._replace(report=replace(taken.report, served_chain=empty)))
    with harness.engine.connect() as connection:
        assert report_of_row(connection, harness.only(tables.violations)).served_chain == empty


_NOT_JUDGED = (
    "date_time_text", "effective_expiration_date", "effective_expiration_text",
    "app_version", "platform", "platform_version", "install_id",
)  # fmt: skip


def _members_that_are_judged() -> list[dict[str, Any]]:
    garbage = base64.b64encode(b"\x30\x03\x02\x01\x05").decode()
    return [
        {},
        {"served_certificate_chain": None, "port": 0, "noted_hostname": "example.com", "include_subdomains": True},
        {"validated_certificate_chain": [garbage, 5, "", site().leaf.pem], "known_pins": ["nonsense", "", 7]},
        {"served_certificate_chain": [], "known_pins": [], "date_time": "never", "effective_expiration_date": None},
        {"trustkit_version": "3", "app_bundle_id": "a", "validation_result": 2, "enforce_pinning": True},
        {"validation_result": 7, "app_bundle_id": "a", "date_time": "1969-12-31T23:59:59.999Z"},
        {"hostname": "2001:db8::1", "noted_hostname": "", "date_time": "9999-12-01T00:00:00Z"},
    ]


@pytest.mark.parametrize("members", _members_that_are_judged(), ids=range(7))
def test_the_report_comes_back_as_it_was_judged(harness: IngestHarness, members: dict[str, Any]) -> None:
    taken = submission(report_body(**members))
    harness.take(taken)
    with harness.engine.connect() as connection:
        loaded = report_of_row(connection, harness.only(tables.violations))
    # What a judgement never looks at is not kept with the violation but with its single reports.
    unjudged = dict.fromkeys(_NOT_JUDGED)
    assert loaded == replace(taken.report, **unjudged)  # type: ignore[arg-type]


def test_judging_what_was_loaded_gives_the_judgement_that_is_stored(harness: IngestHarness) -> None:
    harness.set_policy(pins=[site().root.pin])
    other = make_site()
    harness.take(submission(report_body(validated=[*other.served, "broken"])))
    before = harness.only(tables.violations)
    harness.set_policy(pins=[site().root.pin])
    after = harness.only(tables.violations)
    assert after.judgement == before.judgement | {"policy_revision": 2}
    assert after.cause == before.cause


def test_a_chain_of_which_only_the_pins_were_sent_keeps_them(harness: IngestHarness) -> None:
    one, other = (
        (UnreadableCertificate(0, "the sender gave only the pin", pin=parse_pin(issued.pin)),)
        for issued in (site().leaf, site().root)
    )
    assert chain_digest(one) != chain_digest(other)
    assert _stored(harness, one) == one
    assert _stored(harness, other) == other
