"""Keyset pages: a cursor is the key of the last item seen."""

from typing import Annotated

from fastapi import Query, Request, Response

from app.api.problems import ProblemError

LimitQuery = Annotated[int, Query(ge=1, le=500)]
"""How many items a page may have."""
IdCursor = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="The id of the last item seen.")]
ReceiptCursor = Annotated[
    str | None, Query(pattern="^[0-9]{1,18}[.][0-9]{1,18}$", description="`next` of the page before.")
]
"""When the last item seen was received, and its id."""


def parse_cursor(text: str | None, *, parts: int) -> tuple[int, ...] | None:
    """Read a cursor of some integers; a problem for anything else."""
    if text is None:
        return None
    fields = text.split(".")
    if len(fields) != parts or not all(f.isascii() and f.isdigit() and len(f) < 19 for f in fields):
        raise ProblemError(
            422, "Request not valid", "The cursor is not one that this service gave.", pointer="/query/cursor"
        )
    return tuple(map(int, fields))


def link_next(request: Request, response: Response, cursor: str | None) -> str | None:
    """Put the next page into the Link header (RFC 8288); return its cursor."""
    if cursor is not None:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'
    return cursor
