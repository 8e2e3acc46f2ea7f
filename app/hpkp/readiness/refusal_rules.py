"""A rule on requests that were rejected or not stored: they may be reports, so silence is no evidence."""

from collections.abc import Iterator

from app.hpkp.findings import Finding, Severity
from app.hpkp.overflow import REFUSED, OverflowReason, Refusals, most_covered
from app.hpkp.readiness.evidence import ReadinessInput
from app.hpkp.readiness.evidence_days import DAY, start_of_day
from app.hpkp.wording import count

WHAT = {
    OverflowReason.HOST_AND_DAY: "over the daily limit of new violations of the host",
    OverflowReason.NETWORK_AND_HOST: "over the daily limit of new violations of the host from one network",
    OverflowReason.NETWORK_AND_DAY: "over the daily limit of new violations from one network",
    OverflowReason.BODY: "in bodies over the evaluation budget",
    OverflowReason.STORE_FULL: "deleted because the database was full",
    OverflowReason.FAULT: "not stored because of an internal error",
    OverflowReason.UNREADABLE: "unreadable",
    OverflowReason.NOT_A_REPORT: "not an HPKP report",
    OverflowReason.TOO_LARGE: "too large",
    OverflowReason.TOO_SLOW: "timed out",
    OverflowReason.CONTENT_ENCODING: "compressed",
    OverflowReason.BAD_REQUEST: "sent to an invalid path or query",
    OverflowReason.STORE_UNAVAILABLE: "rejected because the ingest log was full or failed",
}
_DO = {
    OverflowReason.UNREADABLE: "Check the proxies in front of the collector for truncated bodies.",
    OverflowReason.TOO_LARGE: "Raise HPKP_MAX_BODY_BYTES if they are reports.",
    OverflowReason.TOO_SLOW: "Check the proxies in front of the collector for slow uploads.",
    OverflowReason.CONTENT_ENCODING: "Check the proxies in front of the collector for compressed bodies.",
    OverflowReason.BAD_REQUEST: "Compare the served report-uri with the policy.",
    OverflowReason.STORE_FULL: "Raise HPKP_MAX_STORE_BYTES.",
    OverflowReason.FAULT: "See the server log.",
    OverflowReason.STORE_UNAVAILABLE: "Raise HPKP_MAX_LOG_BYTES, and check the free space of the disk.",
}
"""Fix for the most frequent reason."""


def refusals(inputs: ReadinessInput) -> Iterator[Finding]:
    """Withhold while rejected or dropped requests may be reports, until time or the operator's decision ends it."""
    seen, host = inputs.evidence.refused, inputs.policy.host
    if seen is None:
        return
    what = (
        f"At least {count(seen.reports, 'request')} from about {count(seen.networks, 'network')} may be reports about "
        f"{host} but were rejected or not stored, the last on {seen.last_at:%Y-%m-%d %H:%M} UTC: {_reasons(seen)}."
    )
    evidence: dict[str, object] = {
        "reports": seen.reports,
        "networks": seen.networks,
        "last_at": seen.last_at.isoformat(),
        "reasons": {str(reason): number for reason, number in seen.by_reason.items()},
    }
    # Shown with every answer, so that the limit of the decision can be checked.
    if seen.decision is not None:
        evidence["decided_at"] = seen.decision.at.isoformat()
        evidence["decided_networks"] = seen.decision.networks
    # One decision ends it, up to a multiple of the networks that it was made for: more of them may be honest clients.
    if seen.is_decided and seen.decision is not None:
        yield Finding(
            "refused_left_out",
            Severity.INFO,
            f"{what} By your decision of {seen.decision.at:%Y-%m-%d} they do not count, from up to "
            f"{count(most_covered(seen.decision.networks), 'network')}.",
            f"No action needed. To count them again: `hpkp refusals {host} --set open`.",
            evidence,
        )
        return
    outgrown = (
        f" Your decision of {seen.decision.at:%Y-%m-%d} covered {count(seen.decision.networks, 'network')} and applies "
        f"up to {most_covered(seen.decision.networks):,}."
        if seen.decision is not None
        else ""
    )
    # The most frequent reason: one fix is a step, a list of them is not.
    first = next(iter(seen.by_reason))
    # The day of the last refusal is no evidence, and the last of the needed days has to be over.
    ends = start_of_day(seen.last_at.date() + (inputs.needed_days + 1) * DAY)
    # It withholds and does not block: what was refused may be junk, and one decision ends it.
    yield Finding(
        "reports_refused",
        Severity.WARNING,
        what + outgrown,
        " ".join(
            (
                "Inspect the rejected requests (GET "
                f"/api/v1/rejections{f'?outcome={first}' if first in REFUSED else ''}, or the Rejections page).",
                *([_DO[first]] if first in _DO else []),
                f"If none of them matters, run `hpkp refusals {host} --set ignored`. Otherwise they count until "
                f"{count(inputs.needed_days, 'evidence day')} have followed, {ends:%Y-%m-%d} at the earliest.",
            )
        ),
        evidence,
        withholds=True,
    )


def _reasons(seen: Refusals) -> str:
    """Count the refused requests by reason, the most frequent first."""
    return ", ".join(f"{number:,} {WHAT.get(reason, str(reason))}" for reason, number in seen.by_reason.items())
