"""Pins in every form in which they are written, and what is wrong with those that are none."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.errors import InvalidPin
from app.hpkp.pins import Pin, parse_pin, pin_of_spki

DIGEST = bytes(range(32))
TEXT = base64.b64encode(DIGEST).decode("ascii")
digests = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"  {TEXT}\n",
        f'pin-sha256="{TEXT}"',
        f"pin-sha256='{TEXT}'",
        f"pin-sha256={TEXT}",
        f'PIN-SHA256 = "{TEXT}"',
        f"sha256/{TEXT}",
    ],
)
def test_each_form_is_the_same_pin(text: str) -> None:
    assert parse_pin(text) == Pin(DIGEST)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "known form"),
        ("AAAA", "32 bytes"),
        (TEXT[:-1], "not base64"),
        (TEXT + "AAAA", "not base64"),
        (DIGEST.hex(), "hexadecimal"),
        (f"\u201c{TEXT}\u201d", "known form"),
        (f'pin-sha1="{TEXT}"', "known form"),
        (f'pin-sha256="{TEXT}', "known form"),
        (f"sha1/{TEXT}", "32 bytes"),
        ('pin-sha256="\'"', "not base64"),
        (TEXT.replace("A", "!", 1), "known form"),
        (" " * 300 + TEXT, "known form"),
        ("A" * 100_000, "known form"),
        (f'pin-sha256="\u202e{TEXT}"', "not base64"),
        ("sha256/\u00e9", "not base64"),
    ],
)
def test_what_is_no_pin_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidPin, match=reason) as refused:
        parse_pin(text)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_a_digest_of_another_length_is_no_pin(length: int) -> None:
    with pytest.raises(InvalidPin, match=f"this has {length}"):
        Pin(bytes(length))


@given(digests)
def test_a_pin_written_and_read_is_the_same(digest: bytes) -> None:
    pin = Pin(digest)
    assert parse_pin(str(pin)) == parse_pin(pin.directive) == parse_pin(f"sha256/{pin}") == pin
    assert len(str(pin)) == 44


@given(st.text(max_size=120))
def test_any_text_is_a_pin_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidPin):
        assert len(parse_pin(text).digest) == 32


def test_the_pin_of_nothing_is_the_well_known_one() -> None:
    assert str(pin_of_spki(b"")) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@given(digests, digests)
def test_pins_are_ordered_and_told_apart_by_their_digest(one: bytes, other: bytes) -> None:
    assert (Pin(one) == Pin(other)) == (one == other)
    assert (Pin(one) < Pin(other)) == (one < other)
