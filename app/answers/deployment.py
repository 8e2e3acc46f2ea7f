"""Whether a chain may be deployed."""

from typing import Any

from app.answers.releases import release_check_answer
from app.hpkp.deployment import DeploymentCheck


def deployment_answer(host: str, policy_of: str | None, check: DeploymentCheck) -> dict[str, Any]:
    """Return the check of a chain of a host, by the policy that covers it (null without one) and by releases."""
    return {
        "host": host,
        "policy_of": policy_of,
        "deployable": check.deployable,
        "satisfied": check.satisfied,
        "why": check.why,
        "matching": [str(pin) for pin in check.matching],
        "remembered": [
            {"revision": previous.policy.revision, "until": previous.until, "satisfied": previous.satisfied}
            for previous in check.remembered
        ],
        "caveats": list(check.caveats),
        "releases": list(map(release_check_answer, check.releases)),
    }
