"""How a query is written for each kind of data source.

A panel's SQL is the same for PostgreSQL and SQLite but for what it names by marks: the dashboard's time range,
``<from>`` and ``<to>`` in milliseconds, ``<within>`` (a condition on ``time_ms``), ``<step>`` (how wide its bars are);
and ``at[[...]]``, which turns milliseconds into what Grafana takes for an instant. Variables are quoted by Grafana:
``${host:sqlstring}``.
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]

DATASOURCE = "${datasource}"


HOUR_MS, DAY_MS = 3_600_000, 86_400_000
_HOURLY_MS = 4 * DAY_MS
"""Longest time range that is shown by the hour: 96 bars."""
_STEP = f"(CASE WHEN <to> - <from> <= {_HOURLY_MS} THEN {HOUR_MS} ELSE {DAY_MS} END)"
_AT = re.compile(r"at\[\[(.+?)\]\]")
_VIEW = re.compile(r"\b(?<!\.)(\w+_v1)\b(?!\.)")


def _marked(text: str, *, since: str, until: str, at: str) -> str:
    """Replace the placeholders."""
    found = one_line(text).replace("<step>", _STEP).replace("<within>", "time_ms BETWEEN <from> AND <to>")
    return _AT.sub(at, found.replace("<from>", since).replace("<to>", until))


def in_schema(sql: str) -> str:
    """Name the views with their PostgreSQL schema, for roles whose search path is another."""
    return _VIEW.sub(r"grafana.\1", sql)


def one_line(text: str) -> str:
    """Write a query without the line breaks of the definition."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks. Of Prometheus: how its series are named, and whether only the present is asked for."""

    text: str
    legend: str = ""
    instant: bool = False


class Engine(Protocol):
    """A kind of data source."""

    folder: str
    plugin: str
    suffix: str
    """What follows the uid of a dashboard for it."""

    def target(self, query: Query, ref: str, *, over_time: bool, times: tuple[str, ...]) -> Json:
        """Write a panel's query; ``times`` are the columns that hold instants."""
        ...

    def variable(self, sql: str) -> str | Json:
        """Write the query of a variable."""
        ...


class Postgres:
    """The data source that ships with Grafana."""

    folder, plugin, suffix = "postgres", "grafana-postgresql-datasource", ""

    def sql(self, text: str) -> str:
        """Write the time range by macros, which know it in seconds."""
        since, until = ("($__unixEpochFrom()::bigint * 1000)", "($__unixEpochTo()::bigint * 1000)")
        return in_schema(_marked(text, since=since, until=until, at=r"to_timestamp((\1) / 1000.0::double precision)"))

    def target(self, query: Query, ref: str, *, over_time: bool, times: tuple[str, ...]) -> Json:
        """Write a panel's query; instants have a type of their own."""
        return {
            "refId": ref,
            "datasource": {"type": self.plugin, "uid": DATASOURCE},
            "editorMode": "code",
            "rawQuery": True,
            "format": "time_series" if over_time else "table",
            "rawSql": self.sql(query.text),
        }

    def variable(self, sql: str) -> str:
        """Write the query of a variable."""
        return self.sql(sql)


class Sqlite:
    """The plugin frser-sqlite-datasource; it knows the time range in milliseconds, and instants are seconds."""

    folder, plugin, suffix = "sqlite", "frser-sqlite-datasource", "-sqlite"

    def sql(self, text: str) -> str:
        """Write the time range as it is."""
        return _marked(text, since="$__from", until="$__to", at=r"((\1) / 1000)")

    def target(self, query: Query, ref: str, *, over_time: bool, times: tuple[str, ...]) -> Json:
        """Write a panel's query; the plugin wants the text twice."""
        return {
            "refId": ref,
            "datasource": {"type": self.plugin, "uid": DATASOURCE},
            "queryType": "time series" if over_time else "table",
            "rawQueryText": self.sql(query.text),
            "queryText": self.sql(query.text),
            "timeColumns": list(times),
        }

    def variable(self, sql: str) -> str:
        """Write the query of a variable."""
        return self.sql(sql)


class Prometheus:
    """Prometheus, for the service itself."""

    folder, plugin, suffix = "prometheus", "prometheus", ""

    def target(self, query: Query, ref: str, *, over_time: bool, times: tuple[str, ...]) -> Json:
        """Write a panel's query."""
        return {
            "refId": ref,
            "datasource": {"type": self.plugin, "uid": DATASOURCE},
            "editorMode": "code",
            "expr": one_line(query.text),
            "legendFormat": query.legend or "__auto",
            "instant": query.instant,
            "range": not query.instant,
        }

    def variable(self, sql: str) -> Json:
        """Write the query of a variable."""
        return {"query": sql, "refId": "variable"}


POSTGRES, SQLITE, PROMETHEUS = Postgres(), Sqlite(), Prometheus()
SQL_ENGINES = (POSTGRES, SQLITE)
