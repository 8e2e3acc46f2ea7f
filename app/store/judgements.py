"""Judgements to JSON, as the violations table keeps them, and back."""

from dataclasses import fields
from typing import Any

from app.hpkp.judgement.causes import Attribution, Cause
from app.hpkp.judgement.checked import find_checked_leaf
from app.hpkp.judgement.judge import CertificateFinding, Judgement, Reason
from app.hpkp.pins import parse_pin
from app.hpkp.report import ViolationReport
from app.hpkp.x509.anchors import Anchor
from app.hpkp.x509.certificate import Certificate
from app.store.engine import from_ms

_LONGEST_ISSUER = 500

_MEMBERS, _REASON, _CERTIFICATE = (
    tuple(field.name for field in fields(kind)) for kind in (Judgement, Reason, CertificateFinding)
)


def judgement_to_json(judgement: Judgement) -> dict[str, Any]:
    """Return the judgement as plain JSON values; pins as base64."""
    plain = _plain(judgement, _MEMBERS)
    plain["also"] = [_plain(reason, _REASON) for reason in judgement.also]
    for which in ("served", "validated"):
        plain[which] = [
            _plain(finding, _CERTIFICATE) | {"pin": None if finding.pin is None else str(finding.pin)}
            for finding in plain[which]
        ]
    return plain


def judgement_from_json(stored: dict[str, Any]) -> Judgement:
    """Return the judgement that was stored. Raises ValueError or KeyError for one of a version with other causes."""
    return Judgement(
        cause=Cause(stored["cause"]),
        why=stored["why"],
        side=Attribution(stored["side"]),
        also=tuple(Reason(Cause(reason["cause"]), reason["why"]) for reason in stored["also"]),
        notes=tuple(stored["notes"]),
        locks_out=stored["locks_out"],
        locks_out_why=stored["locks_out_why"],
        judged_chain=stored["judged_chain"],
        failing=stored["failing"],
        policy_revision=stored["policy_revision"],
        anchor=Anchor(stored["anchor"]),
        anchor_subject=stored["anchor_subject"],
        path_checkable=stored["path_checkable"],
        product=stored["product"],
        served=tuple(map(_finding_from_json, stored["served"])),
        validated=tuple(map(_finding_from_json, stored["validated"])),
    )


def _finding_from_json(stored: dict[str, Any]) -> CertificateFinding:
    pin = stored["pin"]
    return CertificateFinding(**stored | {"pin": None if pin is None else parse_pin(pin)})


def _plain(value: object, members: tuple[str, ...]) -> dict[str, Any]:
    """Return members by name; `dataclasses.asdict` copies each of them, which takes longer than the judgement."""
    return {name: getattr(value, name) for name in members}


def judged_columns(judgement: Judgement, report: ViolationReport, *, received_at: int) -> dict[str, Any]:
    """Return what the violations table keeps of a judgement, by column; the receipt is in milliseconds."""
    leaf = find_checked_leaf(report, judgement, received_at=from_ms(received_at))
    return {
        "cause": judgement.cause,
        "locks_out": judgement.locks_out,
        "checked_leaf": None if leaf is None else leaf.fingerprint,
        "judgement": judgement_to_json(judgement),
        "leaf_issuer": find_leaf_issuer(judgement, report),
    }


def find_leaf_issuer(judgement: Judgement, report: ViolationReport) -> str | None:
    """Return the issuer of the leaf of the chain that was evaluated, cut to a length that lists can carry."""
    chain = {"served": report.served_chain, "validated": report.validated_chain}.get(judgement.judged_chain or "")
    leaf = next((element for element in chain or () if isinstance(element, Certificate)), None)
    return None if leaf is None else leaf.issuer[:_LONGEST_ISSUER] or None
