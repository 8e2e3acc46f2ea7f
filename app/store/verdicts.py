"""Verdicts over time: each that differs from the one before, with what changed it."""

from datetime import datetime

from sqlalchemy import Connection, insert, update

from app.hpkp.readiness import Readiness
from app.hpkp.readiness.words import VERDICTS, describe_change
from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event
from app.store.read.verdicts import last_verdict


def record_verdict(connection: Connection, host: str, revision: int, answer: Readiness, *, at: datetime) -> bool:
    """Record a verdict where it, its revision or its findings are others than before; a changed verdict is an event.

    Where they are the same, the one before gets the headline and the step of the plan of now.
    """
    findings = {finding.code: finding.severity.value for finding in answer.findings}
    before = last_verdict(connection, host)
    if before is not None and (before.verdict, before.revision, before.findings) == (
        answer.verdict, revision, findings,
    ):  # fmt: skip
        now = {"headline": answer.headline, "next_step": answer.plan.step}
        if now != {"headline": before.headline, "next_step": before.next_step}:
            last = tables.verdicts.c.id == before.id
            connection.execute(update(tables.verdicts).where(last).values(now))
        return False
    change = describe_change(
        None if before is None else before.findings,
        findings,
        revision=revision,
        before_revision=None if before is None else before.revision,
    )
    connection.execute(
        insert(tables.verdicts).values(
            host=host,
            at=to_ms(at),
            revision=revision,
            verdict=answer.verdict,
            headline=answer.headline,
            findings=findings,
            change=change,
            next_step=answer.plan.step,
        )
    )
    if before is None or before.verdict != answer.verdict:
        was = "" if before is None else f" (it was {VERDICTS[before.verdict]})"
        text = f"The verdict is {VERDICTS[answer.verdict]}{was}. {change}"
        add_event(connection, "verdict_changed", text[:1000], host=host, at=to_ms(at))
    return True
