"""Certificates out of PKCS #7 SignedData (RFC 2315 section 9.1, RFC 5652 section 5.1): what is in a .p7b or .p7c.

Knows the library's reader and what it does: it reads DER by itself and takes OpenSSL for BER, and both hand out parsed
certificates. Their bytes are taken only where they stand in the file as they are, so that no pin is that of an
encoding made anew.
"""

import warnings

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from cryptography.x509 import InvalidVersion

from app.hpkp.errors import InvalidKey
from app.hpkp.x509.spki import is_signed_data

PKCS7_LABELS = frozenset({"PKCS7", "CMS"})

_TRY = "Take them out with `openssl pkcs7 -print_certs`, and give that file."


def certificates_of_pkcs7(data: bytes) -> tuple[bytes, ...]:
    """Return the DER of every certificate, in the order of the file.

    Raises InvalidKey where there is none, and where the library fails or re-encodes: it reads all or nothing.
    """
    if not is_signed_data(data):
        raise InvalidKey("not PKCS #7 SignedData")
    try:
        with warnings.catch_warnings():
            # Of BER, certificates out of order (openssl crl2pkcs7 writes them so) and odd serial numbers: no news here.
            warnings.simplefilter("ignore")
            parsed = load_der_pkcs7_certificates(data)
    except (ValueError, UnsupportedAlgorithm, InvalidVersion) as error:
        raise InvalidKey(
            f"the library cannot read this PKCS #7, or one certificate in it is too odd for it: {error} {_TRY}"
        ) from None
    if not parsed:
        raise InvalidKey("the PKCS #7 holds no certificate")
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in parsed)
    # The library hands out certificates that it encoded again: only bytes of the file have the pin that clients
    # compute.
    for number, der in enumerate(ders):
        if der not in data:
            raise InvalidKey(
                f"the library gave certificate {number} of the PKCS #7 in another encoding than it has in the file, "
                f"which may change its pin. {_TRY}"
            )
    return ders
