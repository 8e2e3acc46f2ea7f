"""Single reports as lines of text: NDJSON or CSV. One format of it, for the API and the command."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.store.read.export import ExportedReport

FIELDS = (
    "id", "received_at", "date_time", "violation_id", "host", "hostname", "port", "cause", "locks_out", "status",
    "sender", "mode", "app", "app_version", "platform", "platform_version", "label", "user_agent",
)  # fmt: skip
"""What a line has, in this order. ``date_time`` is the sender's text as it came."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How lines are written."""

    NDJSON = "ndjson"
    CSV = "csv"


MEDIA_TYPE = {ExportFormat.NDJSON: "application/x-ndjson", ExportFormat.CSV: "text/csv; charset=utf-8"}


def write_lines(reports: Iterable[ExportedReport], form: ExportFormat) -> Iterator[tuple[int, str]]:
    """Yield the id of each report and its line; a CSV begins with a line of names under the id 0."""
    if form is ExportFormat.CSV:
        yield 0, _csv_line(FIELDS)
    for report in reports:
        values = _values(report)
        if form is ExportFormat.CSV:
            yield report.id, _csv_line([_cell(value) for value in values.values()])
        else:
            yield report.id, json.dumps(values, ensure_ascii=False) + "\n"


def _values(report: ExportedReport) -> dict[str, Any]:
    values = {name: getattr(report, name, None) for name in FIELDS}
    moment = report.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return values | {"received_at": moment, "date_time": report.date_time_text}


def _cell(value: Any) -> Any:
    """Write a cell; what a stranger sent must not be a formula to a spreadsheet."""
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv_line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
