r"""Pins: SHA-256 SPKI Fingerprints, and the forms in which they are written.

::

    pin-directive = "pin-" token "=" quoted-string       RFC 7469 section 2.1.1, e.g. pin-sha256="…"

Read besides, because senders write them: the same with single quotes or none, ``sha256/…`` (OkHttp) and bare
base64 (Go clients). Written always: bare base64 for values, ``pin-sha256="…"`` where a header wants it.
"""

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from functools import lru_cache

from app.hpkp.errors import InvalidPin

_LONGEST = 200
"""Characters of the longest text that is looked at; blanks around a pin count."""

_FORMS = re.compile(
    r"""\s*(?:
        (?:pin-sha256\s*=\s*(?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<unquoted>[^"'\s]*) ))
      | (?:sha256/(?P<okhttp>\S*))
      | (?P<bare>[A-Za-z0-9+/=]+)
    )\s*""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """The SHA-256 of a SubjectPublicKeyInfo (RFC 7469 section 2.4): 32 bytes, whoever holds the key."""

    digest: bytes

    def __post_init__(self) -> None:
        """Refuse a digest of another length."""
        if len(self.digest) != 32:
            raise InvalidPin(f"a SHA-256 pin has 32 bytes, this has {len(self.digest)}")

    def __str__(self) -> str:
        """Return the base64 text, 44 characters."""
        return b2a_base64(self.digest, newline=False).decode("ascii")

    @property
    def directive(self) -> str:
        """The pin as it stands in a header: ``pin-sha256="…"`` (RFC 7469 section 2.1.1)."""
        return f'pin-sha256="{self}"'


def pin_of_spki(spki: bytes) -> Pin:
    """Return the pin of DER SubjectPublicKeyInfo bytes."""
    return Pin(hashlib.sha256(spki).digest())


@lru_cache(maxsize=4096)
def parse_pin(text: str) -> Pin:
    """Read a pin in any of the forms above; InvalidPin says what is wrong with anything else."""
    match = _FORMS.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        shown = text if len(text) <= 80 else text[:80] + "…"
        raise InvalidPin(f"not a pin in any known form: {shown!r}")
    encoded = next(group for group in match.groups() if group is not None)
    try:
        digest = a2b_base64(encoded, strict_mode=True)
    except ValueError as error:  # binascii.Error is one, and what is not ASCII gives a plain one
        raise InvalidPin(f"not base64 ({error}): {encoded[:80]!r}") from None
    if len(digest) != 32:
        hexadecimal = len(encoded) == 64 and all(c in "0123456789abcdefABCDEF" for c in encoded)
        hint = "; this is hexadecimal, a pin is base64" if hexadecimal else ""
        raise InvalidPin(f"a SHA-256 pin has 32 bytes, {encoded[:80]!r} has {len(digest)}{hint}")
    return Pin(digest)
