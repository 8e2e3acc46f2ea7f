"""What a golden case is, and the parts that all senders' cases are made of.

The simulators of ``app/demo`` write the reports, and ``test_forms.py`` holds them to the senders' forms. What a
report says is told from what was put into it, not from what was read out of it.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.demo import FORMS, Incident, Members
from app.hpkp.pins import parse_pin
from app.hpkp.report import Sender, ViolationReport
from tests.support.authority import make_root, make_site

Chain = list[bytes]
"""DER, leaf first."""

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""When everything happened."""
RECEIVED_AT = AT + timedelta(milliseconds=420)
"""When everything arrived: the simulated age later."""

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


def directives(pins: Sequence[str]) -> list[str]:
    """Write pins as they stand in a header (RFC 7469 section 2.1.1)."""
    return [f'pin-sha256="{pin}"' for pin in pins]


def plain_body(members: Members) -> bytes:
    """Write JSON as nobody in particular does."""
    return json.dumps(members, indent=2).encode()


def as_utc(text: str) -> str:
    """Render a moment in UTC without fractions."""
    return text.replace("Z", "+00:00").replace(".000", "")


@dataclass(frozen=True, slots=True)
class BaseIncident:
    """An incident of which all cases of a sender are variations, and the rendering of what it comes to."""

    served: Chain
    validated: Chain
    pins: list[str]

    def incident(self, **changes: Any) -> Incident:
        """Return the incident, or with something else in it."""
        facts: Members = {
            "hostname": "www.example.com",
            "noted_hostname": "www.example.com",
            "known_pins": [parse_pin(pin) for pin in self.pins],
            "served": self.served,
            "validated": self.validated,
            "at": AT,
        }
        return Incident(**facts | changes)

    def told(self) -> Members:
        """Render what a sender would say that leaves nothing out."""
        return NOTHING | {
            "hostname": "www.example.com",
            "noted_hostname": "www.example.com",
            "port": 443,
            "include_subdomains": False,
            "known_pins": self.pins,
            "served_chain": rendered(self.served),
            "validated_chain": rendered(self.validated),
            "date_time": "2026-06-01T12:00:00+00:00",
            "date_time_text": "2026-06-01T12:00:00Z",
        }


def make_base_incident() -> BaseIncident:
    """Make an incident with fresh certificates, whose pins stand in no chain."""
    return BaseIncident(*make_chains(), make_wrong_pins())


def case(
    sender: Sender,
    name: str,
    incident: Incident,
    expected: Members,
    *,
    wire: Members | None = None,
    without: Sequence[str] = (),
) -> Case:
    """Make the case of an incident as a sender tells it, with some of its members changed or left out."""
    form = FORMS[sender]
    members = form.members(incident) | (wire or {})
    body = form.encode({name: value for name, value in members.items() if name not in without})
    return Case(sender.value, name, body, expected | {"sender": sender.value})


def expected_text(expected: Members) -> str:
    """Write what is expected, as it stands in the ``.expected.json``."""
    return json.dumps(expected, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
