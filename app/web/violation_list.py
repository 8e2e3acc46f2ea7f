"""Violations in a list: of all hosts or of one, searched, filtered, sorted and merged; and the change of many at once.

::

    address ──read_view──> View ──show_view──> rows, links that sort, page and save the view as an address
    boxes of a list ──choose──> one page that asks ──change_chosen──> status and note of all of them, or of none
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import CallerDep, CanRead, ServiceDep
from app.api.problems import ProblemError, not_found
from app.hpkp.judgement.causes import Cause
from app.hpkp.report import Sender
from app.hpkp.violation_status import MEANINGS, Status
from app.service import Service, now
from app.store.read.filters import Filter
from app.store.read.violation_groups import Groups, Order
from app.usecases.violations import MOST_CHANGED
from app.web.filters import HostFilter, as_query
from app.web.forms import ChangeForm, Form
from app.web.rendering import HEADERS, address, render

router = APIRouter(dependencies=[CanRead])

STATUSES = tuple(Status)
LONGEST_NOTE = 4000
_PER_PAGE = 25
_MOST_PAGES = 100_000
_NAMED = 10
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class View:
    """What a list shows, all of it in its address."""

    narrowed: Filter = field(default_factory=Filter)
    order: Order = Order.SEVERITY
    merged: bool = True
    page: int = 1

    def query(self, **changes: Any) -> dict[str, Any]:
        """Return the parameters of the address of this view with changes, or without what is None."""
        stated = as_query(self.narrowed)
        stated |= {
            "host": self.narrowed.host,
            "sort": None if self.order is Order.SEVERITY else str(self.order),
            "merge": None if self.merged else "no",
        }
        return {name: value for name, value in (stated | changes).items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class ShownList:
    """A page of a list with the addresses that lead on. ``base`` is the page that the list is part of."""

    view: View
    found: Groups
    base: str
    fragment: str

    def link(self, **changes: Any) -> str:
        """Write the address of the same list with changes; the page is the first unless it is stated."""
        return address(self.base, **self._query(**changes)) + self.fragment

    def sorted_by(self, order: str) -> str:
        """Write the address of the same list in another order."""
        return self.link(sort=None if order == Order.SEVERITY else order)

    @property
    def pages(self) -> int:
        """How many pages the list has."""
        return max(1, -(-self.found.groups // _PER_PAGE))

    @property
    def first(self) -> int:
        """The number of the first row of this page."""
        return (self.view.page - 1) * _PER_PAGE + 1

    @property
    def choosing(self) -> str:
        """The address to which the chosen rows are sent."""
        return address("/violations/status", **self.view.query())

    def one_by_one(self, key: tuple[Any, ...]) -> str:
        """Write the address of the violations of a row, each by itself."""
        host, cause, issuer, status = key
        narrowed = replace(self.view.narrowed, host=host, cause=str(cause), issuer=issuer, status=status)
        return address("/violations", **replace(self.view, narrowed=narrowed, merged=False).query())

    def _query(self, **changes: Any) -> dict[str, Any]:
        stated = self.view.query(**changes)
        if self.base != "/violations":
            stated.pop("host", None)  # it is in the path
        return stated


def read_view(
    narrowed: HostFilter,
    sort: Annotated[str, Query(max_length=20)] = "",
    merge: Annotated[str, Query(max_length=10)] = "",
    page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
) -> View:
    """Read what an address asks for."""
    return View(narrowed, read_order(sort), merged=merge != "no", page=page)


def read_order(text: str) -> Order:
    """Read the order of a list. Raises ProblemError for an unknown one."""
    try:
        return Order(text or Order.SEVERITY)
    except ValueError:
        raise ProblemError(422, "Invalid order", f"Use one of {', '.join(Order)}.", pointer="/query/sort") from None


ListView = Annotated[View, Depends(read_view)]


def show_view(service: Service, view: View, *, base: str = "/violations", fragment: str = "") -> ShownList:
    """Look up what a view shows."""
    found = service.violations.list_groups(
        view.narrowed,
        order=view.order,
        merged=view.merged,
        limit=_PER_PAGE,
        offset=(view.page - 1) * _PER_PAGE,
    )
    return ShownList(view, found, base, fragment)


def list_choices() -> dict[str, Any]:
    """Return what the fields of the filter offer."""
    return {"causes": list(Cause), "senders": list(Sender), "statuses": STATUSES, "orders": list(Order)}


@router.get("/violations")
def list_violations(
    request: Request, service: ServiceDep, view: ListView, changed: Annotated[int, Query(ge=0, le=MOST_CHANGED)] = 0
) -> Response:
    """Show the violations of all hosts, or of those that the filter leaves."""
    return render(
        request,
        "violations.html",
        listed=show_view(service, view),
        counting=None,
        narrowed=view.narrowed,
        query=as_query(view.narrowed) | ({"host": view.narrowed.host} if view.narrowed.host else {}),
        saved=_saved_views(view, now()),
        changed=changed,
        **list_choices(),
    )


def _saved_views(view: View, at: datetime) -> list[tuple[str, str, bool]]:
    """Return views that are often wanted, each with its address and whether it is the one that is shown."""
    host = view.narrowed.host
    wanted = {
        "All": View(),
        "Open blockers": View(Filter(impact="blocks", status="open")),
        "Possible attacks": View(Filter(cause=str(Cause.UNKNOWN_KEY_PUBLIC_CA))),
        "Interception": View(Filter(cause=str(Cause.PRIVATE_ROOT)), Order.CLIENTS),
        "Last 24 hours": View(Filter(since=(at - _DAY).replace(minute=0, second=0, microsecond=0)), Order.FIRST),
        "In progress": View(Filter(status="acknowledged")),
    }
    views = [(name, replace(one, narrowed=replace(one.narrowed, host=host))) for name, one in wanted.items()]
    return [(name, address("/violations", **one.query()), one == replace(view, page=1)) for name, one in views]


@router.post("/violations/status")
def choose_or_change(
    request: Request, service: ServiceDep, caller: CallerDep, view: ListView, form: ChangeForm
) -> Response:
    """Ask once what is to become of the chosen violations; then change all of them."""
    match form["action"]:
        case "choose":
            return _ask(request, service, view, form)
        case "change":
            return _change(service, caller.name, view, form)
    raise ProblemError(422, "Invalid form", f"Unknown action {form['action'][:40]!r}.")


def _ask(request: Request, service: Service, view: View, form: Form) -> Response:
    everything = bool(form["everything"])
    chosen = _read_ids(form.all("chosen"))
    ids = service.violations.list_chosen(view.narrowed, chosen, merged=view.merged, everything=everything)
    if not ids:
        raise ProblemError(422, "No violations selected", "Select at least one row of the list.")
    if len(ids) > MOST_CHANGED:
        raise ProblemError(
            422, "Too many violations", f"Change at most {MOST_CHANGED:,} violations at once: narrow the list."
        )
    found = [one for one in map(service.violations.find_listed, ids[:_NAMED]) if one is not None]
    return render(
        request,
        "violations_status.html",
        ids=ids,
        found=found,
        status_meanings={str(status): meaning for status, meaning in MEANINGS.items()},
        longest_note=LONGEST_NOTE,
        target=address("/violations/status", **view.query()),
        back=address("/violations", **view.query()),
    )


def _change(service: Service, actor: str | None, view: View, form: Form) -> Response:
    ids = _read_ids(form["ids"].split(","))
    if not ids or len(ids) > MOST_CHANGED:
        raise ProblemError(422, "Invalid form", f"Select 1 to {MOST_CHANGED:,} violations.")
    status, note = read_status(form)
    # An empty note keeps the notes that are there: they are different ones.
    fault = service.violations.set_statuses(ids, status=status, note=note or None, at=now(), actor=actor)
    if fault is not None:
        raise not_found("violation", fault.unknown)
    return RedirectResponse(address("/violations", **view.query(changed=len(ids))), 303, headers=HEADERS)


def read_status(form: Form) -> tuple[Status, str]:
    """Read status and note of a form. Raises ProblemError."""
    status, note = form["status"], form["note"]
    if status not in STATUSES:
        raise ProblemError(422, "Invalid status", f"Use one of {', '.join(STATUSES)}.")
    if len(note) > LONGEST_NOTE:
        raise ProblemError(422, "Note too long", f"A note has at most {LONGEST_NOTE:,} characters.")
    return Status(status), note


def _read_ids(texts: Any) -> list[int]:
    """Read numbers of violations, each once."""
    fit = [text for text in texts if text.isascii() and text.isdigit() and len(text) < 19]
    return list(dict.fromkeys(map(int, fit)))
