"""How a query is written for each kind of data source.

A panel's SQL is the same for PostgreSQL and SQLite but for the dashboard's time range, which it names by marks:
``<within>`` (a condition on ``time``), ``<from>`` and ``<to>``. Variables are quoted by Grafana: ``${host:sqlstring}``.
"""

from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]

DATASOURCE = "${datasource}"


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
        """Write the time range by macros."""
        return (
            one_line(text)
            .replace("<within>", "$__timeFilter(time)")
            .replace("<from>", "$__timeFrom()::timestamptz")
            .replace("<to>", "$__timeTo()::timestamptz")
        )

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
        """Write the time range in seconds."""
        return (
            one_line(text)
            .replace("<within>", "time BETWEEN $__from / 1000 AND $__to / 1000")
            .replace("<from>", "($__from / 1000)")
            .replace("<to>", "($__to / 1000)")
        )

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
