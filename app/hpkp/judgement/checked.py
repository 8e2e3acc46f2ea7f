"""Evidence that cannot be forged: a certificate for the reported host, joined to a root by checked signatures.

Anybody can copy the chain of a real host and put another host, port or other pins beside it. A copy proves nothing
about a host that its leaf is not for; and what is varied around one leaf is told apart from other evidence by that
leaf, so that limits can be shared by leaf. Old certificates can be collected from Certificate Transparency logs
(RFC 6962), so the leaf has to be valid at receipt. Pure.
"""

from datetime import datetime

from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.judge import Judgement
from app.hpkp.report import ViolationReport
from app.hpkp.violation import is_outside_validity
from app.hpkp.x509.anchors import PROVING_ANCHORS
from app.hpkp.x509.budget import Budget, cost_of_reading
from app.hpkp.x509.certificate import Certificate, Chain
from app.hpkp.x509.extensions import ALTERNATIVE_NAMES


def find_checked_leaf(report: ViolationReport, judgement: Judgement, *, received_at: datetime) -> Certificate | None:
    """Return the leaf of evidence that cannot be forged; None if the report may be forged as a whole.

    Only the first certificate of a chain is looked at (RFC 8446 section 4.4.2).
    """
    is_served = judgement.judged_chain == "served"
    chain, findings = (
        (report.served_chain, judgement.served) if is_served else (report.validated_chain, judgement.validated)
    )
    # With MD5 or SHA-1 others can have made a certificate of the same hash, so such a path is no proof.
    signed = judgement.path_checkable and judgement.anchor in PROVING_ANCHORS
    # The path that was judged has to include the first certificate: else the checked signatures are of another leaf.
    if not signed or judgement.cause is Cause.IMPLAUSIBLE or not chain or not findings[0].on_path:
        return None
    return _find_leaf_for_host(chain, report.hostname, received_at)


def may_have_checked_leaf(report: ViolationReport, *, received_at: datetime) -> bool:
    """Whether `find_checked_leaf` may find one, as far as can be told without checking any signature."""
    chains = (report.served_chain, report.validated_chain)
    return any(chain and _find_leaf_for_host(chain, report.hostname, received_at) for chain in chains)


def _find_leaf_for_host(chain: Chain, host: str, received_at: datetime) -> Certificate | None:
    """Return the first certificate of a chain if it was valid at receipt and is for the host, else None."""
    leaf = chain[0]
    if not isinstance(leaf, Certificate) or is_outside_validity(leaf.not_before, leaf.not_after, received_at):
        return None
    # Names that cannot be read give None, and prove nothing either.
    return leaf if Budget().pay(cost_of_reading(leaf, ALTERNATIVE_NAMES)) and leaf.covers(host) else None
