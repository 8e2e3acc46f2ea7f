"""How much work the certificates of strangers may cause, and what happens when it is spent.

A report costs what its sender chooses: names that match, keys that are slow to verify with, and ever more of both. The
limits are far above what real CAs need (of 1,927 public issuing CAs with every cross-certificate known: at most 37
checks, 18 paths of 8 certificates), and low enough that the worst report is judged in some 60 ms. What the budget does
not pay for is not followed, never taken for granted, and `CompletedPaths.limits_reached` says so.
"""

from dataclasses import dataclass, field

from app.hpkp.pins import Pin
from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.signatures import Verification, cost_of_link, verify_link

_DEAREST_READING = 5000
"""Microseconds: 5,000 names or subtrees are read at most, and take 0.7 to 1.4 each."""


def cost_of_reading(certificate: Certificate, oid: bytes) -> int:
    """Return what reading a list in an extension costs at most, in microseconds; entries have three bytes or more."""
    extension = certificate.extensions.by_oid.get(oid)
    return 0 if extension is None else min(len(extension.value) // 3, _DEAREST_READING)


@dataclass(slots=True)
class Budget:
    """What is left to spend; one for all the chains of a report."""

    checks: int = 100
    """Signatures. Go and rustls-webpki take 100 as well."""
    microseconds: int = 20_000
    """Of work whose cost the sender chooses: signatures by their keys, names and name constraints by their bytes."""
    steps: int = 300
    """Certificates that the search puts on a path."""
    paths: int = 64
    depth: int = 10
    """Certificates on a path, leaf and anchor included. It is a limit of each path, and not spent."""
    spent_checks: int = 0
    _verified: dict[tuple[bytes, Pin], Verification] = field(default_factory=dict, repr=False)

    def pay(self, microseconds: int) -> bool:
        """Spend some time; False, and nothing spent, where there is not so much left."""
        if microseconds > self.microseconds:
            return False
        self.microseconds -= microseconds
        return True

    def verify(self, child: Certificate, issuer: Certificate) -> Verification | None:
        """Verify a link; None where it is not paid for. The same link is paid for once.

        What other reports had verified is paid for again, so that the same report always gets the same answer.
        """
        key = child.fingerprint, issuer.pin
        if (found := self._verified.get(key)) is not None:
            return found
        if cost := cost_of_link(child, issuer):
            if self.checks < 1 or not self.pay(cost):
                return None
            self.checks -= 1
            self.spent_checks += 1
        found = self._verified[key] = verify_link(child, issuer)
        return found
