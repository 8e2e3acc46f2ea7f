"""How each sender writes: the exact form of its PEM, of its JSON and of its members.

A certificate is its DER; a chain is a list of them, leaf first. A report is a dict of its members in the order in
which they are written.
"""

import json
from collections.abc import Sequence
from typing import Any

from tests.authority import pem_with

Members = dict[str, Any]


def chromium_pem(der: bytes) -> str:
    """Write 64 columns, LF, and a newline at the end."""
    return pem_with(der)


def apple_pem(der: bytes) -> str:
    """Write 64 columns with CRLF between them, LF around them, and no newline at the end."""
    first, *lines, last = pem_with(der).splitlines()
    body = "\r\n".join(lines)
    return f"{first}\n{body}\n{last}"


def android_pem(der: bytes) -> str:
    """Write 76 columns, LF, and a newline at the end."""
    return pem_with(der, columns=76)


def chromium_body(members: Members) -> bytes:
    """Write compact ASCII JSON, members sorted by name; ``<`` as an escape."""
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return text.replace("<", r"\u003C").encode("ascii")


def trustkit_body(members: Members) -> bytes:
    """Write compact UTF-8 JSON in which every slash is escaped, as both systems do."""
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
    return text.replace("/", r"\/").encode()


def plain_body(members: Members) -> bytes:
    """Write JSON as nobody in particular does."""
    return json.dumps(members, indent=2).encode()


def directives(pins: Sequence[str]) -> list[str]:
    """Write pins as they stand in a header (RFC 7469 section 2.1.1)."""
    return [f'pin-sha256="{pin}"' for pin in pins]
