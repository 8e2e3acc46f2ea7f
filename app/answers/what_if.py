"""What another set of pins would have done with what was reported."""

from typing import Any

from app.hpkp.what_if import Counts, Replayed, WhatIf


def what_if_answer(host: str, found: WhatIf) -> dict[str, Any]:
    """Return the outcome of a replay."""
    return {
        "host": host,
        "pins": [str(expected.pin) for expected in found.candidate.pins],
        "safe": found.safe,
        "changes": {change: _counts_answer(counted) for change, counted in found.counts.items()},
        "closed": _counts_answer(found.closed),
        "implausible": _counts_answer(found.implausible),
        "violations": list(map(_replayed, found.shown)),
    }


def _counts_answer(counted: Counts) -> dict[str, Any]:
    return {"violations": counted.violations, "reports": counted.reports, "reports_by_side": counted.by_side}


def _replayed(item: Replayed) -> dict[str, Any]:
    return {
        "id": item.violation_id,
        "change": item.change,
        "reports": item.reports,
        "cause": item.before.cause,
        "locks_out": item.before.locks_out,
        "cause_then": item.after.cause,
        "locks_out_then": item.after.locks_out,
        "why_then": item.after.locks_out_why,
    }
