"""A reader that has read before answers as a fresh one does: knowing a report again changes nothing but the time."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.policy import Mode
from app.hpkp.violation import identity_of
from app.hpkp.x509.certificate import Chain
from app.senders import CertificateReader, Reading, Unreadable, read_reports
from app.senders.reader import DatedBody, Identified, ReportReader
from app.senders.weighted_lru import WeightedLRU
from tests.support.authority import NOW
from tests.support.golden.make import GOLDEN
from tests.support.reports import other_site, report_body

REPORTS = {
    f"{path.parent.name}/{path.stem}": path.read_bytes()
    for path in sorted(GOLDEN.glob("*/*.json"))
    if not path.name.endswith(".expected.json")
}
MODES = (None, Mode.ENFORCE, Mode.REPORT_ONLY)
MOMENT = "2026-06-01T12:00:00.000Z"
DATES = (
    MOMENT,
    "2026-06-01T12:00:00.999Z",
    "2026-06-01T12:00:01.000Z",
    "2026-06-01T12:00:01.001Z",
    "2026-06-01T11:58:59.999Z",
    "2026-07-31T12:00:00.000Z",
    "2026-08-02T12:00:00.000Z",
    "1601-01-01T00:00:00.000Z",
    "0000-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "2026-02-29T12:00:00.000Z",
    "2026-13-01T12:00:00.000Z",
    "2016-12-31T23:59:60.000Z",
    "2026-06-01T24:00:00.000Z",
    "2026-06-01T12:00:00.000",
    "2026-06-01T12:00:00Z",
    "2026-06-01 12:00:00.000Z",
    "٢٠٢٦-06-01T12:00:00.000Z",
    "",
)
_DATES = re.compile(rb'"\d{4}-\d\d-\d\d[^"]*"')
_TWO_DATES = re.compile(rb'{"date-time":"([^"]{24})","effective-expiration-date":"([^"]{24})"')


def answers(body: bytes, mode: Mode | None) -> Sequence[Identified | Unreadable]:
    """Return what nobody who has read before can answer."""
    return ReportReader().read(body, mode=mode, received_at=NOW)


def told(read: Identified | Unreadable) -> object:
    """Return what is told of a report, whether its identity was kept or is worked out, and its body in parts."""
    if isinstance(read, Unreadable):
        return read
    return (read.report, bytes(read.body), read.fingerprint, read.identity)


def check(reader: ReportReader, body: bytes, mode: Mode | None = None) -> None:
    """Read a body, and compare with the general readers and with a fresh reader."""
    read = reader.read(body, mode=mode, received_at=NOW)
    assert list(map(told, read)) == list(map(told, answers(body, mode)))
    plain = read_reports(body, certificates=CertificateReader(), mode=mode, received_at=NOW)
    assert len(plain) == len(read)
    for one, other in zip(plain, read, strict=True):
        if isinstance(one, Reading) and isinstance(other, Identified):
            identity = identity_of(one.report, received_at=NOW)
            assert (one.report, one.body, identity) == (other.report, other.body, other.identity)
        else:
            assert one == other


def chromium(date_time: str = MOMENT, expiration: str = MOMENT, **members: Any) -> bytes:
    return report_body(**{"date_time": date_time, "effective_expiration_date": expiration} | members)


def served_chain(reader: ReportReader, body: bytes) -> Chain | None:
    (read,) = reader.read(body, received_at=NOW)
    assert isinstance(read, Identified)
    return read.report.served_chain


@pytest.mark.parametrize("body", REPORTS.values(), ids=REPORTS)
def test_every_golden_report_is_read_again_as_the_first_time(body: bytes) -> None:
    reader = ReportReader()
    for mode in (*MODES, *MODES):
        check(reader, body, mode)


@pytest.mark.parametrize("body", REPORTS.values(), ids=REPORTS)
def test_every_golden_report_with_other_dates_is_read_as_if_it_were_the_first(body: bytes) -> None:
    reader = ReportReader()
    for date in DATES:
        written = _DATES.sub(f'"{date}"'.encode(), body)
        for _ in range(3):
            check(reader, written)


@pytest.mark.parametrize("name", sorted(name for name in REPORTS if name.startswith("chromium/")))
def test_reports_of_chromium_are_known_again_by_all_but_their_dates(name: str) -> None:
    reader, body = ReportReader(), REPORTS[name]
    date = json.loads(body)["date-time"].encode()
    others = [body.replace(date, f"2026-06-01T12:00:00.{number:03}Z".encode()) for number in range(4)]
    chains = [served_chain(reader, other) for other in others]
    assert chains[2] is chains[1]
    assert chains[3] is chains[1]


rests = st.fixed_dictionaries(
    {},
    optional={
        "hostname": st.sampled_from(["www.example.com", "EXAMPLE.com.", "192.0.2.1", "other.example.org", "-"]),
        "noted_hostname": st.sampled_from(["www.example.com", "example.com", "org", ""]),
        "include_subdomains": st.sampled_from([True, False, "true", None]),
        "port": st.sampled_from([443, "443", 0, None, -1]),
        "known_pins": st.sampled_from([[], ["no pin"], ["A" * 43 + "="], "x"]),
        "served_certificate_chain": st.sampled_from([[], None, list(other_site(1).served), ["no certificate"]]),
        "validated_certificate_chain": st.sampled_from([[], None, list(other_site(2).validated)]),
        "zzz": st.sampled_from(["date-time", {"date-time": "2026-06-02T12:00:00.000Z"}, "\u2028"]),
        "app_version": st.sampled_from(["1", None]),
    },
)
modes = st.sampled_from(MODES)
dates = st.sampled_from(DATES) | st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
tails = st.sampled_from(
    [
        b"",
        b" ",
        b',"date-time":"2026-06-03T12:00:00.000Z"}',
        b',"date\\u002dtime":"2026-06-03T12:00:00.000Z"}',
        b',"effective-expiration-date":null}',
        b',"hostname":"again.example.com"}',
        b',"known-pins":[]}',
        b',"type":"hpkp","body":{}}',
        b"\xff}",
        b"",
    ]
)


@given(
    st.lists(st.tuples(rests, tails), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), dates, dates, modes), min_size=3, max_size=12),
)
def test_whatever_was_read_before_a_body_is_read_as_by_a_fresh_reader(
    written: list[tuple[dict[str, Any], bytes]], sent: list[tuple[int, str, str, Mode | None]]
) -> None:
    reader = ReportReader()
    for number, date_time, expiration, mode in sent:
        members, tail = written[number % len(written)]
        body = chromium(date_time, expiration, **members)
        check(reader, body[: -1 if tail.startswith(b",") else None] + tail, mode)


@pytest.mark.parametrize("again", [b'"date-time"', b'"effective-expiration-date"', b'"date\\u002dtime"'])
def test_dates_said_again_behind_the_others_hold_as_in_any_json(again: bytes) -> None:
    reader = ReportReader()
    for number in range(4):
        body = chromium(f"2026-06-01T12:00:00.{number:03}Z")[:-1] + b"," + again + b':"2026-06-03T12:00:00.000Z"}'
        check(reader, body)
        (read,) = reader.read(body, received_at=NOW)
        assert isinstance(read, Identified)
        assert "2026-06-03T12:00:00.000Z" in (read.report.date_time_text, read.report.effective_expiration_text)


def test_bodies_of_the_same_sample_are_told_apart() -> None:
    """Only a part of a body is looked up; the whole is compared."""
    reader = ReportReader()
    one = chromium(hostname="a" * 60)
    place = one.index(b"a" * 60)
    others = [one[: place + number] + b"b" + one[place + number + 1 :] for number in range(60)]
    for body in (one, one, one, *others, one):
        check(reader, body)
    fingerprints = {read.fingerprint for body in (one, *others) for read in reader.read(body, received_at=NOW) if read}  # type: ignore[union-attr]
    assert len(fingerprints) == 61


def test_a_fingerprint_is_of_the_bytes_and_the_place_in_a_batch() -> None:
    reader = ReportReader()
    entry = {"type": "hpkp", "age": 1, "body": json.loads(report_body())}
    first, second, third = reader.read(json.dumps([entry, entry, entry]).encode(), received_at=NOW)
    alone = reader.read(json.dumps([entry]).encode(), received_at=NOW)
    later = reader.read(json.dumps([entry]).encode(), received_at=NOW + timedelta(hours=1))
    assert all(isinstance(read, Identified) for read in (first, second, third, *alone, *later))
    prints = [read.fingerprint for read in (first, second, third, *alone) if isinstance(read, Identified)]
    assert len(set(prints)) == 4
    assert [read.fingerprint for read in later if isinstance(read, Identified)] == prints[3:]


@pytest.mark.parametrize("mode", MODES)
def test_a_body_in_two_parts_is_read_as_the_whole(mode: Mode | None) -> None:
    """Also by a reader that knows the text behind the dates, from the whole or from parts; and of no date at all."""
    of_parts, of_both = ReportReader(), ReportReader()
    for date_time in DATES:
        for expiration in DATES:
            body = chromium(date_time, expiration)
            if (head := _TWO_DATES.match(body)) is None:
                continue
            parts = DatedBody((head[1], head[2]), body[head.end() :])
            assert bytes(parts) == body
            expected = list(map(told, answers(body, mode)))
            assert list(map(told, of_parts.read(parts, mode=mode, received_at=NOW))) == expected
            check(of_both, body, mode)
            assert list(map(told, of_both.read(parts, mode=mode, received_at=NOW))) == expected
    assert of_parts.kept == of_both.kept == 1


def test_what_comes_once_is_not_kept() -> None:
    reader = ReportReader()
    for number in range(8):
        check(reader, chromium(served_certificate_chain=list(other_site(number).served)))
    assert reader.kept == 0
    check(reader, chromium("2026-06-01T12:00:07.000Z", served_certificate_chain=list(other_site(3).served)))
    assert reader.kept == 1


def test_a_cache_keeps_no_more_than_it_may_and_what_was_used_last() -> None:
    cache: WeightedLRU[int, str] = WeightedLRU(10_000)
    for number in range(100):
        cache.put(number, str(number), weight=1700)
        assert cache.get(0) in ("0", None)
        assert cache.get(number) == str(number)
    assert len(cache) == 5
    assert cache.get(0) == "0"
    cache.put(1000, "too heavy", weight=10_000)
    assert cache.get(1000) is None
    for _ in range(20):
        cache.put(0, "again", weight=1700)
    assert len(cache) == 5
    assert cache.get(0) == "again"
