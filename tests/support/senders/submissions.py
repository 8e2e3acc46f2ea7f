"""One plain report to differ from, and the reader with a fresh cache."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from app.hpkp.policy import Mode
from app.hpkp.report import ViolationReport
from app.senders import CertificateReader, Unreadable, read_report
from tests.support.authority import Site, make_site


@functools.cache
def site() -> Site:
    """Return the site whose chains the plain report holds."""
    return make_site()


def plain_report() -> dict[str, Any]:
    """Return the members of a report in the form of RFC 7469 that nothing is wrong with."""
    return {
        "date-time": "2026-06-01T12:00:00Z",
        "hostname": "www.example.com",
        "port": 443,
        "effective-expiration-date": "2026-07-31T12:00:00Z",
        "include-subdomains": False,
        "noted-hostname": "www.example.com",
        "served-certificate-chain": site().served,
        "validated-certificate-chain": site().validated,
        "known-pins": [f'pin-sha256="{site().root.pin}"'],
    }


def body_with(changes: Mapping[str, Any] | None = None, *, without: str | None = None) -> bytes:
    """Return the plain report with some members changed or added, or one left out."""
    members = plain_report() | dict(changes or {})
    if without is not None:
        del members[without]
    return json.dumps(members).encode()


def read(body: bytes, *, mode: Mode | None = None) -> ViolationReport | Unreadable:
    """Read a body with nothing in the cache."""
    return read_report(body, certificates=CertificateReader(), mode=mode)


def accepted(body: bytes) -> ViolationReport:
    """Read a body that must be taken."""
    result = read(body)
    assert isinstance(result, ViolationReport), result
    return result


def refused(body: bytes) -> Unreadable:
    """Read a body that must be refused."""
    result = read(body)
    assert isinstance(result, Unreadable), result
    return result
