"""The certificates of a file as CAs, servers and tools write it: PEM in any text encoding, DER, PKCS #7, their base64.

Where certificates alone are wanted. A file that has a private key as well, such as PKCS #12, is for `keys`.
"""

from collections.abc import Iterator

from app.hpkp.errors import InvalidCertificate, InvalidKey
from app.hpkp.x509.certificate import Certificate, Chain, Element, UnreadableCertificate, read_certificate
from app.hpkp.x509.extensions import BasicConstraints
from app.hpkp.x509.file_forms import explain_form, unwrap
from app.hpkp.x509.pem import CERTIFICATE_LABELS, decode_text, pem_blocks
from app.hpkp.x509.pkcs7 import PKCS7_LABELS, certificates_of_pkcs7
from app.hpkp.x509.pkcs12 import is_pkcs12
from app.hpkp.x509.spki import is_signed_data

LONGEST_CHAIN = 100
"""Certificates that are read of one file."""


def read_chain_file(data: bytes) -> Chain:
    """Read the certificates of a file in their order; those of PKCS #7, which has none, with the leaves first.

    Raises InvalidCertificate, saying what the file is instead, if it contains none.
    """
    data = unwrap(data)
    text = decode_text(data)
    if "-----BEGIN " in text:
        chain = tuple(_of_blocks(text))
    elif is_signed_data(data):
        chain = _of_pkcs7(data)
    # Not opened here: that takes a password, and as many rounds of hashing as the file says.
    elif is_pkcs12(data):
        raise InvalidCertificate(
            "it is PKCS #12, which contains the private key; take the certificates out: "
            "openssl pkcs12 -in FILE -nokeys -out chain.pem"
        )
    else:
        chain = (read_certificate(data),)
    # Bytes without PEM around them that are no certificate are some other file: say which.
    if not chain or (len(chain) == 1 and isinstance(chain[0], UnreadableCertificate) and "-----BEGIN " not in text):
        raise InvalidCertificate(explain_form(data) or "it contains no certificate in PEM, DER or PKCS #7")
    if len(chain) > LONGEST_CHAIN:
        raise InvalidCertificate(f"a chain has at most {LONGEST_CHAIN} certificates, this has {len(chain)}")
    return chain


def _of_blocks(text: str) -> Iterator[Element]:
    """Yield the certificates of PEM blocks; others, such as the key in a server's combined file, are left out."""
    for position, block in enumerate(b for b in pem_blocks(text) if b.label in CERTIFICATE_LABELS | PKCS7_LABELS):
        try:
            der = block.decode()
        except ValueError as error:
            raise InvalidCertificate(f"certificate {position} is no base64: {error}") from None
        # Windows writes PKCS #7 under the label of a certificate as well.
        if is_signed_data(der):
            yield from _of_pkcs7(der)
        else:
            yield read_certificate(der, position=position)


def _of_pkcs7(der: bytes) -> Chain:
    """Return the certificates of a PKCS #7: a SET, whose order means nothing, so CAs come last."""
    try:
        found = [read_certificate(one, position=position) for position, one in enumerate(certificates_of_pkcs7(der))]
    except InvalidKey as error:
        raise InvalidCertificate(str(error)) from None
    return tuple(sorted(found, key=_is_ca))


def _is_ca(element: Element) -> bool:
    """Whether a certificate says that it is a CA; enough for an order, and for nothing else."""
    constraints = element.basic_constraints if isinstance(element, Certificate) else None
    return isinstance(constraints, BasicConstraints) and constraints.ca
