"""What was refused for a host, and the operator's decision on it."""

from typing import Any

from app.hpkp.overflow import Refusals, most_covered


def refusals_answer(host: str, seen: Refusals | None) -> dict[str, Any]:
    """Return what the verdict sees of it; without anything refused, zeros."""
    decision = None if seen is None else seen.decision
    return {
        "host": host,
        "reports": 0 if seen is None else seen.reports,
        "networks": 0 if seen is None else seen.networks,
        "last_at": None if seen is None else seen.last_at,
        "reasons": {} if seen is None else {str(reason): count for reason, count in seen.by_reason.items()},
        "withholds": seen is not None and not seen.is_decided,
        "decision": None
        if decision is None
        else {
            "at": decision.at,
            "networks": decision.networks,
            "holds_up_to": most_covered(decision.networks),
            "note": decision.note,
        },
    }
