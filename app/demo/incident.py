"""What happened to a connection, before a sender puts it into its own words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.hpkp.pins import Pin


@dataclass(frozen=True, slots=True)
class SampleApp:
    """An installed app that reports."""

    bundle_id: str = "com.example.shop"
    version: str = "4.2"
    install_id: str = "0B5A2C1E-7C39-4E57-9C55-51F0D8C4A6E2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A violation as it happened. Chains are DER, leaf first; ``at`` is UTC."""

    hostname: str
    noted_hostname: str
    include_subdomains: bool = False
    port: int = 443
    enforced: bool = False
    trusted: bool = True
    """Whether the chain validated, apart from its pins."""
    known_pins: Sequence[Pin]
    served: Sequence[bytes]
    validated: Sequence[bytes]
    at: datetime
    max_age: timedelta = timedelta(days=60)
    app: SampleApp = SampleApp()
