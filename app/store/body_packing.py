"""Raw bodies in little space: what a body repeats of chains that are stored anyway takes none.

::

    body ──pack_body──> PackedBody(packing, data) ─columns─ unpack_body ──> the same bytes
                  └──── dictionary: the chains' PEM and the known pins, made again from the violation ────┘

A body of 11.8 kB with two chains takes about 0.4 kB. Packing takes 0.1 to 0.3 ms, so it is done before a transaction.
Pure; zlib's stream contains a checksum of the dictionary, so that another one is refused instead of giving other bytes.
"""

import zlib
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from app.hpkp.pins import Pin
from app.hpkp.report import ViolationReport
from app.hpkp.x509.certificate import Chain

_WINDOW = 32_768
"""A deflate stream refers at most so far back; more of a dictionary is of no use."""
_PEM_LINE = 64
_MEMBERS = (
    b'"app-bundle-id":"app-version":"app-vendor-id":"app-platform":"trustkit-version":"validation-result":'
    b'"date-time":"effective-expiration-date":"hostname":"include-subdomains":false,"known-pins":["noted-hostname":'
    b'"port":443,"served-certificate-chain":["validated-certificate-chain":["enforce-pinning":'
)


class Packing(IntEnum):
    """How the bytes in the column are to be read. Never change one: add another."""

    PLAIN = 0
    """As they came: bodies of stores from before packing."""
    CHAINS = 1
    """Raw deflate stream in a zlib wrapper, with the dictionary of the violation."""


@dataclass(frozen=True, slots=True)
class PackedBody:
    """A raw body as the store keeps it."""

    packing: Packing
    data: bytes


def pack_body(body: bytes, report: ViolationReport) -> PackedBody:
    """Pack the body of a report; `unpack_body` returns exactly the same bytes."""
    dictionary = _build_dictionary(report.known_pins, (report.served_chain, report.validated_chain))
    packer = zlib.compressobj(level=9, zdict=dictionary)
    return PackedBody(Packing.CHAINS, packer.compress(body) + packer.flush())


def unpack_body(packed: PackedBody, known_pins: Iterable[Pin], chains: Iterable[Chain | None]) -> bytes:
    """Return a body as it came; pins and chains (served, validated) are those of its violation.

    Raises ValueError if they are others.
    """
    if packed.packing is Packing.PLAIN:
        return packed.data
    unpacker = zlib.decompressobj(zdict=_build_dictionary(known_pins, chains))
    try:
        return unpacker.decompress(packed.data) + unpacker.flush()
    except zlib.error as error:
        raise ValueError(f"a raw body cannot be unpacked: {error}") from None


def _build_dictionary(known_pins: Iterable[Pin], chains: Iterable[Chain | None]) -> bytes:
    """Build what bodies of a violation have in common, from what is the same for all of them and is stored.

    Pins are sorted because their order is not part of a violation's identity. Certificates are in Chromium's form, the
    most frequent one, and leaves last: the end is what remains if all of it is longer than the window.
    """
    ders = dict.fromkeys(element.der for chain in chains for element in chain or () if element.der is not None)
    certificates = [_pem_in_json(der) for der in reversed(ders)]
    pins = [f'"pin-sha256=\\"{pin}\\"",'.encode() for pin in sorted(set(map(str, known_pins)))]
    return b"".join([*certificates, *pins, _MEMBERS])[-_WINDOW:]


def _pem_in_json(der: bytes) -> bytes:
    text = b64encode(der)
    lines = [text[start : start + _PEM_LINE] + b"\\n" for start in range(0, len(text), _PEM_LINE)]
    return b'"-----BEGIN CERTIFICATE-----\\n' + b"".join(lines) + b'-----END CERTIFICATE-----\\n",'
