"""The list of hosts, the most urgent first; and what to do if there are none."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import CallerDep, CanRead, ServiceDep
from app.api.hosts import HostPath
from app.api.problems import ProblemError, not_found
from app.hpkp.hosts import canonical_host
from app.service import now
from app.store.read.host_list import HostOrder, HostPage, ListedHost, Standing
from app.web.chart import Chart, draw
from app.web.forms import ChangeForm
from app.web.rendering import HEADERS, address, render

router = APIRouter(dependencies=[CanRead])

_PER_PAGE = 25
_MOST_PAGES = 100_000
_LATELY = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class HostView:
    """What the list shows, all of it in its address."""

    text: str
    standing: Standing | None
    order: HostOrder
    page: int

    def link(self, **changes: Any) -> str:
        """Write the address of this view with changes; the page is the first unless it is stated."""
        stated = {
            "q": self.text,
            "verdict": None if self.standing is None else str(self.standing),
            "sort": None if self.order is HostOrder.SEVERITY else str(self.order),
        }
        return address("/", **(stated | changes))

    def sorted_by(self, order: str) -> str:
        """Write the address of the same list in another order."""
        return self.link(sort=None if order == HostOrder.SEVERITY else order)


@dataclass(frozen=True, slots=True)
class HostCard:
    """A host of the list with its reports of the last days."""

    host: ListedHost
    lately: int
    chart: Chart


@router.get("/")
def list_hosts(
    request: Request,
    service: ServiceDep,
    q: Annotated[str, Query(max_length=253)] = "",
    verdict: Annotated[str, Query(max_length=20)] = "",
    sort: Annotated[str, Query(max_length=20)] = "",
    page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
    deleted: Annotated[str, Query(max_length=253)] = "",
) -> Response:
    """Show hosts with the verdict that was recorded last."""
    at = now()
    # Whole days, so that each is counted once and from its rollup.
    since = (at - _LATELY).replace(hour=0, minute=0, second=0, microsecond=0)
    view = HostView(q.strip(), _read(Standing, verdict), _read(HostOrder, sort) or HostOrder.SEVERITY, page)
    found = service.hosts.list_page(
        text=view.text or None,
        standing=view.standing,
        order=view.order,
        limit=_PER_PAGE,
        offset=(page - 1) * _PER_PAGE,
        since=since,
    )
    if not found.matching and not view.text and view.standing is None:
        return render(request, "first_run.html", base=str(request.base_url).rstrip("/"), deleted=deleted)
    return render(
        request,
        "hosts.html",
        cards=[_card(host, found, since, at) for host in found.shown],
        view=view,
        matching=found.matching,
        by_standing=found.by_standing,
        total=sum(found.by_standing.values()),
        pages=max(1, -(-found.matching // _PER_PAGE)),
        first=(page - 1) * _PER_PAGE + 1,
        days=_LATELY.days,
        deleted=deleted,
    )


def _read(kind: Any, text: str) -> Any:
    """Read a member of an enumeration; None for an empty text. Raises ProblemError."""
    try:
        return kind(text) if text else None
    except ValueError:
        raise ProblemError(422, "Invalid parameter", f"Use one of {', '.join(kind)}.") from None


def _card(host: ListedHost, found: HostPage, since: datetime, at: datetime) -> HostCard:
    days = found.days.get(host.name, ())
    chart = draw(((time, "", reports) for time, reports in days), since=since, until=at)
    return HostCard(host, sum(reports for _, reports in days), chart)


@router.get("/policy")
def choose_host(host: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """Lead to the policy of a host that was typed."""
    return RedirectResponse(f"/hosts/{canonical_host(host)}/policy", 303, headers=HEADERS)


@router.get("/hosts/{host}/delete")
def ask_to_delete(request: Request, service: ServiceDep, host: HostPath) -> Response:
    """Show what would be deleted with a host, and ask for its name."""
    counted = service.hosts.count_data(host)
    if counted is None:
        raise not_found("host", host)
    return render(request, "host_delete.html", host=host, counted=counted, wrong=False)


@router.post("/hosts/{host}/delete")
def delete_host(request: Request, service: ServiceDep, host: HostPath, caller: CallerDep, form: ChangeForm) -> Response:
    """Delete a host with its data if its name was typed."""
    counted = service.hosts.count_data(host)
    if counted is None:
        raise not_found("host", host)
    if form["confirm"].strip().rstrip(".").lower() != host:
        return render(request, "host_delete.html", status=422, host=host, counted=counted, wrong=True)
    service.hosts.delete(host, at=now(), actor=caller.name)
    return RedirectResponse(address("/", deleted=host), 303, headers=HEADERS)
