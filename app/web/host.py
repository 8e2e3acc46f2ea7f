"""One host: whether to enforce and what to mend first, what comes next, what was reported, and how it came about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from app.api.access import CanRead, ServiceDep
from app.api.details import violation_fields
from app.api.hosts import HostPath
from app.api.pages import parse_cursor
from app.api.problems import ProblemError, not_found
from app.hpkp.findings import Finding, Severity
from app.hpkp.judgement.causes import BEARING, Bearing, Cause
from app.hpkp.policy import Mode
from app.hpkp.readiness import assess_readiness
from app.hpkp.readiness.plain import as_plain
from app.hpkp.report import Sender
from app.service import now
from app.store import events, exposures, policies, summaries, verdicts
from app.store.engine import from_ms
from app.store.policies import StoredPolicy
from app.store.violations import Filter, list_violations
from app.web.chart import Chart, draw, interval_of
from app.web.filters import PageFilter, as_query
from app.web.forms import ChangeForm
from app.web.rendering import HEADERS, address, render
from app.web.server_lines import write_lines

router = APIRouter(dependencies=[CanRead])

STATUSES = ("open", "acknowledged", "expected", "ignored", "resolved")

_WINDOW = timedelta(days=30)
_PER_PAGE = 25
_LATEST = 6
_HISTORY = 50
_EXPOSED = 60
_WEIGHT = {Severity.BLOCKER: 0, Severity.WARNING: 2, Severity.INFO: 3}
_FIRST = {Bearing.BLOCKS: 0, Bearing.CAUTION: 1, Bearing.INFO: 2}


@router.get("/hosts/{host}")
def show_host(
    request: Request,
    service: ServiceDep,
    host: HostPath,
    narrowed: PageFilter,
    cursor: str | None = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show a host. The filter narrows the chart and the violations; the verdict stands by itself."""
    at = now()
    situation = service.situation(host, at=at)
    answer = None if situation is None else assess_readiness(situation)
    with service.engine.connect() as connection:
        if not summaries.has_host(connection, host):
            raise not_found("host", host)
        revisions = policies.list_revisions(connection, host)
        wanted = _windowed(replace(narrowed, host=host), at)
        chart = _draw(connection, wanted, revisions)
        page = _page(connection, wanted, cursor)
        exposed = exposures.list_exposure(connection, host, since=at - _WINDOW, until=at)
        given = verdicts.list_verdicts(connection, host, limit=_LATEST)
        happened = events.list_events(connection, host=host, kind=None, limit=_LATEST)
    step = None if answer is None else answer.plan.next_step
    return render(
        request,
        "host.html",
        host=host,
        done=done,
        exposure=exposed[::-1][:_EXPOSED],
        situation=situation,
        answer=answer,
        estimate=None if situation is None or answer is None else as_plain(situation.policy, answer, at=at)["estimate"],
        findings=() if answer is None else by_weight(answer.findings),
        lines=[] if step is None else write_lines(step.header, report_only=step.policy.mode is Mode.REPORT_ONLY),
        wanted=wanted,
        query=as_query(narrowed),
        narrowed=narrowed,
        chart=chart,
        presets=_presets(host, narrowed, at),
        revisions=revisions[::-1][:_LATEST],
        from_ms=from_ms,
        causes=list(Cause),
        bearing=BEARING,
        senders=list(Sender),
        statuses=STATUSES,
        verdicts=given,
        events=happened,
        **page,
    )


def by_weight(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings, what weighs most first: blockers, what withholds the verdict, cautions, the rest."""
    return sorted(findings, key=lambda finding: _WEIGHT[finding.severity] - finding.withholds)


def _windowed(wanted: Filter, at: datetime) -> Filter:
    """Give a filter the window of the chart where it names none."""
    until = wanted.until or at
    return replace(wanted, since=wanted.since or until - _WINDOW, until=until)


def _draw(connection: Connection, wanted: Filter, revisions: Sequence[StoredPolicy]) -> Chart:
    assert wanted.since is not None
    assert wanted.until is not None
    interval = interval_of(wanted.since, wanted.until)
    changes = [
        (stored.policy.effective_from, f"revision {stored.policy.revision}")
        for stored in revisions
        if stored.policy.effective_from is not None
    ]
    chart = draw(
        summaries.summarise(connection, wanted, interval=interval).series,
        since=wanted.since,
        until=wanted.until,
        events=changes,
    )
    return replace(chart, rows=tuple(sorted(chart.rows, key=lambda row: _FIRST[BEARING[Cause(row.cause)]])))


def _page(connection: Connection, wanted: Filter, cursor: str | None) -> dict[str, Any]:
    before = parse_cursor(cursor, parts=2)
    rows = list_violations(
        connection, wanted, limit=_PER_PAGE + 1, before=None if before is None else (before[0], before[1])
    )
    last = rows[_PER_PAGE - 1] if len(rows) > _PER_PAGE else None
    return {
        "violations": [violation_fields(row) for row in rows[:_PER_PAGE]],
        "more": None if last is None else f"{last.last_received_at}.{last.id}",
        "cursor": cursor,
    }


def _presets(host: str, narrowed: Filter, at: datetime) -> list[tuple[str, str]]:
    """Return windows to choose from, each with its address; the filter stays."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        (
            f"{days} days",
            address(f"/hosts/{host}", **as_query(replace(narrowed, since=midnight - timedelta(days=days), until=None)))
            + "#reports",
        )
        for days in (7, 30, 90, 365)
    ]


@router.post("/hosts/{host}")
async def act(service: ServiceDep, host: HostPath, form: ChangeForm) -> Response:
    """Look at what the host serves, or send a canary, and lead back to the host."""
    match form["action"]:
        case "probe":
            done: object = await service.probe(host)
        case "canary":
            done = await service.send_canary(host, at=now())
        case other:
            raise ProblemError(422, "Not a form", f"There is no action {other[:40]!r}.")
    if done is None:
        raise not_found("policy in force for", host)
    return RedirectResponse(address(f"/hosts/{host}", done=form["action"]), 303, headers=HEADERS)


@router.get("/hosts/{host}/history")
def show_history(
    request: Request, service: ServiceDep, host: HostPath, verdict: str | None = None, event: str | None = None
) -> Response:
    """Show the verdicts over time, and what happened to the host."""
    before = {"verdict": parse_cursor(verdict, parts=1), "event": parse_cursor(event, parts=1)}
    first = {name: None if place is None else place[0] for name, place in before.items()}
    with service.engine.connect() as connection:
        if not summaries.has_host(connection, host):
            raise not_found("host", host)
        given = verdicts.list_verdicts(connection, host, limit=_HISTORY + 1, before=first["verdict"])
        happened = events.list_events(connection, host=host, kind=None, limit=_HISTORY + 1, before=first["event"])
        revisions = policies.list_revisions(connection, host)[::-1]
    return render(
        request,
        "history.html",
        host=host,
        verdicts=given[:_HISTORY],
        more_verdicts=given[_HISTORY - 1].id if len(given) > _HISTORY else None,
        events=happened[:_HISTORY],
        more_events=happened[_HISTORY - 1].id if len(happened) > _HISTORY else None,
        revisions=revisions[:_HISTORY],
        from_ms=from_ms,
    )
