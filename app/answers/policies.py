"""Pinning policies, with the header that goes with them."""

from typing import Any

from app.hpkp.header.value import PinningHeader
from app.hpkp.policy import PinningPolicy


def policy_answer(policy: PinningPolicy) -> dict[str, Any]:
    """Return a revision of a policy."""
    return {
        "host": policy.host,
        "revision": policy.revision,
        "pins": [{"sha256": str(expected.pin), "label": expected.label} for expected in policy.pins],
        "include_subdomains": policy.include_subdomains,
        "max_age": policy.max_age,
        "mode": policy.mode,
        "report_uri": policy.report_uri,
        "own_keys": sorted(map(str, policy.own_keys)),
        "effective_from": policy.effective_from,
        "withdrawn": policy.withdrawn,
        "header": str(PinningHeader.of_policy(policy)),
    }
