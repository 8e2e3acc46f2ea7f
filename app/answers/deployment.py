"""Whether a chain may be deployed."""

from typing import Any

from app.answers.releases import release_check_answer
from app.hpkp.deployment import DeploymentCheck
from app.hpkp.deployment_text import write_deployment


def deployment_answer(host: str, policy_of: str | None, check: DeploymentCheck) -> dict[str, Any]:
    """Return the check of a chain of a host, by the policy that covers it (null without one) and by releases."""
    text = write_deployment(host, check)
    return {
        "host": host,
        "policy_of": policy_of,
        "deployable": check.deployable,
        "satisfied": check.satisfied,
        "why": check.why,
        "matching": [str(pin) for pin in check.matching],
        "remembered": [
            {
                "revision": former.policy.revision,
                "until": former.until,
                "satisfied": former.satisfied,
                "on_every_path": former.on_every_path,
            }
            for former in check.remembered
        ],
        "caveats": list(check.caveats),
        "on_every_path": check.on_every_path,
        "text": [text.answer, text.policy, *(line.text for line in text.lines)],
        "key_sets": [sorted(map(str, keys)) for keys in check.key_sets.sets],
        "releases": list(map(release_check_answer, check.releases)),
    }
