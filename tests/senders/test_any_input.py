"""Properties of the reading: whatever comes in, a value comes out, and only values that can be."""

import base64
import json
import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from app.demo import FORMS, SampleKind, make_site
from app.hpkp.hosts import Host, canonical_host
from app.hpkp.pins import Pin
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.violation import identity_of
from app.hpkp.x509.certificate import Certificate
from app.senders import CertificateReader, Reading, Unreadable, read_reports
from app.senders.reporting_api import MAX_ENTRIES
from app.senders.wire import MAX_CHAIN, NotAReport, read_clock, read_date, read_pins, read_port, read_text
from tests.support.authority import NOW, new_key, pem_with
from tests.support.senders.submissions import body_with, plain_report, read, site

MEMBERS = (
    *plain_report(),
    "app-bundle-id",
    "app-version",
    "app-platform",
    "app-vendor-id",
    "trustkit-version",
    "enforce-pinning",
    "enforced",
    "validation-result",
    "known-pins-expiration-date",
    "app-platform-version",
    "served-pins",
    "message",
    "type",
    "body",
    "age",
    "something-else",
)

INCIDENT = make_site(Host("www.example.com"), at=NOW).incident(SampleKind.OTHER_TRUST_PATH, at=NOW)
PRIVATE_KEY = base64.b64encode(new_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()

texts = st.text(max_size=40) | st.sampled_from(
    ["2026-06-01T12:00:00Z", "443", "true", "www.example.com", "-----BEGIN CERTIFICATE-----", "MIIB", "sha256/AAAA"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)


def check(body: bytes) -> None:
    """Read a body; a report must hold only what a report can, a refusal must say something."""
    results = read_reports(body, certificates=CertificateReader(), received_at=NOW)
    assert len(results) <= MAX_ENTRIES
    for result in results:
        if isinstance(result, Unreadable):
            assert result.reason
            assert result.pointer is None or result.pointer == "" or result.pointer.startswith("/")
        else:
            assert len(result.body) <= 2 * len(body)
            assert not any(label in result.body for label in (b"PRIVATE KEY", PRIVATE_KEY.encode()))
            check_report(result.report)


def check_report(result: ViolationReport) -> None:
    assert canonical_host(result.hostname) == result.hostname
    assert result.port is None or 1 <= result.port <= 65535
    for chain in (result.served_chain or (), result.validated_chain or ()):
        assert len(chain) <= MAX_CHAIN
        assert all(isinstance(element, Certificate) or element.position == at for at, element in enumerate(chain))
    assert len(identity_of(result, received_at=NOW)) == 32


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    check(body)


@given(st.text(max_size=100), st.integers(0, 3000), st.integers(0, 60))
def test_a_report_with_any_text_in_place_of_a_stretch_of_it_is_read_or_refused(text: str, at: int, length: int) -> None:
    body = body_with()
    check(body[:at] + text.encode("utf-8", "surrogatepass") + body[at + length :])


@given(values)
def test_any_json_is_read_or_refused(value: object) -> None:
    check(json.dumps(value).encode())


@given(st.sampled_from(tuple(FORMS)), st.data())
def test_any_member_of_any_sender_with_another_value_or_none_is_read_or_refused(
    sender: Sender, data: st.DataObject
) -> None:
    members = FORMS[sender].members(INCIDENT)
    for name in data.draw(st.lists(st.sampled_from(tuple(members)), max_size=4)):
        members[name] = data.draw(values)
    for name in data.draw(st.lists(st.sampled_from(tuple(members)), max_size=3)):
        members.pop(name, None)
    check(FORMS[sender].encode(members))


@given(st.lists(values | st.fixed_dictionaries({"type": st.just("hpkp"), "age": values, "body": values}), max_size=5))
def test_any_batch_is_read_or_refused(batch: list[Any]) -> None:
    check(json.dumps(batch).encode())


@given(st.sampled_from(tuple(FORMS)), st.data())
def test_a_private_key_anywhere_in_any_form_is_refused_and_in_no_reading(sender: Sender, data: st.DataObject) -> None:
    members = FORMS[sender].members(INCIDENT)
    name = data.draw(st.sampled_from(tuple(members)))
    members[name] = data.draw(st.sampled_from([PRIVATE_KEY, [PRIVATE_KEY], {"inside": [PRIVATE_KEY]}]))
    [result] = read_reports(FORMS[sender].encode(members), certificates=CertificateReader(), received_at=NOW)
    assert isinstance(result, Unreadable)
    assert "private key" in result.reason
    assert PRIVATE_KEY[:20] not in result.reason


@given(st.sampled_from(MEMBERS), values)
def test_any_value_in_any_member_is_read_or_refused(member: str, value: object) -> None:
    check(body_with({member: value}))


@given(st.dictionaries(st.sampled_from(MEMBERS), values, min_size=2, max_size=6))
def test_any_values_in_several_members_are_read_or_refused(members: dict[str, Any]) -> None:
    check(body_with(members))


@given(st.binary(max_size=40), st.integers(0, 2000))
def test_a_certificate_with_a_stretch_of_other_bytes_is_read_or_marked_and_does_not_cost_the_report(
    stretch: bytes, at: int
) -> None:
    der = site().leaf.der
    at %= len(der)
    broken = der[:at] + stretch + der[at + len(stretch) :]
    result = read(body_with({"served-certificate-chain": [pem_with(broken), site().root.pem]}))
    assert isinstance(result, ViolationReport)
    assert result.served_chain is not None
    assert isinstance(result.served_chain[1], Certificate)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1900, 1, 2), datetime(9990, 1, 1), timezones=zones)


@given(moments)
def test_a_date_with_an_offset_is_read_as_the_same_moment_in_utc(moment: datetime) -> None:
    read_back = read_date(moment.isoformat())
    assert read_back == moment
    assert read_back is not None
    assert read_back.tzinfo is UTC


@given(moments, st.sampled_from("\u0660\u06f0\u0966\uff10\U0001d7d8"))
def test_the_digits_of_any_script_and_the_blank_between_date_and_time_do_not_matter(
    moment: datetime, zero: str
) -> None:
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    digits = str.maketrans(string.digits, "".join(chr(ord(zero) + number) for number in range(10)))
    assert read_date(text.translate(digits)) == read_date(text) == moment.replace(microsecond=0, tzinfo=UTC)


@given(values)
def test_a_date_is_utc_or_none(value: object) -> None:
    moment = read_date(value)
    assert moment is None or moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59+00:00"),
        ("2026-12-31T23:59:\u0666\u0660Z", "2026-12-31T23:59:59+00:00"),
        ("2026-12-31T23:59:61Z", None),
        ("2026-12-31T23:59:99Z", None),
        ("2026-02-29T00:00:00Z", None),
        ("2026-06-01", "2026-06-01T00:00:00+00:00"),
        ("2026-06-01T12:30", "2026-06-01T12:30:00+00:00"),
        ("2026-06-01T12:30:00.1239999Z", "2026-06-01T12:30:00.123999+00:00"),
        ("2026-06-01t12:30:00z", "2026-06-01T12:30:00+00:00"),
        ("2026-06-01T12:30:00-0330", "2026-06-01T16:00:00+00:00"),
        ("2026-06-01T12:30:00+25:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1601-01-01T00:00:00.000Z", "1601-01-01T00:00:00+00:00"),
        ("1780315200", None),
        ("Mon, 01 Jun 2026 12:00:00 GMT", None),
        ("2026-06-01T12:30:00Z" + " " * 50, None),
    ],
)
def test_a_date_at_the_edge(text: str, expected: str | None) -> None:
    moment = read_date(text)
    assert (None if moment is None else moment.isoformat()) == expected


@given(st.integers(0, 65535))
def test_a_port_is_read_the_same_from_a_number_a_float_and_a_text_and_zero_is_unknown(port: int) -> None:
    assert read_port(port) == read_port(str(port)) == read_port(float(port)) == (port or None)


@given(values)
def test_a_port_is_in_range_or_unknown_or_refused(value: object) -> None:
    port = _port_or_pointer(value)
    assert port in (None, "/port") or port in range(1, 65536)


def _port_or_pointer(value: object) -> int | str | None:
    try:
        return read_port(value)
    except NotAReport as refusal:
        return refusal.pointer


@given(st.lists(st.binary(min_size=32, max_size=32).map(Pin), max_size=10), st.data())
def test_pins_come_back_from_any_spelling_once_each_and_in_their_order(pins: list[Pin], data: st.DataObject) -> None:
    spellings = st.sampled_from(['pin-sha256="{}"', "pin-sha256='{}'", "sha256/{}", "{}", ' PIN-SHA256 = "{}" '])
    written = [data.draw(spellings).format(pin) for pin in pins]
    assert read_pins(written) == (tuple(dict.fromkeys(pins)), ())


@given(st.lists(values, max_size=10))
def test_every_pin_is_either_read_or_kept_as_text(written: list[Any]) -> None:
    pins, unreadable = read_pins(written)
    assert len(unreadable) + len(pins) <= len(written)
    assert len(unreadable) == sum(not read_pins([text])[0] for text in written)


@given(values)
def test_a_kept_text_is_short_and_printable(value: object) -> None:
    text = read_text(value)
    assert text is None or (text.isprintable() and 0 < len(text) <= 200)


CALENDARS = [
    ("2569-06-01T12:00:00Z", "2026-06-01T12:00:00+00:00"),  # Thai
    (" \u0e52\u0e55\u0e56\u0e59-06-01T12:00:00Z", "2026-06-01T12:00:00+00:00"),  # Thai, in its own digits
    ("2571-02-29T12:00:00Z", "2028-02-29T12:00:00+00:00"),  # a leap year there, and not of the Gregorian calendar
    ("2569-06-01T12:00:00.500+07:00", "2026-06-01T05:00:00.500000+00:00"),
    ("2557-06-01T12:00:00Z", None),
    ("2601-06-01T12:00:00Z", None),
    ("0008-06-01T12:00:00Z", None),  # Japanese: Reiwa, Heisei, Showa, …
    ("0115-06-01T12:00:00Z", None),  # Minguo
    ("1405-03-11T12:00:00Z", None),  # Persian
    ("1447-12-15T12:00:00Z", None),  # Islamic
    ("5786-09-16T12:00:00Z", None),  # Hebrew
    ("1969-12-31T23:59:59Z", None),
    ("2100-01-01T00:00:00Z", None),
    ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),  # a clock that was never set
    ("2026-06-01T12:00:00Z", "2026-06-01T12:00:00+00:00"),
]


@pytest.mark.parametrize(("text", "expected"), CALENDARS)
def test_a_clock_in_another_calendar_is_converted_or_set_aside(text: str, expected: str | None) -> None:
    moment = read_clock(text)
    assert (None if moment is None else moment.isoformat()) == expected


@given(moments.filter(lambda moment: not 2558 <= moment.year <= 2600))
def test_a_clock_of_this_century_is_read_as_any_date(moment: datetime) -> None:
    text = moment.isoformat()
    assert read_clock(text) == (read_date(text) if 1970 <= moment.year < 2100 else None)


@given(values)
def test_a_clock_is_utc_or_none(value: object) -> None:
    moment = read_clock(value)
    assert moment is None or moment.utcoffset() == timedelta(0)


def test_a_date_that_is_set_aside_keeps_its_text_and_contradicts_nothing() -> None:
    form = FORMS[Sender.TRUSTKIT_ANDROID]
    body = form.encode(form.members(INCIDENT) | {"date-time": "1447-12-15T12:00:00Z"})
    [reading] = read_reports(body, certificates=CertificateReader(), received_at=NOW)
    assert isinstance(reading, Reading)
    assert (reading.report.date_time, reading.report.date_time_text) == (None, "1447-12-15T12:00:00Z")
    assert reading.report.sender is Sender.TRUSTKIT_ANDROID
    assert reading.report.contradictions == ()
