"""Private keys pasted by mistake, found wherever they stand in a body, so that none is ever kept.

The raw body decides, because raw bodies are stored: a member that is ignored or sent twice is in it all the same.
The decoded value only tells the place. Found are PEM (RFC 7468 sections 10 and 11, and the older labels) and bare
base64 of the DER of the structures that PEM would hold.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any, Final, TypeAlias

FOUND: Final = "Contains a private key. It was not stored, but treat it as compromised and replace it."

_LABEL = "PRIVATE KEY"
_HEAD = 40
"""Characters of base64 that hold the first bytes of every structure below."""
_SHORTEST = 8
"""Characters of base64 of the shortest beginning by which one of them is told."""

_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
_PRIVATE_KEY = re.compile(
    rb"\x30" + _LENGTH + rb"(?:"
    # version, then: algorithm (RFC 5958 section 2), key (RFC 5915 section 3) or modulus (RFC 8017 appendix A.1.2)
    rb"\x02\x01[\x00\x01][\x30\x04\x02]|"
    # an algorithm of PKCS #5 or PKCS #12: an encrypted one (RFC 5958 section 3)
    rb"\x30" + _LENGTH + rb"\x06.\x2a\x86\x48\x86\xf7\x0d\x01[\x05\x0c]"
    rb")",
    re.DOTALL,
)  # fmt: skip

# A DER SEQUENCE begins with 0x30, so its base64 with M.
_BARE = re.compile(rb'"(?:\\[nrt]| )*+(M(?:[A-Za-z0-9+/_-]|\\[nrt/]| ){43,80})')
_JSON_ESCAPES = re.compile(rb"\\[nrt]|\\(?=/)")
_ASCII_ESCAPE = re.compile(rb"\\u00([0-7][0-9A-Fa-f])")
_ASCII = {form % code: bytes((code,)) for code in range(0x80) for form in (b"%02x", b"%02X")}


def find_private_key(body: bytes, value: Any) -> list[str | int] | None:
    """Return where a private key stands in a body: the location in its decoded ``value``.

    An empty location where it stands in no value, but in a member that was sent again, or among too many others.
    None where there is none.
    """
    if b"\\u" in body:
        parts = _ASCII_ESCAPE.split(body)
        parts[1::2] = map(_ASCII.__getitem__, parts[1::2])  # a third of the time of a function for each
        body = b"".join(parts)
    bare = (_read_bare(match[1]) for match in _BARE.finditer(body))
    if _LABEL.encode() in body or any(map(is_private_key, bare)):
        return _locate(value)
    return None


def _read_bare(text: bytes) -> str:
    """Return the text without what JSON escapes in it; looking first takes a fifth of the time."""
    return (_JSON_ESCAPES.sub(b"", text) if b"\\" in text else text).decode("ascii")


def is_private_key(text: str) -> bool:
    """Whether base64 begins as the DER of a private key does."""
    if len(text) < _SHORTEST or text.lstrip()[:1] != "M":
        return False
    head = text[:_HEAD]
    if not head.isalnum():  # asked first because anybody may send thousands of texts
        head = "".join(text[: 4 * _HEAD].split())[:_HEAD].replace("-", "+").replace("_", "/")
    try:
        return _PRIVATE_KEY.match(a2b_base64(head[: len(head) // 4 * 4])) is not None
    except (Base64Error, ValueError):
        return False


_CONTAINERS = (dict, list)
_MOST_PARTS = 10_000
"""Members and elements among which the place is looked for; reports have a hundred."""
_Place: TypeAlias = "tuple[_Place, str | int] | None"
"""A place in a JSON value: that of what holds it, and its name or index there. Copies of paths would take memory."""


def _locate(value: Any) -> list[str | int]:
    waiting: list[tuple[_Place, Any]] = [(None, [value])]
    left = _MOST_PARTS
    while waiting:
        place, item = waiting.pop()
        if (left := left - len(item)) < 0:
            break
        if isinstance(item, dict) and any(map(_tells, item)):
            return _location(place)
        for key, part in item.items() if isinstance(item, dict) else enumerate(item):
            if isinstance(part, str) and _tells(part):
                return _location((place, key))
            if isinstance(part, _CONTAINERS) and part:
                waiting.append(((place, key), part))
    return []


def _tells(text: str) -> bool:
    return _LABEL in text or is_private_key(text)


def _location(place: _Place) -> list[str | int]:
    found: list[str | int] = []
    while place is not None:
        place, key = place
        found.append(key)
    return found[-2::-1]  # the value itself was in a list
