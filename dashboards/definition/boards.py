"""Boards and what stands on them besides panels: variables, links, annotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dashboards.definition.engines import DATASOURCE, Engine, Json, Query
from dashboards.definition.panels import Row

TAG = "hpkp"
SERVICE = "SELECT public_url FROM service_v1"
"""The address of the service's pages (HPKP_PUBLIC_URL)."""
_SCHEMA_VERSION = 41
_WIDTH = 24
_ALL = {"selected": True, "text": ["All"], "value": ["$__all"]}

ANNOTATIONS = (
    "SELECT time, timeend, title, text, tags FROM events_v1 WHERE <within> AND kind IN ('policy_changed', "
    "'certificate_rotated', 'deployed', 'served_chain_changed', 'verdict_changed')"
)
HOST_ANNOTATIONS = f"{ANNOTATIONS} AND (host IS NULL OR host IN (${{host:sqlstring}}))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A variable with the values that a query gives; ``many`` may be chosen at once, and all of them.

    ``every`` represents all of them, because an empty list is not valid SQL.
    """

    name: str
    label: str
    query: str
    about: str
    many: bool = True
    every: str = ""
    hidden: bool = False

    def write(self, engine: Engine) -> Json:
        """Write it for an engine."""
        written: Json = {
            "datasource": {"type": engine.plugin, "uid": DATASOURCE},
            "description": self.about,
            "hide": 2 if self.hidden else 0,
            "includeAll": self.many,
            "label": self.label,
            "multi": self.many,
            "name": self.name,
            "options": [],
            "query": engine.variable(self.query),
            "refresh": 2,
            "regex": "",
            "skipUrlSync": False,
            "sort": 0,
            "type": "query",
        }
        if self.many:
            written["current"] = _ALL
        if self.every:
            written["allValue"] = engine.variable(self.every)
        return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard before it is written for an engine."""

    uid: str
    file: str
    title: str
    about: str
    since: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]
    annotations: str = ""
    annotated: bool = True
    """Whether annotations are drawn before somebody asks for them."""
    refresh: str = "5m"

    def write(self, engine: Engine, links: Sequence[tuple[str, str]]) -> Json:
        """Write it for an engine, with links to other boards by title and address."""
        annotations = [_annotation(engine, self.annotations, shown=self.annotated)] if self.annotations else []
        return {
            "annotations": {"list": annotations},
            "description": self.about,
            "editable": False,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "id": None,
            "links": [_link(title, url) for title, url in links],
            "panels": list(self._panels(engine)),
            "refresh": self.refresh,
            "schemaVersion": _SCHEMA_VERSION,
            "tags": [TAG],
            "templating": {"list": list(self._variables(engine))},
            "time": {"from": self.since, "to": "now"},
            "timezone": "utc",
            "title": self.title,
            "uid": f"{self.uid}{engine.suffix}",
            "version": 1,
            "weekStart": "monday",
        }

    def _variables(self, engine: Engine) -> Iterator[Json]:
        yield {
            "description": "Where the store, or the service's metrics, are read from.",
            "hide": 0,
            "includeAll": False,
            "label": "Data source",
            "multi": False,
            "name": "datasource",
            "options": [],
            "query": engine.plugin,
            "refresh": 1,
            "regex": "",
            "skipUrlSync": False,
            "type": "datasource",
        }
        for choice in self.choices:
            yield choice.write(engine)

    def _panels(self, engine: Engine) -> Iterator[Json]:
        """Lay the panels out, row after row, from left to right."""
        number, y = 0, 0
        for row in self.rows:
            number += 1
            yield {
                "collapsed": False,
                "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": y},
                "id": number,
                "panels": [],
                "title": row.title,
                "type": "row",
            }
            x, y, tallest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > _WIDTH:
                    x, y, tallest = 0, y + tallest, 0
                number += 1
                yield panel.write(engine, number, x=x, y=y)
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest


def _annotation(engine: Engine, sql: str, *, shown: bool) -> Json:
    return {
        "datasource": {"type": engine.plugin, "uid": DATASOURCE},
        "enable": shown,
        "hide": False,
        "iconColor": "purple",
        "name": "Events",
        "target": engine.target(Query(sql), "Anno", over_time=False, times=("time", "timeend")),
    }


def _link(title: str, url: str) -> Json:
    """Write a link at the top: to another board in the same time range, or to the service's pages.

    It carries the variables that its address names and no others: those of one board do not fit another.
    """
    board = url.startswith("/d/")
    return {
        "asDropdown": False,
        "icon": "dashboard" if board else "external link",
        "includeVars": False,
        "keepTime": board,
        "tags": [],
        "targetBlank": not board,
        "title": title,
        "tooltip": "",
        "type": "link",
        "url": url,
    }
