"""The maker of report bodies in Chromium's form, for tests that need a report and do not care for its form.

Knows `tests.support.authority` alone.
"""

import functools
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.support.authority import NOW, Site, make_site

HOST = "www.example.com"


@functools.cache
def site() -> Site:
    """Return the site that the reports speak of unless they say otherwise."""
    return make_site(HOST)


@functools.lru_cache(maxsize=64)
def site_for(host: str) -> Site:
    """Return the same site with a leaf for another host: clients refuse a leaf of another name before its pins."""
    if host == HOST:
        return site()
    return Site(site().intermediate.issue(host), site().intermediate, site().root)


@functools.cache
def other_site(number: int = 1) -> Site:
    """Return another site of the same name, whose keys are nobody's: a different violation for each number."""
    return make_site(HOST)


def report_body(
    *,
    host: str = HOST,
    noted: str | None = None,
    at: datetime = NOW,
    served: Sequence[str] | None = None,
    validated: Sequence[str] | None = None,
    known_pins: Sequence[str] | None = None,
    **members: Any,
) -> bytes:
    """Make the body of a report; ``members`` replace or add members, underscores standing for hyphens."""
    moment = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
    report = {
        "date-time": moment,
        "effective-expiration-date": moment,
        "hostname": host,
        "include-subdomains": False,
        "known-pins": [f'pin-sha256="{pin}"' for pin in ([site().root.pin] if known_pins is None else known_pins)],
        "noted-hostname": noted or host,
        "port": 443,
        "served-certificate-chain": list(site_for(host).served if served is None else served),
        "validated-certificate-chain": list(site_for(host).validated if validated is None else validated),
    }
    replaced = {name.replace("_", "-"): value for name, value in members.items()}
    return json.dumps(report | replaced, separators=(",", ":")).encode()


def distinct_bodies(count: int, **options: Any) -> list[bytes]:
    """Make bodies of one violation that differ in their date alone: each is a report of its own."""
    return [report_body(at=NOW + timedelta(milliseconds=number), **options) for number in range(count)]
