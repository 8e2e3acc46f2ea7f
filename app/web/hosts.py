"""All hosts at a glance, and what to do where there are none."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import CanRead, ServiceDep
from app.hpkp.hosts import canonical_host
from app.hpkp.readiness import Readiness
from app.service import now
from app.usecases.hosts import HostAtAGlance
from app.web.chart import Chart, draw
from app.web.rendering import HEADERS, render

router = APIRouter(dependencies=[CanRead])

_PER_PAGE = 25
_LATELY = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class HostCard:
    """What is told of a host in the list. ``answer`` is None where no policy is in force."""

    name: str
    registered: bool
    last_received_at: datetime | None
    reports: int
    lately: int
    chart: Chart
    answer: Readiness | None


@router.get("/")
def list_hosts(
    request: Request, service: ServiceDep, cursor: Annotated[str | None, Query(max_length=253)] = None
) -> Response:
    """Show the hosts by name, each with its verdict; where there is none, what to do first."""
    at = now()
    since = at - _LATELY
    found = service.hosts.list_at_a_glance(limit=_PER_PAGE + 1, after=cursor, since=since, at=at)
    if not found and cursor is None:
        return render(request, "first_run.html", base=str(request.base_url).rstrip("/"))
    cards = [_card(host, since, at) for host in found[:_PER_PAGE]]
    more = cards[-1].name if len(found) > _PER_PAGE else None
    return render(request, "hosts.html", cards=cards, more=more, days=_LATELY.days, first=cursor is None)


def _card(found: HostAtAGlance, since: datetime, at: datetime) -> HostCard:
    host, summary = found.host, found.summary
    return HostCard(
        name=host.name,
        registered=host.registered,
        last_received_at=host.last_received_at,
        reports=host.reports,
        lately=summary.reports,
        chart=draw(((time, "", reports) for time, _, reports in summary.series), since=since, until=at),
        answer=found.answer,
    )


@router.get("/policy")
def choose_host(host: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """Lead to the policy of a host that was typed."""
    return RedirectResponse(f"/hosts/{canonical_host(host)}/policy", 303, headers=HEADERS)
