"""Sketches: those of the library that wrote them before, exact small counts, and how far large ones are off."""

import json
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.store.hyperloglog import EMPTY, Sketch, coupon_of, estimate, insert, merge, read_sketch, write_sketch
from app.store.sketches import NO_CLIENTS, Sketched, count_in, count_of, sketch_all, union
from tests.support.store.make_sketches import FILE, SIZES, key

WRITTEN: dict[str, str] = json.loads(FILE.read_text())
EXACT = 192


def _sketch(begin: int, end: int) -> Sketch:
    return insert(EMPTY, (coupon_of(key(number)) for number in range(begin, end)))


def _random_sketch(seed: int, size: int) -> Sketch:
    """Sketch keys that no other seed has."""
    source = random.Random(seed)
    return insert(EMPTY, (coupon_of(source.randbytes(8)) for _ in range(size)))


@pytest.mark.parametrize("size", SIZES)
def test_what_the_library_wrote_is_what_would_be_written_of_the_same_keys(size: int) -> None:
    data = bytes.fromhex(WRITTEN[str(size)])
    assert read_sketch(data) == _sketch(0, size)
    written = write_sketch(read_sketch(data))
    assert read_sketch(written) == read_sketch(data)
    # The rest of the head is how the library estimates and where its tables end: registers, least value and exceptions
    # are the same, byte for byte, and so is the order of nibbles.
    if size > EXACT:
        assert (written[6], written[32:1064]) == (data[6], data[32:1064])
        assert set(_words(written[1064:])) == set(_words(data[1064:]))
        assert written[16:32] == data[16:32]  # the sums of powers that the library estimates by
    else:
        assert (len(written), written[:8]) == (len(data), data[:8])
        start = 8 if written[7] == 0 else 12
        assert set(_words(written[start:])) == set(_words(data[start:]))


def _words(data: bytes) -> list[bytes]:
    return [data[start : start + 4] for start in range(0, len(data), 4)]


@pytest.mark.parametrize("size", SIZES)
def test_clients_of_before_are_known_in_a_sketch_that_the_library_wrote(size: int) -> None:
    before = Sketched(size, bytes.fromhex(WRITTEN[str(size)]))
    known = [key(number) + b"the rest of the hash" for number in range(0, size, max(1, size // 50))]
    assert count_in(before, known) is before
    more = count_in(before, map(key, range(size, size + 500)))
    assert more.client_sketch == write_sketch(_sketch(0, size + 500))


def test_a_few_clients_are_counted_exactly() -> None:
    counted = NO_CLIENTS
    for number in range(EXACT):
        counted = count_in(counted, [key(number), key(number // 2)])
        assert counted.clients == number + 1
        found = count_of(counted.client_sketch)
        assert (found.at_least, found.about, found.at_most) == (number + 1,) * 3


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 500)), max_size=4))
def test_a_union_is_the_sketch_of_all_keys_however_they_are_split(spans: list[tuple[int, int]]) -> None:
    parts = [write_sketch(_sketch(begin, begin + size)) for begin, size in spans]
    keys = {number for begin, size in spans for number in range(begin, begin + size)}
    whole = insert(EMPTY, (coupon_of(key(number)) for number in keys))
    assert union(parts) == write_sketch(whole)
    assert sketch_all(reversed(parts)) == Sketched(estimate(whole)[1], write_sketch(whole))
    assert merge([merge(map(read_sketch, parts)), whole, EMPTY]) == whole


@pytest.mark.parametrize("size", [200, 400, 1000, 3000, 6000, 10_000])
def test_estimates_are_without_bias_and_off_by_two_percent(size: int) -> None:
    """The mean's own standard error is a sixth of theirs, and a twentieth of them may leave the bounds."""
    found = [estimate(_random_sketch(seed, size)) for seed in range(40)]
    errors = [about / size - 1 for _, about, _ in found]
    assert abs(statistics.fmean(errors)) < 0.012
    assert statistics.pstdev(errors) < 0.03
    outside = sum(not low <= size <= high for low, _, high in found)
    assert outside <= 0.13 * len(found)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.binary(min_size=2048, max_size=2048).map(lambda data: bytes(byte & 63 for byte in data)))
def test_any_registers_are_read_as_they_were_written_and_have_an_estimate(registers: bytes) -> None:
    assert read_sketch(write_sketch(registers)) == registers
    low, about, high = estimate(registers) if any(registers) else (0, 0, 0)
    assert 0 <= low <= about <= high


def test_sketches_at_either_end_have_an_estimate() -> None:
    for registers in (bytes(2048), b"\x3f" * 2048, b"\x3f" + bytes(2047), bytes(2047) + b"\x01"):
        assert read_sketch(write_sketch(registers)) == registers
    assert estimate(bytes(2047) + b"\x01") == (1, 1, 1)
    assert estimate(bytes(2048)) == (0, 0, 0)
    assert estimate(b"\x3f" * 2048)[0] > 10**20


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(SIZES), st.data())
def test_what_is_no_whole_sketch_is_refused(size: int, data: st.DataObject) -> None:
    whole = bytes.fromhex(WRITTEN[str(size)])
    with pytest.raises(ValueError, match="a sketch"):
        read_sketch(whole[: data.draw(st.integers(0, len(whole) - 1))])
    for place in (1, 2, 3):
        with pytest.raises(ValueError, match="another kind"):
            read_sketch(whole[:place] + bytes([whole[place] + 1]) + whole[place + 1 :])
