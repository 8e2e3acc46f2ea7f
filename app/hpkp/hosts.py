"""Host names in one canonical form, and what they cover.

Canonical: lower case, IDNA A-labels, no trailing dot (RFC 7469 section 2.3.3 refers to RFC 6797 section 8.2
for the comparison). An IP address is a host that can be reported but never pinned (section 2.3.1).
"""

import ipaddress
import re
from functools import lru_cache
from typing import NewType

import idna

from app.hpkp.errors import InvalidHost

Host = NewType("Host", str)

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST = 253


@lru_cache(maxsize=4096)
def canonical_host(text: str) -> Host:
    """Return the canonical form of a host name or IP address; idempotent.

    Raises InvalidHost with the reason for anything that names no host.
    """
    if len(text) > 4 * _LONGEST:
        raise InvalidHost(f"a host name has at most {_LONGEST} characters, this has {len(text)}")
    name = text.strip(" ")
    if address := _as_address(name):
        return Host(address)
    name = name.removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise InvalidHost(f"not a host name by IDNA: {error}") from None
    name = name.lower().removesuffix(".")
    if not name:
        raise InvalidHost("a host name is needed, this is empty")
    if len(name) > _LONGEST:
        raise InvalidHost(f"a host name has at most {_LONGEST} characters, this has {len(name)}")
    if "%" in name:
        raise InvalidHost("a host name has no percent sign, and an IPv6 address no scope id")
    for label in name.split("."):
        if not _LABEL.fullmatch(label):
            raise InvalidHost(f"{label[:70]!r} is no label of a host name")
    if _as_address(name):
        raise InvalidHost("an IP address with a trailing dot is neither address nor host name")
    return Host(name)


def _as_address(text: str) -> str | None:
    """Return the canonical form of an IP address, IPv6 also in brackets as in URLs (RFC 3986 section 3.2.2); or None.

    An address with a scope id (``fe80::1%eth0``) is none: the id means something on one machine only (RFC 4007 section
    11.2), and the standard library takes any text for one.
    """
    in_brackets = text.startswith("[") and text.endswith("]")
    try:
        address = ipaddress.ip_address(text[1:-1] if in_brackets else text)
    except ValueError:
        return None
    if "%" in text or (in_brackets and address.version == 4):
        return None
    return str(address)


def is_address(host: str) -> bool:
    """Whether the host is an IP address, which cannot be a Pinned Host (RFC 7469 section 2.3.1)."""
    return _as_address(host) is not None


def is_subdomain(host: str, *, of: str) -> bool:
    """Whether ``host`` lies below ``of``; a host is no subdomain of itself."""
    return not is_address(host) and host.endswith("." + of)


def superdomains(host: str) -> tuple[str, ...]:
    """Return the names above ``host``, nearest first: ``a.b.c`` gives ``b.c``, ``c``."""
    if is_address(host):
        return ()
    labels = host.split(".")
    return tuple(".".join(labels[i:]) for i in range(1, len(labels)))


def matches_name(host: str, pattern: str) -> bool:
    """Whether a DNS-ID of a certificate covers ``host`` (RFC 6125 section 6.4): ``*`` only as the whole
    left-most label, standing for exactly one label.
    """  # noqa: D205
    pattern = pattern.lower().removesuffix(".")
    if not pattern.startswith("*."):
        return host == pattern
    label, _, rest = host.partition(".")
    return bool(label) and rest == pattern[2:] and "." in rest
