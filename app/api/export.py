"""Export: the single reports that are kept, as a stream."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.access import CanRead, ServiceDep
from app.api.filters import ViolationFilter
from app.api.pages import IdCursor, parse_cursor
from app.api.schemas import describe_problems
from app.api.values import HostText
from app.export import MEDIA_TYPE, ExportFormat, write_lines
from app.hpkp.hosts import canonical_host

router = APIRouter(prefix="/api/v1", tags=["reports"])

_LINES = 200
"""Lines sent at a time."""

_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for each report, oldest first.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}},
    }
}


class _SlotResponse(StreamingResponse):
    """A stream that gives its slot back at its end, also if the reader goes away in the middle."""

    def __init__(self, release: Callable[[], None], content: Iterator[str], **options: Any) -> None:
        super().__init__(content, **options)
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


@router.get(
    "/export",
    operation_id="export_reports",
    dependencies=[CanRead],
    response_class=StreamingResponse,
    responses=_ANSWER | describe_problems(503),
)
def export(
    service: ServiceDep,
    narrowed: ViolationFilter,
    host: Annotated[HostText | None, Query(description="The host, as counted or as reported.")] = None,
    form: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.NDJSON,
    cursor: IdCursor = None,
) -> StreamingResponse:
    """Stream single reports in the order of receipt, without data that identifies a client.

    Single reports are kept up to limits for each violation and day, and for some time: for exact counts ask for a
    summary. Resume an interrupted stream with the last `id` that arrived as `cursor`.
    """
    after = parse_cursor(cursor, parts=1)
    wanted = replace(narrowed, host=None if host is None else canonical_host(host))
    reports = service.records.export_reports(wanted, after=after[0] if after else 0)
    batches = _batches(line for _, line in write_lines(reports, form))
    headers = {"Content-Disposition": f'attachment; filename="reports.{form}"'}
    # Both before the status is sent, so that it can be 503: without a slot, and if the store cannot be read.
    release = service.heavy_reads.take_slot()
    try:
        first = next(batches, "")
    except BaseException:
        release()
        raise
    return _SlotResponse(release, chain((first,), batches), media_type=MEDIA_TYPE[form], headers=headers)


def _batches(lines: Iterator[str]) -> Iterator[str]:
    while batch := "".join(islice(lines, _LINES)):
        yield batch
