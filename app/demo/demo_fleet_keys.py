"""The CA of the demo, and those who stand between its hosts and their clients."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.demo.client_population import Chain
from app.demo.forms import pem
from app.demo.site import Issued, issue
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin

_FILTERS = 5
_PROXIES = ("Example Works Proxy", "School District Gateway", "Clinic Inspection CA")
_PORTALS = ("login.portal.example", "wifi.hotel.example", "guests.airport.example")
_LIFETIME = timedelta(days=200)
"""The longest that public CAs issue for in 2026: no certificate may expire while the demo still serves it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys and certificates; chains are as they are served, without their root. Days are counted from ``begin``."""

    old_root: Issued
    new_root: Issued
    intermediate: Issued
    cross: Issued
    """The same intermediate key, certified by the new root."""
    filters: tuple[Issued, ...]
    """Roots of one product, which makes another for every install."""
    proxies: tuple[Issued, ...]
    portals: tuple[Chain, ...]
    adware: Issued
    begin: datetime

    def leaf(self, host: str, day: int, *, key: Issued | None = None) -> Chain:
        """Issue a certificate on a day, for 200 days; with ``key`` for the same key as another."""
        return _leaf(host, self.intermediate, self.begin + timedelta(days=day), key), self.intermediate

    def seen(self, chain: Chain) -> Chain:
        """Return the chain as most clients validate it."""
        return (*chain, self.old_root)

    def crossed(self, chain: Chain) -> Chain:
        """Return the chain as clients validate it that know the new root alone."""
        return chain[0], self.cross, self.new_root

    def forged(self, host: Host, root: Issued, *, day: int = 0) -> Chain:
        """Issue what somebody in between shows."""
        return _leaf(host, root, self.begin + timedelta(days=day)), root

    def backup(self, host: Host) -> Pin:
        """Make a backup key, and return its pin."""
        return issue(host, None, self.begin).pin

    @property
    def roots_pem(self) -> str:
        """The roots that clients trust."""
        return pem(self.old_root.der) + pem(self.new_root.der)

    @property
    def catalog(self) -> str:
        """What is known of the keys and products, as a catalog file."""
        told = 'source = "https://ca.example/keys"\ncollected = 2026-01-01\n'
        return "\n".join(
            (
                f'[[ca_names]]\nname = "Sample Intermediate"\nstate = "active"\n'
                f'pin = "{self.intermediate.pin}"\n{told}',
                f'[[known_bad_keys]]\nname = "Sample Adware"\npin = "{self.adware.pin}"\n{told}',
                '[[interception_products]]\nname = "Sample Web Filter"\n'
                f'issuer_common_name = "Sample Web Filter CA"\n{told}',
            )
        )


def make_demo_fleet_keys(*, at: datetime, begin: datetime) -> Keys:
    """Make all that is not a host's own; ``at`` is the end of the demo."""

    def ca(name: str, issuer: Issued | None = None, key: Issued | None = None) -> Issued:
        return issue(name, issuer, at, ca=True, key=None if key is None else key.key)

    old_root, new_root = ca("Sample Root X1"), ca("Sample Root X2")
    intermediate = ca("Sample Intermediate", old_root)
    return Keys(
        old_root=old_root,
        new_root=new_root,
        intermediate=intermediate,
        cross=ca("Sample Intermediate", new_root, intermediate),
        filters=tuple(ca("Sample Web Filter CA") for _ in range(_FILTERS)),
        proxies=tuple(map(ca, _PROXIES)),
        portals=tuple((_leaf(name, intermediate, begin), intermediate) for name in _PORTALS),
        adware=ca("Sample Adware"),
        begin=begin,
    )


def _leaf(name: str, issuer: Issued, since: datetime, key: Issued | None = None) -> Issued:
    """Issue a certificate for 200 days."""
    return issue(name, issuer, since + _LIFETIME / 2, key=None if key is None else key.key, lifetime=_LIFETIME)
