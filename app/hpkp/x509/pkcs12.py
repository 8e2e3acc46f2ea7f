"""Certificates and keys out of PKCS #12 (RFC 7292), the .p12 and .pfx of Windows and Java.

Its integrity is protected by a password with as many rounds as the file says, so only files that operators give to the
command line are read, never what anybody sends.
"""

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from app.hpkp.errors import InvalidKey
from app.hpkp.x509.der import INTEGER, SEQUENCE

_VERSION_3 = bytes((INTEGER, 1, 3))


def is_pkcs12(data: bytes) -> bool:
    """Whether the bytes begin as a PFX of version 3 does (RFC 7292 section 4)."""
    if len(data) < 2 or data[0] != SEQUENCE:
        return False
    octets = data[1] & 0x7F if data[1] > 0x80 else 0
    return data[2 + octets :].startswith(_VERSION_3)


def open_pkcs12(data: bytes, *, passphrase: Callable[[], bytes]) -> tuple[tuple[bytes, ...], PrivateKeyTypes | None]:
    """Return the DER of the certificates, the key's own first, and the private key if there is one.

    The passphrase is asked only if neither none nor an empty one opens it. Raises InvalidKey.
    """
    # Without a password and with an empty one are different in PKCS #12, and tools write both.
    for word in (lambda: None, lambda: b"", passphrase):
        try:
            opened = load_pkcs12(data, word())
        except (ValueError, UnsupportedAlgorithm) as error:
            reason = str(error)
            continue
        found = [opened.cert, *opened.additional_certs]
        return tuple(one.certificate.public_bytes(Encoding.DER) for one in found if one is not None), opened.key
    raise InvalidKey(f"the PKCS #12 cannot be opened: {reason}")
