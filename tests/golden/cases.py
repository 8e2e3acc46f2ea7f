"""What a golden case is, and the parts that all senders' cases are made of.

What a report says is told from what was put into it, not from what was read out of it.
"""

import base64
import hashlib
import json
from dataclasses import MISSING, dataclass, fields

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.hpkp.report import ViolationReport
from tests.authority import make_root, make_site
from tests.golden.forms import Members

Chain = list[bytes]
"""DER, leaf first."""

NOTHING: Members = {
    field.name: [] if field.default == () else None for field in fields(ViolationReport) if field.default is not MISSING
}
"""What is expected of a report that says nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """A report of one sender, named after what is odd about it, and the rendering of what it says."""

    sender: str
    name: str
    body: bytes
    expected: Members


def pin_of(der: bytes) -> str:
    """Return the pin of a certificate, by way of the key as cryptography writes it."""
    key = x509.load_der_x509_certificate(der).public_key()
    return base64_of(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest())


def rendered(chain: Chain | None) -> list[Members] | None:
    """Render a chain of readable certificates."""
    if chain is None:
        return None
    return [{"sha256": hashlib.sha256(der).hexdigest(), "pin": pin_of(der)} for der in chain]


def base64_of(data: bytes) -> str:
    """Encode without newlines."""
    return base64.b64encode(data).decode("ascii")


def make_chains() -> tuple[Chain, Chain]:
    """Make a served and a validated chain."""
    site = make_site()
    served = [site.leaf.der, site.intermediate.der]
    return served, [*served, site.root.der]


def make_wrong_pins() -> list[str]:
    """Make two pins that stand in no chain."""
    return [make_root("Pinned Elsewhere").pin, make_root("Backup").pin]


def as_utc(text: str) -> str:
    """Render a moment in UTC without fractions."""
    return text.replace("Z", "+00:00").replace(".000", "")


def expected_text(expected: Members) -> str:
    """Write what is expected, as it stands in the ``.expected.json``."""
    return json.dumps(expected, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
