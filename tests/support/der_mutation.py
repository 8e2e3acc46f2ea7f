"""Certificates mutated as DER trees: elements deleted, duplicated, retagged, given other lengths and contents."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

_CONSTRUCTED = 0x20
_TAGS = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0A,
    0x0C,
    0x12,
    0x13,
    0x14,
    0x16,
    0x17,
    0x18,
    0x1C,
    0x1E,
    0x1F,
    0x30,
    0x31,
)
_DEEPEST = 20


@dataclass
class Node:
    """An element: primitive contents or children, and what the encoding gets wrong on purpose."""

    tag: int
    content: bytes = b""
    children: "list[Node] | None" = None
    wrapped: bytes = b""
    """Octets before the children: the unused bits of a BIT STRING."""
    length: bytes | None = field(default=None)
    """A length that is written instead of the right one."""

    def encode(self) -> bytes:
        """Return the element as bytes."""
        inner = self.content
        if self.children is not None:
            inner = self.wrapped + b"".join(child.encode() for child in self.children)
        return bytes((self.tag,)) + (self.length if self.length is not None else _length(len(inner))) + inner


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def parse(der: bytes, depth: int = 0) -> list[Node] | None:
    """Parse a series of elements, into strings that hold DER as well; None where it is none."""
    nodes, at = list[Node](), 0
    while at < len(der):
        if at + 2 > len(der) or der[at] & 0x1F == 0x1F or depth > _DEEPEST:
            return None
        size, start = der[at + 1], at + 2
        if size >= 0x80:
            octets = size & 0x7F
            size, start = int.from_bytes(der[start : start + octets], "big"), start + octets
        if start + size > len(der):
            return None
        nodes.append(_node(der[at], der[start : start + size], depth))
        at = start + size
    return nodes


def _node(tag: int, content: bytes, depth: int) -> Node:
    if tag & _CONSTRUCTED and (children := parse(content, depth + 1)) is not None:
        return Node(tag, children=children)
    if tag == 0x04 and content[:1] in (b"\x30", b"\x03", b"\x04") and (children := parse(content, depth + 1)):
        return Node(tag, children=children)
    if tag == 0x03 and content[:2] == b"\x00\x30" and (children := parse(content[1:], depth + 1)):
        return Node(tag, children=children, wrapped=b"\x00")
    return Node(tag, content)


def _lists(nodes: list[Node]) -> list[list[Node]]:
    """Return every list of siblings."""
    found = [nodes]
    for node in nodes:
        if node.children:
            found.extend(_lists(node.children))
    return found


def mutate(der: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Mutate a certificate in one to four places; ``others`` give elements that are put in."""
    tree = parse(der)
    assert tree is not None
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        siblings = chance.choice([each for each in _lists(tree) if each] or [tree])
        if siblings:
            _mutate_one(siblings, others, chance)
    encoded = b"".join(node.encode() for node in tree)
    if chance.random() < 0.05 and encoded:
        at = chance.randrange(len(encoded))
        encoded = encoded[:at] + chance.randbytes(chance.randrange(4)) + encoded[at + chance.randrange(3) :]
    return encoded


def _mutate_one(siblings: list[Node], others: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(siblings))
    node = siblings[at]
    match chance.randrange(9):
        case 0:
            del siblings[at]
        case 1:
            siblings[at:at] = [node] * chance.choice((1, 1, 2, 70))
        case 2:
            node.tag = chance.choice((*_TAGS, chance.randrange(256)))
        case 3:
            node.length = chance.choice(
                (b"\x80", b"\x84\xff\xff\xff\xff", b"\x85\x00\x00\x00\x00\x01", b"\x81\x01", b"\x00", b"\x7f")
            )
        case 4:
            node.children, node.content = None, chance.randbytes(chance.choice((0, 1, 2, 5, 13, 20, 100)))
        case 5:
            node.children, node.content = None, _edit(node.content, chance)
        case 6:
            siblings[at] = chance.choice(chance.choice(_lists(parse(chance.choice(others)) or [node])) or [node])
        case 7:
            chance.shuffle(siblings)
        case _:
            siblings[at] = Node(node.tag | _CONSTRUCTED, children=[node])


def _edit(content: bytes, chance: random.Random) -> bytes:
    """Change an octet, lengthen, cut, or put in what once broke readers."""
    match chance.randrange(4):
        case 0 if content:
            at = chance.randrange(len(content))
            return content[:at] + bytes((chance.randrange(256),)) + content[at + 1 :]
        case 1:
            return content + chance.randbytes(chance.choice((1, 2, 300)))
        case 2:
            return content[: len(content) // 2]
        case _:
            return chance.choice(
                (b"", b"\x00", b"000101000000Z", b"00000101000000Z", b"\xff\xfe", b"\xd8\x00", b"\x80" * 9)
            )
