"""What was not taken, and why: the answer to "why is my report not here"."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.access import CanRead, ServiceDep
from app.api.pages import parse_cursor
from app.api.problems import STATUS
from app.web.rendering import render

router = APIRouter(dependencies=[CanRead])

_PER_PAGE = 50


@router.get("/rejections")
def show_rejections(
    request: Request,
    service: ServiceDep,
    outcome: Annotated[str, Query(max_length=40)] = "",
    cursor: str | None = None,
) -> Response:
    """Show rejected submissions, the newest first."""
    before = parse_cursor(cursor, parts=1)
    found = service.records.list_rejections(
        outcome=outcome or None, limit=_PER_PAGE + 1, before=before[0] if before else None
    )
    return render(
        request,
        "rejections.html",
        rejections=found[:_PER_PAGE],
        more=found[_PER_PAGE - 1].id if len(found) > _PER_PAGE else None,
        outcome=outcome,
        answers=STATUS,
        kept=service.settings.max_rejections,
    )
