"""One host: the verdict and what to do first, what was reported, its violations, and its history."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.answers.readiness import estimate_answer
from app.api.access import CanRead, ServiceDep
from app.api.hosts import HostPath
from app.api.pages import parse_cursor
from app.api.problems import ProblemError, not_found
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import IMPACTS, Cause, Impact
from app.hpkp.policy import Mode
from app.hpkp.readiness import ReadinessInput, assess_readiness
from app.service import Service, now
from app.store.read.filters import Filter
from app.usecases.hosts import HostOverview
from app.web.chart import Chart, draw, interval_of
from app.web.filters import PageFilter, as_query
from app.web.forms import ChangeForm
from app.web.rendering import HEADERS, address, render
from app.web.server_lines import write_lines, write_shares
from app.web.violation_list import View, list_choices, read_order, show_view

router = APIRouter(dependencies=[CanRead])

_WINDOW = timedelta(days=30)
_LATEST = 6
_HISTORY = 50
_EXPOSED = 60
_FIRST = {Impact.BLOCKER: 0, Impact.WARNING: 1, Impact.INFO: 2}


@router.get("/hosts/{host}")
def show_host(
    request: Request,
    service: ServiceDep,
    host: HostPath,
    narrowed: PageFilter,
    sort: Annotated[str, Query(max_length=20)] = "",
    merge: Annotated[str, Query(max_length=10)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show a host. The filter narrows the chart and the violations; the verdict does not depend on it."""
    at = now()
    inputs = service.readiness.gather(host, at=at)
    answer = None if inputs is None else assess_readiness(inputs)
    wanted = _windowed(replace(narrowed, host=host), at)
    seen = service.hosts.show(
        host,
        wanted,
        interval=_interval(wanted),
        exposed_since=at - _WINDOW,
        at=at,
        latest=_LATEST,
    )
    if seen is None:
        raise not_found("host", host)
    control = service.control.find(host, at=at)
    step = None if answer is None else answer.plan.next_step
    # Without a stated window the chart shows 30 days, but an open violation is listed however old it is.
    view = View(replace(narrowed, host=host), read_order(sort), merged=merge != "no", page=page)
    listed = show_view(service, view, base=f"/hosts/{host}", fragment="#violations")
    return render(
        request,
        "host.html",
        host=host,
        done=done,
        outcome=None if inputs is None else _describe_outcome(done, inputs),
        control=control,
        control_parts=[] if control is None or control.header is None else write_shares(control),
        exposure=seen.exposure[::-1][:_EXPOSED],
        inputs=inputs,
        answer=answer,
        estimate=None if answer is None else estimate_answer(answer.estimate),
        findings=() if answer is None else answer.findings,
        apps=_list_apps(service, host, inputs, at),
        lines=[] if step is None else write_lines(step.header, report_only=step.policy.mode is Mode.REPORT_ONLY),
        wanted=wanted,
        query=as_query(narrowed),
        narrowed=narrowed,
        chart=_draw(wanted, seen),
        presets=_presets(host, narrowed, at),
        revisions=seen.history.revisions[:_LATEST],
        impacts=IMPACTS,
        listed=listed,
        counting=frozenset(one.id for one in inputs.evidence.open_violations) if inputs else frozenset(),
        verdicts=seen.history.verdicts,
        events=seen.history.events,
        **list_choices(),
    )


def _describe_outcome(done: str, inputs: ReadinessInput) -> tuple[str, bool] | None:
    """Say how a probe or a canary that was just asked for ended, and whether it failed."""
    evidence = inputs.evidence
    if done == "probe" and evidence.live is not None:
        probe = evidence.live.probe
        faults = [probe.fault] if probe.fault else [fault for one in probe.endpoints for fault in one.faults]
        if faults:
            return f"Probe failed: {'; '.join(faults)[:300]}.", True
        return f"Probe finished: {len(probe.endpoints)} addresses answered.", False
    if done == "canary":
        if evidence.canary.fault:
            return f"Canary failed: {evidence.canary.fault[:300]}.", True
        sent, received = evidence.canary.sent_at, evidence.canary.received_at
        if received is None or (sent is not None and received < sent):
            return "Canary sent and not received yet. Reload the page in a minute.", True
        return "Canary received.", False
    return None


def _list_apps(service: Service, host: Host, inputs: ReadinessInput | None, at: datetime) -> list[str]:
    """Name the apps with pins for a host, also those without a release in use."""
    if inputs is not None:
        return sorted({check.release.app for check in inputs.evidence.releases})
    return [app.app for app in service.app_overviews.list(at=at) if host in app.hosts]


def _windowed(wanted: Filter, at: datetime) -> Filter:
    """Give a filter the window of the chart where it names none."""
    until = wanted.until or at
    return replace(wanted, since=wanted.since or until - _WINDOW, until=until)


def _interval(wanted: Filter) -> str:
    assert wanted.since is not None
    assert wanted.until is not None
    return interval_of(wanted.since, wanted.until)


def _draw(wanted: Filter, seen: HostOverview) -> Chart:
    assert wanted.since is not None
    assert wanted.until is not None
    changes = [
        (stored.policy.effective_from, f"revision {stored.policy.revision}")
        for stored in reversed(seen.history.revisions)
        if stored.policy.effective_from is not None
    ]
    chart = draw(seen.summary.series, since=wanted.since, until=wanted.until, events=changes)
    return replace(chart, rows=tuple(sorted(chart.rows, key=lambda row: _FIRST[IMPACTS[Cause(row.cause)]])))


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
    """Look at what the host serves, send a canary, or make control pins, and lead back to the host."""
    match form["action"]:
        case "probe":
            done: object = await service.probing.probe(host, at=now())
        case "canary":
            done = await service.canaries.send(host, at=now())
        case "control":
            done = service.control.make(host, at=now())
        case other:
            raise ProblemError(422, "Invalid form", f"Unknown action {other[:40]!r}.")
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
    seen = service.hosts.show_history(
        host, limit=_HISTORY + 1, verdicts_before=first["verdict"], events_before=first["event"]
    )
    if seen is None:
        raise not_found("host", host)
    given, happened = seen.verdicts, seen.events
    return render(
        request,
        "history.html",
        host=host,
        verdicts=given[:_HISTORY],
        more_verdicts=given[_HISTORY - 1].id if len(given) > _HISTORY else None,
        events=happened[:_HISTORY],
        more_events=happened[_HISTORY - 1].id if len(happened) > _HISTORY else None,
        revisions=seen.revisions[:_HISTORY],
    )
