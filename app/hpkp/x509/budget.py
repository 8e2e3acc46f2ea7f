"""How much work the certificates of anybody may cause, and what happens when it is spent.

A report costs what its sender chooses: names that match, keys that are slow to verify with, and ever more of both. The
limits are far above what real CAs need (of 1,927 public issuing CAs with every cross-certificate known: at most 37
checks, 18 paths of 8 certificates), and low enough that the worst report is judged in some 40 ms. What the budget does
not pay for is not followed, never taken for granted, and `CompletedPaths.limits_reached` says so.

Each report has a `Budget` of its own, and so the answer that it always has. Reports that came in one body pay from one
`BodyBudget` besides; what that does not pay for has no answer at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.hpkp.pins import Pin
from app.hpkp.x509.certificate import Certificate, Chain
from app.hpkp.x509.signatures import Verification, cost_of_link, verify_link

_DEAREST_READING = 5000
"""Microseconds: 5,000 names or subtrees are read at most, and take 0.7 to 1.4 each."""


def cost_of_reading(certificate: Certificate, oid: bytes) -> int:
    """Return what reading a list in an extension costs at most, in microseconds; entries have three bytes or more."""
    extension = certificate.extensions.by_oid.get(oid)
    return 0 if extension is None else min(len(extension.value) // 3, _DEAREST_READING)


_REPORT, _ELEMENT, _STEP, _ON_PATH = 150, 3, 10, 25
"""Microseconds of a body's budget: for a report, any place in its chains, a step of the search, and a certificate on a
path, assessed at four moments. Measured with ``bench.worst_bodies``.
"""


def _cost_of_certificate(certificate: Certificate) -> int:
    """Return what the parts of a certificate cost that is new in a body; small extensions are the costliest."""
    return 40 + min(len(certificate.der), 1600) // 5


class BodyBudgetSpent(Exception):
    """The reports of a body have cost all that they may cost together."""


@dataclass(slots=True)
class BodyBudget:
    """What is left to spend for the reports of a body together. The first one is always paid for: it has its limits."""

    microseconds: int = 32_000
    """Enough for 99 usual reports of one site."""
    reports: int = 0
    _verified: dict[tuple[bytes, Pin], Verification] = field(default_factory=dict, repr=False)
    _counted: set[bytes] = field(default_factory=set, repr=False)

    def charge(self, microseconds: int) -> None:
        """Spend some time. Raises BodyBudgetSpent where a further report needs more than is left, and from then on."""
        self.microseconds -= microseconds
        # The first report is bounded by its own budget, so that a body with one report always has an answer (decision
        # record 25).
        if self.microseconds < 0 and self.reports > 1:
            raise BodyBudgetSpent

    def charge_report(self, chains: Iterable[Chain]) -> None:
        """Spend what looking at the next report and its certificates costs; raises as `charge` does."""
        self.reports += 1
        elements = [element for chain in chains for element in chain]
        new = {element.fingerprint: element for element in elements if isinstance(element, Certificate)}
        # Reports of one site share their certificates, and each is read once.
        costs = [_cost_of_certificate(one) for fingerprint, one in new.items() if fingerprint not in self._counted]
        self._counted.update(new)
        self.charge(_REPORT + _ELEMENT * len(elements) + sum(costs))

    def verify(self, child: Certificate, issuer: Certificate, cost: int) -> Verification:
        """Verify a link; reports that share one pay for it once. Raises as `charge` does."""
        key = child.fingerprint, issuer.pin
        if (found := self._verified.get(key)) is None:
            self.charge(cost)
            found = self._verified[key] = verify_link(child, issuer)
        return found


@dataclass(slots=True)
class Budget:
    """What is left to spend; one for all the chains of a report."""

    checks: int = 100
    """Signatures. Go and rustls-webpki take 100 as well."""
    microseconds: int = 20_000
    """Of work whose cost the sender chooses: signatures by their keys, names and name constraints by their bytes."""
    steps: int = 300
    """Certificates that the search puts on a path."""
    paths: int = 40
    """Assessing one takes 0.05 ms for each moment that is asked."""
    depth: int = 10
    """Certificates on a path, leaf and anchor included. It is a limit of each path, and not spent."""
    spent_checks: int = 0
    body: BodyBudget = field(default_factory=BodyBudget)
    """Pays for the same again, at what it costs if other reports of the body have paid for it."""
    _verified: dict[tuple[bytes, Pin], Verification] = field(default_factory=dict, repr=False)

    def pay(self, microseconds: int) -> bool:
        """Spend some time; False, and nothing spent, where there is not so much left. Raises BodyBudgetSpent."""
        # Nothing is spent on what cannot be paid, so that cheaper work after it still can be.
        if microseconds > self.microseconds:
            return False
        self.microseconds -= microseconds
        self.body.charge(microseconds)
        return True

    def take_step(self) -> bool:
        """Spend a step of the search; False where none is left."""
        if self.steps < 1:
            return False
        self.steps -= 1
        self.body.charge(_STEP)
        return True

    def take_path(self, length: int) -> bool:
        """Spend a path of some certificates; False where none is left."""
        if self.paths < 1:
            return False
        self.paths -= 1
        self.body.charge(_ON_PATH * length)
        return True

    def verify(self, child: Certificate, issuer: Certificate) -> Verification | None:
        """Verify a link; None where it is not paid for. The same link is paid for once. Raises BodyBudgetSpent.

        What other reports had verified is paid for again, so that the same report always gets the same answer.
        """
        key = child.fingerprint, issuer.pin
        if (found := self._verified.get(key)) is not None:
            return found
        # A key that must not be verified with costs nothing: its answer is known without a check.
        if cost := cost_of_link(child, issuer):
            if self.checks < 1 or cost > self.microseconds:
                return None
            self.microseconds -= cost
            self.checks -= 1
            self.spent_checks += 1
        # After the report has paid: its answer must not depend on what else the body holds.
        found = self._verified[key] = self.body.verify(child, issuer, cost)
        return found
