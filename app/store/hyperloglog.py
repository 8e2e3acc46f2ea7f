"""HyperLogLog: an estimate of how many different keys there were, in bounded space.

Sketches have 2048 registers, and the serialized form of Apache DataSketches (HLL_4, compact, serial version 1), so what
that library wrote reads on, and takes further keys::

    key ──murmur3──> coupon ──insert──> Sketch ──write_sketch──> bytes
                                        Sketch ──estimate──> (at least, about, at most)

A coupon is 26 bits of the key's hash (the address), and above them the number of leading zeros of other 64 bits, plus
one (the value). Up to 192 coupons are kept as they are, and counted. Beyond, only the largest value for each register
(the lower 11 bits of the address) is kept.

Sources: https://datasketches.apache.org/docs/HLL/HllSketches.html and the C++ library's ``hll`` (form); O. Ertl, "New
cardinality estimation algorithms for HyperLogLog sketches", 2017, arXiv:1702.01284, algorithm 6 (estimate).
"""

import math
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

Sketch: TypeAlias = frozenset[int] | bytes
"""Coupons, or the value of each register."""

EMPTY: Sketch = frozenset()

_LG_K = 11
_K = 1 << _LG_K
_MOST_COUPONS = 192
_LARGEST = 63
"""Of all values: 62 leading zeros also mean more than 62."""
_STANDARD_ERROR = 1.04 / math.sqrt(_K)
"""Of an estimate from registers, relative: 2.3 %."""
_DEVIATIONS = 2
"""Standard errors between an estimate and its bounds: 95 % confidence."""

_ADDRESS_BITS = 26
_ADDRESS = (1 << _ADDRESS_BITS) - 1
_WORD = (1 << 64) - 1
_SEED = 9001


@lru_cache(maxsize=4096)  # a client is counted for its violation, the violation's day and the host's day
def coupon_of(key: bytes) -> int:
    """Return the coupon of a key of 8 bytes: MurmurHash3 (x64, 128 bits), as the library hashes a number."""
    number = int.from_bytes(key, "big")
    if number >> 63:  # in Python the library takes a number beyond its 64 bits with a sign as a float
        (number,) = struct.unpack("<Q", struct.pack("<d", number))
    mixed = number * 0x87C37B91114253D5 & _WORD
    mixed = (mixed << 31 | mixed >> 33) * 0x4CF5AD432745937F & _WORD
    first = (_SEED ^ mixed ^ 8) + (_SEED ^ 8) & _WORD
    second = first + (_SEED ^ 8) & _WORD
    first, second = _mix(first), _mix(second)
    first = first + second & _WORD
    second = second + first & _WORD
    zeros = min(64 - second.bit_length(), _LARGEST - 1)
    return first & _ADDRESS | zeros + 1 << _ADDRESS_BITS


def _mix(word: int) -> int:
    word = (word ^ word >> 33) * 0xFF51AFD7ED558CCD & _WORD
    word = (word ^ word >> 33) * 0xC4CEB9FE1A85EC53 & _WORD
    return word ^ word >> 33


def insert(sketch: Sketch, coupons: Iterable[int]) -> Sketch:
    """Return a sketch that has the coupons too."""
    if isinstance(sketch, frozenset):
        together = sketch.union(coupons)
        return together if len(together) <= _MOST_COUPONS else insert(bytes(_K), together)
    registers = bytearray(sketch)
    for coupon in coupons:
        slot, value = coupon & _K - 1, coupon >> _ADDRESS_BITS
        if value > registers[slot]:
            registers[slot] = value
    return bytes(registers)


def merge(sketches: Iterable[Sketch]) -> Sketch:
    """Return a sketch of what is in any of the sketches."""
    coupons, registers = set[int](), 0
    for sketch in sketches:
        if isinstance(sketch, frozenset):
            coupons |= sketch
        else:
            registers = _larger(registers, int.from_bytes(sketch, "big"))
    return insert(registers.to_bytes(_K, "big") if registers else EMPTY, coupons)


_TOP_BITS = int.from_bytes(b"\x80" * _K, "big")


def _larger(one: int, other: int) -> int:
    """Return the larger of each pair of bytes below 128: all at once, a hundred times faster than in a loop."""
    not_less = (one | _TOP_BITS) - other & _TOP_BITS
    chosen = not_less - (not_less >> 7)  # seven bits of each byte in which ``one`` is not less
    return other ^ (one ^ other) & chosen


def estimate(sketch: Sketch) -> tuple[int, int, int]:
    """Return how many keys there were: not fewer, about, and not more, with 95 % confidence; coupons are exact."""
    if isinstance(sketch, frozenset):
        return len(sketch), len(sketch), len(sketch)
    counts = _histogram(sketch)
    about = _estimate_registers(counts)
    deviation = _DEVIATIONS * _STANDARD_ERROR
    filled = _K - counts[0]
    return max(filled, round(about / (1 + deviation))), round(about), round(about / (1 - deviation))


def _histogram(registers: bytes) -> list[int]:
    """Count how many registers have each value."""
    counts = [0] * (_LARGEST + 1)
    left = _K
    for value in range(_LARGEST + 1):
        counts[value] = registers.count(value)
        left -= counts[value]
        if not left:
            break
    return counts


def _estimate_registers(counts: list[int]) -> float:
    """Ertl's algorithm 6, without its correction for registers with the largest value: 2**60 keys are not expected."""
    total = 0.0
    for count in reversed(counts[1:]):
        total = (total + count) / 2
    total += _K * _sigma(counts[0] / _K)
    return _K * _K / (2 * math.log(2) * total)


def _sigma(x: float) -> float:
    """Ertl's correction for registers that nothing reached."""
    if x == 1:
        return math.inf
    power, total = 1.0, x
    while True:
        x *= x
        before, total, power = total, total + x * power, 2 * power
        if total == before:
            return total


# The form. All begin with: integers before the data, serial version, family, lg of the registers, lg of the hash table
# behind the data, flags, number of coupons in a list or least value of a register, mode. Numbers are little-endian.
_HEAD = struct.Struct("<8B")
_SERIAL, _FAMILY = 1, 7
_LIST, _SET, _HLL = 0, 1, 2
_EMPTY, _COMPACT, _OUT_OF_ORDER = 4, 8, 16
_REGISTERS = struct.Struct("<8BdddII")
"""Head; estimate by order (ours is without one), sums of 2**-value below and from 32, least values, exceptions."""
_LONGEST_LIST = 7
_EXCEPTION = 15
"""A nibble that says that the value stands among the exceptions behind the registers, as a coupon does."""


def write_sketch(sketch: Sketch) -> bytes:
    """Serialize a sketch: 8 bytes and 4 for each coupon, or some 1,070."""
    if isinstance(sketch, frozenset):
        return _write_coupons(sorted(sketch))
    counts = _histogram(sketch)
    least = next(value for value, count in enumerate(counts) if count)
    shifted = sketch.translate(_make_write_table(least))
    exceptions = [
        slot | value << _ADDRESS_BITS
        for slot, value in (enumerate(sketch) if _EXCEPTION in shifted else ())
        if value - least >= _EXCEPTION
    ]
    lg_table = max(2, _lg_of_table(len(exceptions))) if exceptions else 0
    head = _REGISTERS.pack(
        _REGISTERS.size // 4, _SERIAL, _FAMILY, _LG_K, lg_table, _COMPACT | _OUT_OF_ORDER, least, _HLL,
        0.0, _sum_powers(counts, range(32)), _sum_powers(counts, range(32, _LARGEST + 1)), counts[least],
        len(exceptions),
    )  # fmt: skip
    even, odd = int.from_bytes(shifted[::2], "big"), int.from_bytes(shifted[1::2], "big")
    return head + (even | odd << 4).to_bytes(_K // 2, "big") + struct.pack(f"<{len(exceptions)}I", *exceptions)


def _write_coupons(coupons: list[int]) -> bytes:
    count = len(coupons)
    data = struct.pack(f"<{count}I", *coupons)
    if count <= _LONGEST_LIST:
        flags = _COMPACT if count else _COMPACT | _EMPTY
        return _HEAD.pack(2, _SERIAL, _FAMILY, _LG_K, 3, flags, count, _LIST) + data
    lg_table = max(5, _lg_of_table(count))
    return _HEAD.pack(3, _SERIAL, _FAMILY, _LG_K, lg_table, _COMPACT, 0, _SET) + struct.pack("<I", count) + data


def _lg_of_table(count: int) -> int:
    """Return the base 2 logarithm of the smallest hash table that is at most three quarters full with these entries."""
    return (-(-4 * count // 3) - 1).bit_length()


@lru_cache(maxsize=_LARGEST + 1)
def _make_write_table(least: int) -> bytes:
    """Make the table that turns the value of a register into a nibble."""
    return bytes(min(max(value - least, 0), _EXCEPTION) for value in range(256))


def _sum_powers(counts: list[int], values: range) -> float:
    return math.fsum(math.ldexp(counts[value], -value) for value in values)


def read_sketch(data: bytes) -> Sketch:
    """Read a serialized sketch. Raises ValueError for what is none of 2048 registers."""
    try:
        _, serial, family, lg_k, _, flags, small, mode = _HEAD.unpack_from(data)
        if (serial, family, lg_k) != (_SERIAL, _FAMILY, _LG_K) or not flags & _COMPACT:
            raise ValueError("a sketch of another kind")
        if mode == _LIST:
            return _read_coupons(data, 8, small)
        if mode == _SET:
            return _read_coupons(data, 12, *struct.unpack_from("<I", data, 8))
        if mode == _HLL:
            return _read_registers(data, small)
    except struct.error:
        raise ValueError("a sketch that ends early") from None
    raise ValueError("a sketch in another mode")


def _read_coupons(data: bytes, start: int, count: int) -> frozenset[int]:
    if count > _MOST_COUPONS:
        raise ValueError("a sketch of too many coupons")
    return frozenset(struct.unpack_from(f"<{count}I", data, start))


def _read_registers(data: bytes, least: int) -> bytes:
    start, end = _REGISTERS.size, _REGISTERS.size + _K // 2
    nibbles, registers = data[start:end], bytearray(_K)
    even, odd = _make_read_tables(least)
    if len(nibbles) != _K // 2:
        raise ValueError("a sketch that ends early")
    registers[::2], registers[1::2] = nibbles.translate(even), nibbles.translate(odd)
    (count,) = struct.unpack_from("<I", data, start - 4)
    for coupon in struct.unpack_from(f"<{count}I", data, end):
        registers[coupon & _K - 1] = coupon >> _ADDRESS_BITS
    return bytes(registers)


@lru_cache(maxsize=_LARGEST + 1)
def _make_read_tables(least: int) -> tuple[bytes, bytes]:
    """Make the tables that turn two nibbles in a byte into the value of either register."""
    if least > _LARGEST:
        raise ValueError("a sketch with too large values")
    return bytes((byte & 15) + least for byte in range(256)), bytes((byte >> 4) + least for byte in range(256))
