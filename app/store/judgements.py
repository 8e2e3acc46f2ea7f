"""Judgements to JSON, as the violations table keeps them."""

from dataclasses import asdict
from typing import Any

from app.hpkp.judgement import CertificateFinding, Judgement


def judgement_to_json(judgement: Judgement) -> dict[str, Any]:
    """Return the judgement as plain JSON values; pins as base64."""
    plain = {name: getattr(judgement, name) for name in judgement.__dataclass_fields__}
    plain["served"] = [_finding(finding) for finding in judgement.served]
    plain["validated"] = [_finding(finding) for finding in judgement.validated]
    plain["also"] = list(judgement.also)
    return plain


def _finding(finding: CertificateFinding) -> dict[str, Any]:
    return asdict(finding) | {"pin": None if finding.pin is None else str(finding.pin)}
