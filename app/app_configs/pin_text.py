"""Hashes as the libraries read them: each decodes base64 in its own way, and some take what can never match."""

import re
from binascii import a2b_base64
from datetime import date

from app.hpkp.app_pins.forms import PinKind
from app.hpkp.app_pins.model import CarriedPin
from app.hpkp.errors import InvalidAppConfig

_LONGEST = 4096
"""Characters of a hash that are read; a whole certificate in the place of a hash is longer."""
_BLANKS = re.compile(r"[ \t\r\n]+")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_DATE = re.compile(r"\s*(\d{1,4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2}[:\s]*){32}")


def strict_pin(text: str, *, place: str) -> CarriedPin:
    """Read padded base64 of 32 bytes, as TrustKit for Apple does, which raises for everything else."""
    return _of_32_bytes(text, text, place)


def blank_tolerant_pin(text: str, *, place: str) -> CarriedPin:
    """Read base64 with blanks and without padding, as ``android.util.Base64`` does; it must be 32 bytes."""
    return _of_32_bytes(_padded(_BLANKS.sub("", text)), text, place)


def okhttp_pin(text: str, *, place: str) -> CarriedPin:
    """Read ``sha256/BASE64`` as OkHttp does: blanks, the URL-safe alphabet and any length are accepted."""
    if not text.startswith("sha256/"):
        kind = "SHA-1 pins are not supported" if text.startswith("sha1/") else "a pin begins with sha256/"
        raise InvalidAppConfig(f"{kind}: {text[:80]!r}", place=place)
    encoded = _BLANKS.sub("", text.removeprefix("sha256/")).replace("-", "+").replace("_", "/")
    return CarriedPin(_decode(_padded(encoded), text, place))


def junk_tolerant_pin(text: str) -> CarriedPin | None:
    """Read base64 as Apple's ATS does: over characters that are none, of any length; None if nothing is left."""
    encoded = _NOT_BASE64.sub("", text[:_LONGEST])
    encoded = encoded[: len(encoded) - (len(encoded) % 4 == 1)]
    return CarriedPin(a2b_base64(_padded(encoded))) if encoded else None


def hexadecimal_hash(text: str) -> CarriedPin | None:
    """Read 64 hexadecimal digits, colons and blanks between them ignored, as the SHA-256 of a certificate."""
    if len(text) > _LONGEST or not _HEXADECIMAL.fullmatch(text.strip()):
        return None
    return CarriedPin(bytes.fromhex(re.sub(r"[:\s]", "", text)), PinKind.CERTIFICATE)


def leading_date(text: str, *, place: str) -> date:
    """Read a date as ``SimpleDateFormat("yyyy-MM-dd")`` does: what follows it is ignored."""
    match = _DATE.match(text)
    try:
        return date(*map(int, match.groups())) if match else date.fromisoformat("")
    except ValueError:
        raise InvalidAppConfig(f"{text[:40]!r} is no date of the form 2027-06-30", place=place) from None


def exact_date(text: object, *, place: str) -> date:
    """Read a date and nothing else."""
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise InvalidAppConfig(f"{str(text)[:40]!r} is no date of the form 2027-06-30", place=place)
    return leading_date(text, place=place)


def _padded(encoded: str) -> str:
    encoded = encoded.rstrip("=")
    return encoded + "=" * (-len(encoded) % 4)


def _decode(encoded: str, shown: str, place: str) -> bytes:
    try:
        if len(encoded) > _LONGEST:
            raise ValueError("it is too long")
        return a2b_base64(encoded, strict_mode=True)
    except ValueError as error:
        raise InvalidAppConfig(f"not base64 ({error}): {shown[:80]!r}", place=place) from None


def _of_32_bytes(encoded: str, shown: str, place: str) -> CarriedPin:
    found = CarriedPin(_decode(encoded, shown, place))
    if not found.can_match:
        hint = "; this is hexadecimal, a pin is base64" if hexadecimal_hash(shown) else ""
        raise InvalidAppConfig(
            f"a SHA-256 pin has 32 bytes, {shown[:80]!r} has {len(found.digest)}{hint}; the app would not start",
            place=place,
        )
    return found
