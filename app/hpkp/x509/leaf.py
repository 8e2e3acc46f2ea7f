"""Which certificate of a chain is the end-entity's."""

from collections.abc import Sequence

from app.hpkp.x509.budget import Budget, cost_of_reading
from app.hpkp.x509.certificate import Certificate, Element
from app.hpkp.x509.extensions import ALTERNATIVE_NAMES
from app.hpkp.x509.signatures import Link


def find_leaf(chain: Sequence[Element], host: str, *, budget: Budget | None = None) -> int:
    """Return the position of the end-entity certificate; 0 where there is none.

    That is the first, as TLS wants it (RFC 8446 section 4.4.2), unless it signed another certificate of the chain:
    then a sender mixed the order up, and it is the one for ``host`` that signed none, or else any that signed none.
    Only signatures that the budget pays for count.
    """
    budget = budget or Budget()
    # The usual order takes one round of checks; only a chain in another order is searched.
    if not chain or not _signed_any(chain, 0, budget):
        return 0
    ends = [i for i, one in enumerate(chain) if isinstance(one, Certificate) and not _signed_any(chain, i, budget)]
    for position in ends:
        element = chain[position]
        assert isinstance(element, Certificate)
        # A chain can hold leaves of several hosts; only that of the reported host can be the client's.
        if budget.pay(cost_of_reading(element, ALTERNATIVE_NAMES)) and element.covers(host):
            return position
    return ends[0] if ends else 0


def _signed_any(chain: Sequence[Element], position: int, budget: Budget) -> bool:
    """Whether the certificate at a position signed another of the chain, by the checks that the budget pays for."""
    issuer = chain[position]
    return isinstance(issuer, Certificate) and any(
        isinstance(child, Certificate)
        # A leaf that signed itself signed no other certificate.
        and child != issuer
        and child.issuer_name == issuer.subject_name
        and (verification := budget.verify(child, issuer)) is not None
        and verification.link in (Link.SIGNED, Link.SIGNED_WEAKLY)
        for child in chain
    )
