"""Times of a certificate (RFC 5280 section 4.1.2.5): UTCTime and GeneralizedTime, in Zulu, with seconds."""

import re
from datetime import UTC, datetime

from app.hpkp.errors import InvalidCertificate

_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_FORMS = {
    _UTC_TIME: re.compile(rb"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z"),
    _GENERALIZED_TIME: re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z"),
}
"""No client takes fractions, offsets or times without seconds, which the sections forbid."""


def read_time(tag: int, content: bytes) -> datetime:
    """Return the time, UTC. Raises InvalidCertificate with the text for anything else."""
    form = _FORMS.get(tag)
    if form is None:
        raise InvalidCertificate(f"tag 0x{tag:02x} is no time")
    match = form.fullmatch(content)
    if match is None:
        raise InvalidCertificate(f"{content[:40].decode('ascii', 'replace')!r} is not in the form of RFC 5280")
    year, month, day, hour, minute, second = map(int, match.groups())
    if tag == _UTC_TIME:
        # Two digits mean 1950 to 2049 (RFC 5280 section 4.1.2.5.1).
        year += 1900 if year >= 50 else 2000
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    # Year 0 or 31 February: of the right form, and no date.
    except ValueError as error:
        raise InvalidCertificate(f"{content.decode('ascii')!r}: {error}") from None
