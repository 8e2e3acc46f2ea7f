"""Judgements: why a violation happened, and where each certificate stands towards the pins."""

from dataclasses import asdict
from typing import Any

from app.hpkp.judgement.judge import CertificateFinding, Judgement


def judgement_answer(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement without what it says of single certificates."""
    return {
        "cause": judgement.cause,
        "why": judgement.why,
        "side": judgement.side,
        "also": [{"cause": reason.cause, "why": reason.why} for reason in judgement.also],
        "notes": list(judgement.notes),
        "locks_out": judgement.locks_out,
        "locks_out_why": judgement.locks_out_why,
        "judged_chain": judgement.judged_chain,
        "failing": judgement.failing,
        "policy_revision": judgement.policy_revision,
        "anchor": judgement.anchor,
        "anchor_subject": judgement.anchor_subject,
        "path_checkable": judgement.path_checkable,
        "product": judgement.product,
    }


def certificate_finding_answer(finding: CertificateFinding) -> dict[str, Any]:
    """Return where a certificate stands towards the pins."""
    return asdict(finding) | {"pin": None if finding.pin is None else str(finding.pin)}
