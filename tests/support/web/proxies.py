"""Reports of apps in the form of TrustKit for Apple: of the site itself, and behind an intercepting proxy."""

import functools
from collections.abc import Sequence
from datetime import timedelta

from app.demo.forms import FORMS
from app.demo.incident import Incident, SampleApp
from app.hpkp.pins import parse_pin
from app.hpkp.report import Sender
from tests.support.authority import NOW, Issued, make_root
from tests.support.reports import HOST, site

WORKS = "Example Works Proxy"


def app_report(
    chain: Sequence[Issued], *, host: str = HOST, version: str = "4.1", known: str | None = None, number: int = 0
) -> bytes:
    """Make a report of a chain; another ``number`` makes another report of the same violation."""
    incident = Incident(
        hostname=host,
        noted_hostname=host,
        known_pins=(parse_pin(known or site().root.pin),),
        served=(),
        validated=[issued.der for issued in chain],
        at=NOW + timedelta(seconds=number),
        app=SampleApp(version=version),
    )
    return FORMS[Sender.TRUSTKIT_APPLE].sample(incident).body


@functools.cache
def proxy(name: str) -> Issued:
    """Return the CA of a proxy."""
    return make_root(name)


@functools.cache
def proxied(count: int, *, name: str = WORKS, host: str = HOST) -> tuple[bytes, ...]:
    """Make reports of different leaves of one proxy."""
    root = proxy(name)
    return tuple(app_report([root.issue(host), root], host=host) for _ in range(count))
