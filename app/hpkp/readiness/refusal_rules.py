"""A rule on what came in and was refused or not kept: silence means nothing if it may hide reports."""

from collections.abc import Iterator

from app.hpkp.findings import Finding, Severity
from app.hpkp.overflow import REFUSED, OverflowReason, Refusals, most_covered
from app.hpkp.readiness.evidence import Situation

_WHAT = {
    OverflowReason.HOST_AND_DAY: "over the host's limit of new violations on a day",
    OverflowReason.NETWORK_AND_HOST: "over a network's limit of new violations of the host on a day",
    OverflowReason.NETWORK_AND_DAY: "over a network's limit of new violations on a day",
    OverflowReason.STORE_FULL: "deleted because the database was full",
    OverflowReason.FAULT: "not stored because of a fault of this service",
    OverflowReason.UNREADABLE: "unreadable",
    OverflowReason.NOT_A_REPORT: "not readable as a violation report",
    OverflowReason.TOO_LARGE: "too large",
    OverflowReason.TOO_SLOW: "not complete in time",
    OverflowReason.CONTENT_ENCODING: "compressed",
    OverflowReason.BAD_REQUEST: "sent to a wrong path or query",
    OverflowReason.STORE_UNAVAILABLE: "refused because the ingest log was full or failed",
}
_DO = {
    OverflowReason.UNREADABLE: "Look for a proxy that cuts bodies short.",
    OverflowReason.TOO_LARGE: "Raise HPKP_MAX_BODY_BYTES if they are reports.",
    OverflowReason.TOO_SLOW: "Look for a proxy that holds bodies back.",
    OverflowReason.CONTENT_ENCODING: "Look for a proxy that compresses bodies.",
    OverflowReason.BAD_REQUEST: "Compare the report-uri that is served with the policy's.",
    OverflowReason.STORE_FULL: "Raise HPKP_MAX_STORE_BYTES.",
    OverflowReason.FAULT: "See the service's log.",
    OverflowReason.STORE_UNAVAILABLE: "Give the ingest log room: HPKP_MAX_LOG_BYTES, and the disk.",
}
"""What to do about the most frequent reason."""


def refusals(case: Situation) -> Iterator[Finding]:
    """Withhold while what was refused or not kept may hide reports, until time or the operator's decision ends it."""
    seen, host = case.evidence.refused, case.policy.host
    if seen is None:
        return
    what = (
        f"At least {seen.reports:,} submission{'' if seen.reports == 1 else 's'} from about {seen.networks:,} "
        f"network{'' if seen.networks == 1 else 's'} may be reports about {host} and were refused or not kept, the "
        f"last on {seen.last_at:%Y-%m-%d %H:%M} UTC: {_reasons(seen)}."
    )
    evidence: dict[str, object] = {
        "reports": seen.reports,
        "networks": seen.networks,
        "last_at": seen.last_at.isoformat(),
        "reasons": {str(reason): count for reason, count in seen.by_reason.items()},
    }
    if seen.decision is not None:
        evidence["decided_at"] = seen.decision.at.isoformat()
        evidence["decided_networks"] = seen.decision.networks
    if seen.is_decided and seen.decision is not None:
        yield Finding(
            "refused_left_out",
            Severity.INFO,
            f"{what} By your decision of {seen.decision.at:%Y-%m-%d} they do not count, from up to "
            f"{most_covered(seen.decision.networks):,} networks.",
            f"Nothing. To let them count again: hpkp refusals {host} --as open.",
            evidence,
        )
        return
    outgrown = (
        f" Your decision of {seen.decision.at:%Y-%m-%d} was made when they came from {seen.decision.networks:,} "
        f"networks, and holds up to {most_covered(seen.decision.networks):,}."
        if seen.decision is not None
        else ""
    )
    first = next(iter(seen.by_reason))
    ends = seen.last_at + case.needed_observation
    yield Finding(
        "reports_refused",
        Severity.WARNING,
        what + outgrown,
        " ".join(
            (
                f"See what was refused (GET /api/v1/rejections{f'?outcome={first}' if first in REFUSED else ''}, or "
                "the page Rejections).",
                *([_DO[first]] if first in _DO else []),
                f"If none of it matters: hpkp refusals {host} --as ignored. Otherwise it counts until "
                f"{ends:%Y-%m-%d %H:%M} UTC, if nothing more is refused.",
            )
        ),
        evidence,
        withholds=True,
    )


def _reasons(seen: Refusals) -> str:
    return ", ".join(f"{count:,} {_WHAT.get(reason, str(reason))}" for reason, count in seen.by_reason.items())
