"""Boards and what stands on them besides panels: variables, links, annotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dashboards.definition.engines import DATASOURCE, Engine, Json, Query
from dashboards.definition.panels import Row

TAG = "hpkp"
SERVICE = "http://127.0.0.1:8000"
"""Where the service's own pages are, until the variable says otherwise."""
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
    """A variable with the values that a query gives; ``many`` may be chosen at once, and all of them."""

    name: str
    label: str
    query: str
    about: str
    many: bool = True

    def write(self, engine: Engine) -> Json:
        """Write it for an engine."""
        return {
            "datasource": {"type": engine.plugin, "uid": DATASOURCE},
            "description": self.about,
            "hide": 0,
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
        } | ({"current": _ALL} if self.many else {})


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
    by_day_or_hour: bool = True
    refresh: str = "5m"

    def write(self, engine: Engine, links: Sequence[tuple[str, str]]) -> Json:
        """Write it for an engine, with links to other boards by title and uid."""
        return {
            "annotations": {"list": [_annotation(engine, self.annotations)] if self.annotations else []},
            "description": self.about,
            "editable": False,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "id": None,
            "links": [*(_link(title, f"/d/{uid}", stay=True) for title, uid in links), _link("Pages", "${service}")],
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
        if self.by_day_or_hour:
            yield {
                "current": {"selected": True, "text": "day", "value": "daily"},
                "description": "How wide the bars are (UTC).",
                "hide": 0,
                "includeAll": False,
                "label": "By",
                "multi": False,
                "name": "per",
                "options": [
                    {"selected": True, "text": "day", "value": "daily"},
                    {"selected": False, "text": "hour", "value": "hourly"},
                ],
                "query": "day : daily, hour : hourly",
                "skipUrlSync": False,
                "type": "custom",
            }
        yield {
            "current": {"selected": True, "text": SERVICE, "value": SERVICE},
            "description": "Where the collector's own pages are, for links.",
            "hide": 0,
            "label": "Service",
            "name": "service",
            "options": [{"selected": True, "text": SERVICE, "value": SERVICE}],
            "query": SERVICE,
            "skipUrlSync": False,
            "type": "textbox",
        }

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


def _annotation(engine: Engine, sql: str) -> Json:
    return {
        "datasource": {"type": engine.plugin, "uid": DATASOURCE},
        "enable": True,
        "hide": False,
        "iconColor": "purple",
        "name": "Events",
        "target": engine.target(Query(sql), "Anno", over_time=False, times=("time", "timeend")),
    }


def _link(title: str, url: str, *, stay: bool = False) -> Json:
    return {
        "asDropdown": False,
        "icon": "dashboard" if stay else "external link",
        "includeVars": stay,
        "keepTime": stay,
        "tags": [],
        "targetBlank": not stay,
        "title": title,
        "tooltip": "",
        "type": "link",
        "url": url,
    }
