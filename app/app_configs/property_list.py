"""Property lists of Apple, in XML and binary, into plain values.

XML is read by `safe_xml`. Binary lists are read here, with a budget: in them one value can be referred to a thousand
times at every level, contain itself, or share its bytes with others, so a small file can expand without end. The
standard library allocates all of that before it can be counted.

Binary (CFBinaryPList.c): the header, objects, a table of their offsets, and a trailer of 32 bytes: 6 unused, the sizes
of an offset and of a reference, and as 8 bytes each the number of objects, the root's index and the table's position.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from app.app_configs.limits import MAX_DEPTH, MAX_NODES
from app.app_configs.safe_xml import XmlElement, parse_xml
from app.hpkp.errors import InvalidAppConfig

BINARY_MARK = b"bplist0"

_ROOT = "property list"


def read_property_list(data: bytes) -> dict[str, Any]:
    """Return the dictionary at the root; its values are dict, list, str, bool, int, float, bytes and datetime."""
    if data.startswith(BINARY_MARK):
        return _root(_BinaryReader(data).read())
    return property_list_of(parse_xml(data, doctype="plist"))


def property_list_of(root: XmlElement) -> dict[str, Any]:
    """Return the dictionary of a parsed document."""
    if root.name != "plist" or len(root.children) != 1:
        raise InvalidAppConfig("a property list holds one value in <plist>", place=root.place)
    return _root(_value(root.children[0]))


def _root(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidAppConfig("the property list is no dictionary", place=_ROOT)
    return value


def _value(element: XmlElement) -> Any:
    """Return the value of an element; depth and number are bounded by the XML's."""
    match element.name:
        case "dict":
            return _dictionary(element)
        case "array":
            return [_value(child) for child in element.children]
        case "string":
            return element.text
        case "true" | "false":
            return element.name == "true"
        case "data":
            return element.text.encode()  # nothing read here is data, so it stays undecoded
        case "integer" | "real" | "date":
            return _scalar(element)
        case other:
            raise InvalidAppConfig(f"a property list has no <{other[:80]}>", place=element.place)


def _scalar(element: XmlElement) -> int | float | datetime:
    text = element.text.strip()
    try:
        if element.name == "date":
            return datetime.fromisoformat(text)
        return int(text) if element.name == "integer" else float(text)
    except ValueError:
        raise InvalidAppConfig(f"{text[:40]!r} is no {element.name}", place=element.place) from None


def _dictionary(element: XmlElement) -> dict[str, Any]:
    found: dict[str, Any] = {}
    children = element.children
    if len(children) % 2:
        raise InvalidAppConfig("a dictionary has keys and values in pairs", place=element.place)
    for key, value in zip(children[::2], children[1::2], strict=True):
        if key.name != "key":
            raise InvalidAppConfig("a key is expected", place=key.place)
        if key.text in found:
            raise InvalidAppConfig(f"the key {key.text[:80]!r} is there twice", place=key.place)
        found[key.text] = _value(value)
    return found


_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_INTEGER_SIZES = range(5)
"""Exponents of two: integers of 1 to 16 bytes."""


class _BinaryReader:
    """Reads one binary list. Each value counts as often as it is referred to."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = MAX_NODES
        if len(data) < 8 + 32:
            raise self._damaged("it is too short")
        trailer = struct.unpack(">6xBBQQQ", data[-32:])
        self.offset_size, self.reference_size, self.count, self.top, self.table = trailer

    def read(self) -> Any:
        return self._object(self.top, depth=0)

    def _damaged(self, why: str) -> InvalidAppConfig:
        return InvalidAppConfig(f"the binary property list is damaged: {why}", place=_ROOT)

    def _bytes(self, start: int, length: int) -> bytes:
        if start + length > len(self.data):
            raise self._damaged("a value ends beyond the file")
        return self.data[start : start + length]

    def _integer(self, start: int, length: int) -> int:
        return int.from_bytes(self._bytes(start, length), "big")

    def _object(self, index: int, *, depth: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise InvalidAppConfig(f"the property list has more than {MAX_NODES} values", place=_ROOT)
        if depth > MAX_DEPTH:
            raise InvalidAppConfig(f"the property list is nested more than {MAX_DEPTH} levels deep", place=_ROOT)
        if index >= self.count:
            raise self._damaged("it refers to a value that is not there")
        start = self._integer(self.table + index * self.offset_size, self.offset_size)
        kind, low = divmod(self._integer(start, 1), 16)
        if kind >= 0x4 and kind != 0x8:
            length, start = self._length(low, start + 1)
            return self._sized(kind, length, start, depth)
        return self._fixed(kind, low, start + 1)

    def _fixed(self, kind: int, low: int, start: int) -> Any:
        """Return a value whose length its marker gives: null, boolean, integer, real, date, UID."""
        match kind, low:
            case 0x0, (0x8 | 0x9):
                return low == 0x9
            case 0x0, _:
                return None
            case 0x1, _ if low in _INTEGER_SIZES:
                return int.from_bytes(self._bytes(start, 1 << low), "big", signed=low >= 3)
            case 0x2, (0x2 | 0x3):
                return struct.unpack(">f" if low == 2 else ">d", self._bytes(start, 1 << low))[0]
            case 0x3, 0x3:
                return self._date(struct.unpack(">d", self._bytes(start, 8))[0])
            case 0x8, _:
                return self._integer(start, low + 1)
        raise self._damaged(f"a value of kind {kind:x}{low:x}")

    def _date(self, seconds: float) -> datetime:
        try:
            return _EPOCH + timedelta(seconds=seconds)
        except (OverflowError, ValueError):
            raise self._damaged("a date is out of range") from None

    def _length(self, low: int, start: int) -> tuple[int, int]:
        """Return the length of a value and where it begins; 15 says that an integer with the length follows."""
        if low != 0xF:
            return low, start
        size = 1 << (self._integer(start, 1) & 0x3)
        return self._integer(start + 1, size), start + 1 + size

    def _sized(self, kind: int, length: int, start: int, depth: int) -> Any:
        match kind:
            case 0x4:
                return self._bytes(start, length)
            case 0x5:
                return self._bytes(start, length).decode("ascii", "replace")
            case 0x6:
                return self._bytes(start, 2 * length).decode("utf-16-be", "replace")
            case 0xA:
                return [self._object(index, depth=depth + 1) for index in self._references(start, length)]
            case 0xD:
                return self._dictionary(start, length, depth)
        raise self._damaged(f"a value of kind {kind:x}")

    def _references(self, start: int, length: int) -> list[int]:
        if length > self.left:
            raise InvalidAppConfig(f"the property list has more than {MAX_NODES} values", place=_ROOT)
        size = self.reference_size
        return [self._integer(start + at * size, size) for at in range(length)]

    def _dictionary(self, start: int, length: int, depth: int) -> dict[str, Any]:
        keys = self._references(start, length)
        values = self._references(start + length * self.reference_size, length)
        found: dict[str, Any] = {}
        for key_at, value_at in zip(keys, values, strict=True):
            key = self._object(key_at, depth=depth + 1)
            if not isinstance(key, str) or key in found:
                raise self._damaged("a key is no text, or there twice")
            found[key] = self._object(value_at, depth=depth + 1)
        return found
