"""What Grafana does with a query before a database sees it, as its source has it.

First variables, in the browser; then intervals; then macros, by the data source's backend. For PostgreSQL these are
``pkg/tsdb/grafana-postgresql-datasource/macros.go``; the plugin frser-sqlite-datasource 4 has one of its own, and the
time range in milliseconds.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Value = str | Sequence[str]
"""The value of a variable: one, or those chosen of one that takes many."""

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_OURS_TO_LEAVE = ("__timeFilter", "__timeFrom", "__timeTo", "__timeGroup", "__from", "__to")


@dataclass(frozen=True, slots=True)
class Range:
    """The time range of a dashboard."""

    since: datetime
    until: datetime


def interpolate(text: str, variables: Mapping[str, Value]) -> str:
    """Put in the values of variables; one that is not there is left, as the browser leaves it."""

    def value_of(match: re.Match[str]) -> str:
        name, form = match[1] or match[2], match[3]
        if name not in variables:
            return match[0]
        value = variables[name]
        values = [value] if isinstance(value, str) else list(value) or [""]
        if form == "sqlstring":
            return ",".join("'" + one.replace("'", "''") + "'" for one in values)
        assert form is None, f"no other form is used: {form}"
        assert len(values) == 1, f"{name} has several values and is not quoted"
        return values[0]

    return _VARIABLE.sub(value_of, text)


def _rfc3339(moment: datetime) -> str:
    return "'" + moment.astimezone(UTC).isoformat().replace("+00:00", "Z") + "'"


def postgres(text: str, shown: Range) -> str:
    """Expand the macros of the PostgreSQL data source; one that it does not know is an error there too."""
    known: dict[str, Callable[[str], str]] = {
        "__timeFilter": lambda column: f"{column} BETWEEN {_rfc3339(shown.since)} AND {_rfc3339(shown.until)}",
        "__timeFrom": lambda _: _rfc3339(shown.since),
        "__timeTo": lambda _: _rfc3339(shown.until),
        "__unixEpochFrom": lambda _: str(int(shown.since.timestamp())),
        "__unixEpochTo": lambda _: str(int(shown.until.timestamp())),
    }

    def expanded(match: re.Match[str]) -> str:
        assert match[1] in known, f"unknown macro {match[1]}"
        return known[match[1]](match[2])

    found = _MACRO.sub(expanded, text)
    assert "$" not in found, f"something of Grafana's is left: {found}"
    return found


def sqlite(text: str, shown: Range) -> str:
    """Put in the time range as the SQLite plugin knows it."""
    moments = {"__from": shown.since, "__to": shown.until}
    found = interpolate(text, {name: str(int(at.timestamp() * 1000)) for name, at in moments.items()})
    assert "$" not in found, f"something of Grafana's is left: {found}"
    return found


def sql_of(target: Mapping[str, Any]) -> str:
    """Return the text of a query, of either data source."""
    if "rawSql" in target:
        return str(target["rawSql"])
    assert target["rawQueryText"] == target["queryText"]
    return str(target["rawQueryText"])
