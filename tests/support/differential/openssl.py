"""OpenSSL's own verifier, in this process, as the judge of the one written here."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags

from tests.support.differential.certificates import Certificate


@lru_cache(maxsize=2048)
def _loaded(der: bytes) -> X509:
    return X509.from_cryptography(load_der_x509_certificate(der))


def openssl_path(
    leaf: Certificate, others: Iterable[Certificate], store: Iterable[Certificate], at: datetime
) -> tuple[bytes, ...] | str:
    """Return the path that OpenSSL validates, as DER, or its reason why there is none.

    OpenSSL never goes back to another candidate, so that it finds none does not mean that there is none.
    Anchors need not be self-signed (``-partial_chain``).
    """
    trusted = X509Store()
    trusted.set_flags(X509StoreFlags.PARTIAL_CHAIN)
    trusted.set_time(at)
    for anchor in dict.fromkeys(store):
        trusted.add_cert(_loaded(anchor.der))
    context = X509StoreContext(trusted, _loaded(leaf.der), [_loaded(other.der) for other in others])
    try:
        chain = context.get_verified_chain()
    except X509StoreContextError as error:
        return str(error)
    return tuple(certificate.to_cryptography().public_bytes(Encoding.DER) for certificate in chain)
