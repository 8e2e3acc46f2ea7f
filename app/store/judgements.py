"""Judgements to JSON, as the violations table keeps them."""

from dataclasses import asdict
from typing import Any

from app.hpkp.judgement import Judgement


def judgement_to_json(judgement: Judgement) -> dict[str, Any]:
    """Return the judgement as plain JSON values; pins as base64."""
    plain = asdict(judgement)
    for which in ("served", "validated"):
        for shown, finding in zip(plain[which], getattr(judgement, which), strict=True):
            shown["pin"] = None if finding.pin is None else str(finding.pin)
    return plain


def judged_columns(judgement: Judgement) -> dict[str, Any]:
    """Return what the violations table keeps of a judgement, by column."""
    return {
        "cause": judgement.cause,
        "locks_out": judgement.locks_out,
        "judgement": judgement_to_json(judgement),
    }
