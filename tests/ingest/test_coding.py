"""The coding of entries: what goes in comes out, and what cannot be decoded says why."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.policy import Mode
from app.ingest.coding import CODING_VERSION, Decoder, Encoder, Undecodable
from app.ingest.entry import CanaryEntry, Entry, RejectionEntry, ReportEntry
from app.outcomes import Outcome
from tests.support.ingest.makers import report

_ANY_TEXT = st.text(alphabet=st.characters(), max_size=40)  # with lone surrogates
_TIMES = st.integers(-(2**63), 2**63 - 1)
_NETWORKS = st.binary(min_size=8, max_size=8)
_DATES = st.binary(min_size=24, max_size=24)
_REPORTS = st.builds(
    ReportEntry,
    received_at=_TIMES,
    client=st.binary(min_size=16, max_size=16),
    network=_NETWORKS,
    submission=st.binary(min_size=16, max_size=16),
    text=st.sampled_from([b"", b"a text", b"another"]) | st.binary(max_size=200),
    dates=st.none() | st.tuples(_DATES, _DATES),
    identity=st.none() | st.binary(min_size=32, max_size=32),
    label=_ANY_TEXT,
    user_agent=st.none() | _ANY_TEXT,
    mode=st.none() | st.sampled_from(Mode),
)
_CANARIES = st.builds(CanaryEntry, _TIMES, _NETWORKS, st.binary(max_size=200), _ANY_TEXT)
_REJECTIONS = st.builds(
    RejectionEntry,
    received_at=_TIMES,
    network=_NETWORKS,
    outcome=st.sampled_from(Outcome),
    reason=_ANY_TEXT,
    length=st.integers(0, 2**40),
    pointer=st.none() | _ANY_TEXT,
    label=_ANY_TEXT,
    content_type=st.none() | _ANY_TEXT,
    user_agent=st.none() | _ANY_TEXT,
    sample=_ANY_TEXT,
)
_BATCHES = st.lists(st.lists(_REPORTS | _CANARIES | _REJECTIONS, max_size=6), max_size=5)


@given(_BATCHES)
def test_entries_of_a_segment_come_back_exactly(batches: list[list[Entry]]) -> None:
    encoder, decoder = Encoder(), Decoder()
    payloads = [encoder.encode(batch) for batch in batches]
    decoded = [decoder.decode(payload) for payload in payloads]
    assert decoded == batches
    for was, is_ in zip(itertools.chain(*batches), itertools.chain(*map(_decode_is_list, decoded)), strict=True):
        assert type(was) is type(is_)


@given(_BATCHES, st.data())
def test_a_segment_is_decoded_from_any_payload_on_once_the_definitions_are_learned(
    batches: list[list[Entry]], data: st.DataObject
) -> None:
    encoder = Encoder()
    payloads = [encoder.encode(batch) for batch in batches]
    start = data.draw(st.integers(0, len(payloads)))
    decoder = Decoder()
    assert [decoder.learn(payload) for payload in payloads[:start]] == [None] * start
    assert [decoder.decode(payload) for payload in payloads[start:]] == batches[start:]
    # Back to an earlier place, as after a transaction that was rolled back.
    assert [decoder.decode(payload) for payload in payloads[start:]] == batches[start:]


@given(_BATCHES, st.data())
def test_altered_payloads_never_raise(batches: list[list[Entry]], data: st.DataObject) -> None:
    encoder, decoder = Encoder(), Decoder()
    for batch in batches:
        payload = bytearray(encoder.encode(batch))
        for _ in range(data.draw(st.integers(0, 3))):
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
        decoded = decoder.decode(bytes(payload[: data.draw(st.integers(0, len(payload)))]))
        assert isinstance(decoded, list | Undecodable)


@given(st.binary(max_size=400))
def test_junk_never_raises(junk: bytes) -> None:
    assert isinstance(Decoder().decode(junk), list | Undecodable)


def test_a_dated_entry_gives_the_body_back_as_it_was_sent() -> None:
    body = (
        b'{"date-time":"2026-11-26T14:00:00.000Z","effective-expiration-date":"2027-01-25T14:00:00.000Z",'
        b'"hostname":"www.example.com"}'
    )
    dated = report(1, text=b',"hostname":"www.example.com"}')
    [decoded] = _decode(Encoder().encode([dated]))
    assert isinstance(decoded, ReportEntry)
    assert bytes(decoded.body) == body
    whole = dated._replace(text=body, dates=None)
    [decoded] = _decode(Encoder().encode([whole]))
    assert isinstance(decoded, ReportEntry)
    assert bytes(decoded.body) == body


def test_a_text_is_in_a_segment_once() -> None:
    encoder = Encoder()
    entries = [report(number, text=b"x" * 10_000) for number in range(30)]
    first, second = (len(encoder.encode(entries)) for _ in range(2))
    assert first - second > 10_000
    assert second < 30 * 120


@pytest.mark.parametrize(
    "wrong",
    [
        {"client": b"short"},
        {"network": b""},
        {"submission": bytes(17)},
        {"dates": (b"2026-11-26T14:00:00Z", b"2027-01-25T14:00:00.000Z")},
    ],
)
def test_members_of_the_wrong_length_are_an_error_of_the_caller(wrong: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="of the wrong length"):
        Encoder().encode([report(1)._replace(**wrong)])  # type: ignore[arg-type]


def test_another_version_is_named() -> None:
    payload = bytes([CODING_VERSION + 1]) + Encoder().encode([report(1)])[1:]
    assert Decoder().decode(payload) == Undecodable("coding version 2, this program reads 1")


def test_a_payload_before_its_definitions_is_refused() -> None:
    encoder = Encoder()
    encoder.encode([report(1)])
    assert Decoder().decode(encoder.encode([report(2)])) == Undecodable("definitions up to 2 are missing")


@pytest.mark.parametrize("kind", [0, 5, 255])
def test_an_unknown_kind_is_named(kind: int) -> None:
    payload = bytearray(Encoder().encode([report(1)]))
    payload[-116] = kind
    decoded = Decoder().decode(bytes(payload))
    assert isinstance(decoded, Undecodable)
    assert f"unknown kind {kind}" in decoded.reason


def _decode(payload: bytes) -> list[Entry]:
    decoded = Decoder().decode(payload)
    assert isinstance(decoded, list), decoded
    return decoded


def _decode_is_list(decoded: list[Entry] | Undecodable) -> list[Entry]:
    assert isinstance(decoded, list), decoded
    return decoded
