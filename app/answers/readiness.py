"""Readiness: the verdict, the numbers, the findings, and the plan."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from app.answers.control import delivery_answer
from app.answers.findings import finding_answer
from app.answers.releases import release_check_answer
from app.hpkp.header.server_lines import ENFORCING, PLACE, REPORT_ONLY, Server, for_server, server_line
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.readiness import AudienceAnswer, Estimate, Readiness, ReleaseAnswer
from app.hpkp.readiness.messages import AS_OF
from app.hpkp.readiness.plan import NextStep, Plan


def readiness_answer(
    policy: PinningPolicy, answer: Readiness, *, at: datetime, server: Server = Server.TEXT, past: bool = False
) -> dict[str, Any]:
    """Return all of an answer; ``server`` chooses in whose configuration the next header is written."""
    return {
        "host": policy.host,
        "revision": policy.revision,
        "mode": policy.mode.value,
        "at": at,
        "as_of": AS_OF if past else None,
        "verdict": answer.verdict.value,
        "headline": answer.headline,
        "reason": answer.reason,
        "impact": answer.impact,
        "also_reported": answer.also_reported,
        "estimate": estimate_answer(answer.estimate),
        "audiences": list(map(_audience, answer.audiences)),
        "releases": list(map(_release, answer.releases)),
        "findings": list(map(finding_answer, answer.findings)),
        "plan": _plan(answer.plan, server),
        "thresholds": answer.thresholds.serialize(),
    }


def estimate_answer(numbers: Estimate) -> dict[str, Any]:
    """Return the numbers; client counts are lower bounds, so only those that certainly reported count."""
    return {
        "audience": str(numbers.audience),
        "ours": numbers.ours.at_least,
        "interception": numbers.interception.at_least,
        "hostile": numbers.hostile.at_least,
        "unknown": numbers.unknown.at_least,
        "of": numbers.of,
        "unit": numbers.unit.value,
        "share": numbers.share,
        "upper": numbers.upper,
        "delivery": delivery_answer(numbers.delivery),
        "caveats": list(numbers.caveats),
    }


def _audience(answer: AudienceAnswer) -> dict[str, Any]:
    """Return the verdict for an audience, and its days with what is missing on each."""
    audience, days = answer.audience, answer.days
    return {
        "audience": str(audience),
        "app": audience.app,
        "app_version": audience.version,
        "verdict": answer.verdict.value,
        "covered_days": len(days.covered),
        "needed_days": answer.needed_days,
        "last_covered_day": days.last,
        "clients": days.clients,
        "unit": answer.estimate.unit.value,
        "share": answer.estimate.share,
        "upper": answer.estimate.upper,
        "days": [
            {"day": day.day, "clients": day.clients, "covered": not day.missing, "missing": list(day.missing)}
            for day in days.days
        ],
    }


def _release(answer: ReleaseAnswer) -> dict[str, Any]:
    """Return the verdict for a release, with what it does with the chains that are served."""
    return {
        "verdict": answer.verdict.value,
        "reason": answer.reason,
        "enforces": not answer.check.reports_only,
    } | release_check_answer(answer.check)


def _plan(plan: Plan, server: Server) -> dict[str, Any]:
    return {
        "step": plan.step,
        "do": list(plan.do),
        "next_step": None if plan.next_step is None else _step(plan.next_step, server),
        "rollback": list(plan.rollback),
        "subdomains": list(plan.subdomains),
        "calendar": [asdict(due) for due in plan.calendar],
    }


def _step(step: NextStep, server: Server) -> dict[str, Any]:
    report_only = step.policy.mode is Mode.REPORT_ONLY
    return {
        "mode": step.policy.mode.value,
        "max_age": step.policy.max_age,
        "field": REPORT_ONLY if report_only else ENFORCING,
        "header": str(step.header),
        "server": server.value,
        "server_line": server_line(for_server(step.header, server), server, report_only=report_only),
        "place": PLACE[server],
        "earliest": step.earliest,
        "conditions": list(step.conditions),
    }
