"""What arrives by mistake or in malice: each gets a reason and a place, or is taken without what cannot be read."""

import base64
import json
from typing import Any

import pytest

from app.hpkp.x509.certificate import Certificate, UnreadableCertificate
from app.outcomes import Outcome
from app.senders.wire import MAX_CHAIN, MAX_PINS
from tests.support.senders.submissions import accepted, body_with, plain_report, refused, site


def place_of(refusal_reason: str) -> tuple[int, int]:
    """Return line and column named at the end of a reason."""
    words = refusal_reason.rstrip(".").split()
    assert words[-4:-3] + words[-2:-1] == ["line", "column"], refusal_reason
    return int(words[-3]), int(words[-1])


def test_the_plain_report_is_taken_so_that_the_refusals_below_mean_something() -> None:
    report = accepted(body_with())
    assert report.port == 443
    assert report.validated_chain is not None
    assert len(report.validated_chain) == 3


def test_a_truncated_body_is_refused_with_the_place_where_it_ends() -> None:
    whole = body_with()
    body = whole[: whole.index(b"-----END")]
    refusal = refused(body)
    assert refusal.outcome is Outcome.UNREADABLE
    assert place_of(refusal.reason) == (1, len(body))


def test_no_beginning_of_a_report_is_a_report() -> None:
    body = body_with()
    for length in range(0, len(body), 7):
        assert refused(body[:length]).outcome is Outcome.UNREADABLE


TYPED_OFF = """{
  "date-time": "2026-11-23T10:00:00Z",
  "hostname": "shop.example.com",
  "port": 443,
  "noted-hostname": "example.com"
  "served-certificate-chain": [
    "-----BEGIN CERTIFICATE-----
     MIIBszCCAVmgAwIBAgIUd0
     -----END CERTIFICATE-----"
  ],
  "known-pins": [
    'pin-sha256="q6oKx2yKDWcKbvRIZh7cIdWlwJzWfHYr1Q8Ge9rQ3Yw="',
    "pin-sha256=\\"mJ2V5u0nWnSIbqDJfUiNCdMBIkLJXt1bqKUKZ0sVYc8=\\""
  ]
}
"""
"""With the three faults of the example in RFC 7469 section 3; people post that one when they try things out."""


def test_an_example_typed_off_a_standard_is_refused_at_one_fault_after_the_other() -> None:
    with_comma = TYPED_OFF.replace('example.com"\n', 'example.com",\n')
    with_escaped_breaks = with_comma.replace("-----\n     MII", r"-----\nMII").replace("\n     -----END", r"\n-----END")
    with_double_quotes = with_escaped_breaks.replace("'pin-sha256=\"", r'"pin-sha256=\"').replace("=\"'", '=\\""')
    refusals = [refused(text.encode()) for text in (TYPED_OFF, with_comma, with_escaped_breaks)]
    assert [place_of(refusal.reason)[0] for refusal in refusals] == [6, 8, 10]
    assert {refusal.outcome for refusal in refusals} == {Outcome.UNREADABLE}
    assert len(accepted(with_double_quotes.encode()).known_pins) == 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" \r\n\t", id="blanks"),
        pytest.param(b"\xef\xbb\xbf", id="only a byte order mark"),
        pytest.param(b"hostname=www.example.com", id="a form"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
        pytest.param(b'{"hostname":"\xff"}', id="no UTF-8"),
        pytest.param(body_with() + b"{}", id="something behind the report"),
        pytest.param(b'{"hostname":"www.example.com","known-pins":[],"port":NaN}', id="NaN"),
        pytest.param(b'{"hostname":"www.example.com","known-pins":[],"port":-Infinity}', id="Infinity"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, id="nested lists"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="nested objects"),
        pytest.param(
            b'{"hostname":"www.example.com","known-pins":' + b"[" * 10_000 + b"]" * 10_000 + b"}", id="nested pins"
        ),
        pytest.param(b'{"hostname":"www.example.com","known-pins":[],"port":' + b"4" * 10**6 + b"}", id="long port"),
        pytest.param(b'{"hostname":"www.example.com","known-pins":["\\ud800"]}', id="half a surrogate pair"),
    ],
)
def test_what_is_not_json_is_refused_as_unreadable_and_without_repeating_it(body: bytes) -> None:
    refusal = refused(body)
    assert refusal.outcome is Outcome.UNREADABLE
    assert len(refusal.reason) < 120


@pytest.mark.parametrize(
    ("value", "pointer"), [([], ""), ([plain_report()], "/0"), ("report", ""), (1, ""), (None, ""), (True, "")]
)
def test_json_that_is_neither_an_object_nor_a_batch_is_no_report(value: object, pointer: str) -> None:
    refusal = refused(json.dumps(value).encode())
    assert (refusal.outcome, refusal.pointer) == (Outcome.NOT_A_REPORT, pointer)


@pytest.mark.parametrize(
    "members",
    [
        {"csp-report": {"document-uri": "https://www.example.com/"}},
        {"hostname": "www.example.com"},
        {"known-pins": [], "served-certificate-chain": []},
    ],
)
def test_an_object_without_host_or_evidence_is_no_report(members: dict[str, Any]) -> None:
    assert refused(json.dumps(members).encode()).outcome is Outcome.NOT_A_REPORT


@pytest.mark.parametrize("host", ["", " ", ".", "*.example.com", "www.example.com:443", "https://www.example.com/"])
@pytest.mark.parametrize("member", ["hostname", "noted-hostname"])
def test_a_host_that_names_none_is_refused_at_its_member(member: str, host: str) -> None:
    if (member, host) == ("noted-hostname", ""):
        assert accepted(body_with({member: host})).noted_hostname is None
        return
    assert refused(body_with({member: host})).pointer == f"/{member}"


@pytest.mark.parametrize(
    "host", ["<script>alert(1)</script>", "www.example.com\r\nlevel=info", "a\x00b", "a\u2028b", "a" * 300, "é" * 5000]
)
def test_a_host_name_cannot_carry_markup_or_line_breaks_and_the_reason_stays_printable(host: str) -> None:
    refusal = refused(body_with({"hostname": host}))
    assert refusal.pointer == "/hostname"
    assert refusal.reason.isprintable()
    assert len(refusal.reason) < 250


def test_texts_that_are_kept_lose_control_characters_and_length() -> None:
    report = accepted(body_with({"app-version": "1.0\r\nX: y\x1b[2J" + "z" * 500, "date-time": "now\n"}))
    assert report.app_version is not None
    assert report.app_version.isprintable()
    assert len(report.app_version) == 200
    assert (report.date_time, report.date_time_text) == (None, "now\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("port", [65536, -1, 443.5, "https", "+443", "4 4", "٤٤٣", "0" * 6, True, [443], {}, 1e300])
def test_a_port_that_is_none_is_refused_at_its_member(port: object) -> None:
    assert refused(body_with({"port": port})).pointer == "/port"


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        ("hostname", [None, 1, True, ["www.example.com"], {}]),
        ("noted-hostname", [1, False, [], {"name": "example.com"}]),
        ("known-pins", [1, True, {}, {"pin-sha256": ""}]),
        ("served-certificate-chain", [1, False, {}]),
        ("validated-certificate-chain", [0, True, {"0": ""}]),
    ],
)
def test_the_wrong_type_of_a_member_that_matters_is_refused_at_that_member(member: str, wrong: list[object]) -> None:
    for value in wrong:
        refusal = refused(body_with({member: value}))
        assert (refusal.outcome, refusal.pointer) == (Outcome.NOT_A_REPORT, f"/{member}")


@pytest.mark.parametrize(
    "member",
    [
        "date-time",
        "effective-expiration-date",
        "include-subdomains",
        "enforce-pinning",
        "enforced",
        "app-bundle-id",
        "app-version",
        "app-platform",
        "app-platform-version",
        "app-vendor-id",
        "trustkit-version",
        "known-pins-expiration-date",
        "validation-result",
        "something-else",
    ],
)
def test_the_wrong_type_of_a_minor_member_does_not_cost_the_report(member: str) -> None:
    wrong: list[object] = [None, True, -1, 10**40, 1.5, "", "\u0000", [], [[]], {}, {"a": 1}]
    for value in wrong:
        report = accepted(body_with({member: value}))
        assert report.hostname == "www.example.com"
        assert report.validated_chain


def test_every_member_but_the_hostname_and_the_evidence_may_be_missing() -> None:
    for member in plain_report():
        if member == "hostname":
            assert refused(body_with(without=member)).pointer == "/hostname"
        else:
            assert accepted(body_with(without=member)).hostname == "www.example.com"


def test_a_missing_date_time_is_missing_and_not_now() -> None:
    report = accepted(body_with(without="date-time"))
    assert (report.date_time, report.date_time_text) == (None, None)


def test_chains_sent_as_null_are_told_apart_from_empty_ones() -> None:
    report = accepted(body_with({"served-certificate-chain": None, "validated-certificate-chain": []}))
    assert report.served_chain is None
    assert report.validated_chain == ()


def test_of_a_member_sent_twice_the_last_is_checked_and_kept() -> None:
    body = body_with().replace(b'"hostname"', b'"hostname": "first.example.com", "hostname"', 1)
    assert accepted(body).hostname == "www.example.com"
    body = body_with().replace(b'"port": 443', b'"port": 443, "port": "x"', 1)
    assert refused(body).pointer == "/port"


def test_pins_that_are_none_are_kept_apart_as_text() -> None:
    wrong = ['pin-sha1="2jmj7l5rSw0yVb/vlWAYkK/YBwk="', "not a pin", "sha256/AAAA", "", None, 7, ["x"], {"a": 1}]
    report = accepted(body_with({"known-pins": [site().leaf.pin, *wrong]}))
    assert [str(pin) for pin in report.known_pins] == [site().leaf.pin]
    assert report.unreadable_pins == (*wrong[:4], "", "7", "list", "dict")


def test_an_odd_certificate_is_marked_with_its_place_and_the_others_are_read() -> None:
    odd = [None, 12, "", "no base64 at all!", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", ["x"]]
    chain = accepted(body_with({"validated-certificate-chain": [*odd, site().root.pem]})).validated_chain
    assert chain is not None
    assert [element.position for element in chain[:-1] if isinstance(element, UnreadableCertificate)] == [*range(6)]
    assert isinstance(chain[-1], Certificate)
    assert str(chain[-1].pin) == site().root.pin


def test_another_kind_of_pem_block_is_named_and_not_read_as_a_certificate() -> None:
    block = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
    chain = accepted(body_with({"served-certificate-chain": [block]})).served_chain
    assert chain == (UnreadableCertificate(0, "the PEM block is a PUBLIC KEY"),)


@pytest.mark.parametrize("member", ["served-certificate-chain", "validated-certificate-chain"])
def test_the_longest_chain_is_taken_and_one_more_certificate_is_not(member: str) -> None:
    pem = site().leaf.pem
    bare = base64.b64encode(site().leaf.der).decode()
    for chain in ([pem] * MAX_CHAIN, pem * MAX_CHAIN, [bare] * MAX_CHAIN):
        assert accepted(body_with({member: chain}))
    for chain in ([pem] * (MAX_CHAIN + 1), pem * (MAX_CHAIN + 1), [pem * 2] * MAX_CHAIN, [""] * 5000):
        assert refused(body_with({member: chain})).pointer == f"/{member}"


def test_the_most_pins_are_taken_and_one_more_is_not() -> None:
    pins = [base64.b64encode(number.to_bytes(32, "big")).decode() for number in range(MAX_PINS + 1)]
    assert len(accepted(body_with({"known-pins": pins[:MAX_PINS]})).known_pins) == MAX_PINS
    assert refused(body_with({"known-pins": pins})).pointer == "/known-pins"
