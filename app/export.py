"""Single reports as lines of text: NDJSON or CSV. One format of it, for the API and the command."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from app.store.engine import from_ms

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


def write_lines(rows: Iterable[Any], form: ExportFormat) -> Iterator[tuple[int, str]]:
    """Yield the id of each row and its line; a CSV begins with a line of names under the id 0."""
    if form is ExportFormat.CSV:
        yield 0, _csv_line(FIELDS)
    for row in rows:
        values = _values(row)
        if form is ExportFormat.CSV:
            yield row.id, _csv_line([_cell(value) for value in values.values()])
        else:
            yield row.id, json.dumps(values, ensure_ascii=False) + "\n"


def _values(row: Any) -> dict[str, Any]:
    values = {name: getattr(row, name, None) for name in FIELDS}
    moment = from_ms(row.received_at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return values | {
        "received_at": moment,
        "date_time": row.date_time_text,
        "locks_out": row.judgement["locks_out"],
    }


def _cell(value: Any) -> Any:
    """Write a cell; what a stranger sent must not be a formula to a spreadsheet."""
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv_line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
