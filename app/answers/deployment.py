"""Whether a chain may be deployed."""

from typing import Any

from app.hpkp.deployment import DeploymentCheck


def deployment_answer(host: str, policy_of: str, check: DeploymentCheck) -> dict[str, Any]:
    """Return the check of a chain of a host, by the policy of the host that covers it."""
    return {
        "host": host,
        "policy_of": policy_of,
        "deployable": check.deployable,
        "satisfied": check.satisfied,
        "why": check.why,
        "matching": [str(pin) for pin in check.matching],
        "remembered": [
            {"revision": former.policy.revision, "until": former.until, "satisfied": former.satisfied}
            for former in check.remembered
        ],
        "caveats": list(check.caveats),
    }
