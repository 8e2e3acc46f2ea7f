"""Panels: what each kind looks like, as Grafana's model has it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from dashboards.definition.engines import DATASOURCE, Engine, Json, Query

COUNT = "locale"
"""Grafana's unit of counts: all digits, with separators between thousands."""
GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "#808080"


@dataclass(frozen=True, slots=True)
class Shown:
    """How a value is shown: under another text, in a colour."""

    text: str
    color: str


Mapped = Mapping[str, Shown]
Steps = Sequence[tuple[float | None, str]]

VERDICTS: Mapped = {
    "ready": Shown("ready", GREEN),
    "not_enough_data": Shown("not enough data", ORANGE),
    "not_ready": Shown("not ready", RED),
}
RANKS: Mapped = {"2": VERDICTS["ready"], "1": VERDICTS["not_enough_data"], "0": VERDICTS["not_ready"]}
CAUSES = {
    "own_key_not_pinned": RED,
    "other_trust_path": "#ff7383",
    "unknown_key_public_ca": "dark-red",
    "known_bad_key": "#8f3bb8",
    "interception_product": "#e0b400",
    "private_root": "#fade2a",
    "stale_known_pins": "#5794f2",
    "foreign_pins": "#8ab8ff",
    "name_mismatch": "#73bf69",
    "untrusted_chain": "#96d98d",
    "clock": "#c8f2c2",
    "matches_expected": "#37872d",
    "control": "#5d6166",
    "no_evidence": GREY,
    "implausible": "#b0b0b0",
}
"""A colour for each cause, the same on every board."""


def words(**colors: str) -> Mapped:
    """Give words their colours; an underscore stands for a blank."""
    return {name.replace("_", " "): Shown(name.replace("_", " "), color) for name, color in colors.items()}


class PanelKind(ABC):
    """A kind of panel."""

    kind: ClassVar[str]
    over_time: ClassVar[bool] = False
    """Whether its queries give ``time``, the name of the series as ``metric``, and the value as ``"Value"``."""
    interval: str = ""
    """Least time between two values that Prometheus is asked for."""

    @abstractmethod
    def options(self) -> Json:
        """Return the panel's options."""

    @abstractmethod
    def defaults(self) -> Json:
        """Return what holds for all its fields."""

    def overrides(self) -> Iterator[Json]:
        """Give what holds for some of them."""
        yield from ()

    def times(self) -> tuple[str, ...]:
        """Return the columns that hold instants."""
        return ("time",) if self.over_time else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel before it has its place. ``about`` says what the numbers are, and of what they are bounds."""

    title: str
    about: str
    kind: PanelKind
    queries: tuple[Query, ...]
    width: int
    height: int = 8

    def write(self, engine: Engine, number: int, *, x: int, y: int) -> Json:
        """Write it for an engine, at its place."""
        kind = self.kind
        written: Json = {
            "datasource": {"type": engine.plugin, "uid": DATASOURCE},
            "description": self.about,
            "fieldConfig": {"defaults": kind.defaults(), "overrides": list(kind.overrides())},
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "id": number,
            "options": kind.options(),
            "targets": [
                engine.target(query, "ABC"[place], over_time=kind.over_time, times=kind.times())
                for place, query in enumerate(self.queries)
            ],
            "title": self.title,
            "type": kind.kind,
        }
        if kind.interval:
            written["interval"] = kind.interval
        linked: Json = _relink(written, engine)
        return linked


@dataclass(frozen=True, slots=True)
class Row:
    """A headed group of panels."""

    title: str
    panels: tuple[Panel, ...]


def _relink(value: Any, engine: Engine) -> Any:
    """Point links of the form ``<board:uid>`` at the boards of an engine."""
    if isinstance(value, dict):
        return {name: _relink(inner, engine) for name, inner in value.items()}
    if isinstance(value, list):
        return [_relink(inner, engine) for inner in value]
    if isinstance(value, str) and "<board:" in value:
        before, _, rest = value.partition("<board:")
        uid, _, after = rest.partition(">")
        return f"{before}/d/{uid}{engine.suffix}{after}"
    return value


# What the kinds share


def _mappings(mapped: Mapped) -> list[Json]:
    options = {
        value: {"text": shown.text, "color": shown.color, "index": index}
        for index, (value, shown) in enumerate(mapped.items())
    }
    return [{"type": "value", "options": options}] if options else []


def _thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def _reduced(*, values: bool, fields: str = "") -> Json:
    return {"calcs": ["lastNotNull"], "fields": fields, "values": values}


def _legend(*calcs: str, shown: bool = True) -> Json:
    return {"calcs": list(calcs), "displayMode": "list", "placement": "bottom", "showLegend": shown}


def _named(name: str, properties: Json) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": id_, "value": value} for id_, value in properties.items()],
    }


_PLAIN: Steps = ((None, "text"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat(PanelKind):
    """One number, text or moment, large; coloured by what it is. Its query gives one column and one row, or none."""

    kind = "stat"
    unit: str = "none"
    mapped: Mapped | None = None
    steps: Steps = _PLAIN
    text: bool = False
    """Whether the value is a text."""
    decimals: int | None = None
    link: str = ""

    def options(self) -> Json:
        """Show the value alone."""
        return {
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            # Without a pattern Grafana shows numbers alone: no text, and no instant either.
            "reduceOptions": _reduced(values=False, fields="/.*/" if self.text or self.times() else ""),
            "showPercentChange": False,
            "textMode": "value",
            "wideLayout": True,
        }

    def defaults(self) -> Json:
        """Colour by thresholds or mapping."""
        found: Json = {
            "color": {"mode": "thresholds"},
            "mappings": _mappings(self.mapped or {}),
            "noValue": "none",
            "thresholds": _thresholds(self.steps),
            "unit": self.unit,
        }
        if self.decimals is not None:
            found["decimals"] = self.decimals
        return found | ({"links": [{"title": "Open its page", "url": self.link}]} if self.link else {})

    def times(self) -> tuple[str, ...]:
        """Return the column, where the unit is one of moments."""
        return ("value",) if self.unit.startswith("dateTime") else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(PanelKind):
    """Values over time: stacked bars of counts, or lines."""

    kind = "timeseries"
    over_time = True
    unit: str = COUNT
    bars: bool = False
    colors: Mapping[str, str] | None = None
    calc: str = "sum"
    points: str = "auto"
    """When a line has points: ``auto`` where there is room, or ``always``."""
    decimals: int | None = None
    """Decimals in legend and tooltip: rates that Prometheus extrapolates are no whole numbers."""
    interval: str = ""

    def options(self) -> Json:
        """Put the legend below, the largest on top."""
        return {"legend": _legend(*([self.calc] if self.calc else [])), "tooltip": {"mode": "multi", "sort": "desc"}}

    def defaults(self) -> Json:
        """Draw bars from the beginning of what they count, or lines; a gap is a gap, and a lone value a point.

        A name has the same colour on every panel, in whichever order it comes.
        """
        return {
            "color": {"mode": "palette-classic-by-name"},
            "custom": {
                "barAlignment": 1 if self.bars else 0,
                "drawStyle": "bars" if self.bars else "line",
                "fillOpacity": 70 if self.bars else 8,
                "lineWidth": 1,
                "showPoints": "never" if self.bars else self.points,
                "spanNulls": False,
                "stacking": {"group": "A", "mode": "normal" if self.bars else "none"},
            },
            "mappings": [],
            "min": 0,
            "thresholds": _thresholds(_PLAIN),
            "unit": self.unit,
        } | ({} if self.decimals is None else {"decimals": self.decimals})

    def overrides(self) -> Iterator[Json]:
        """Give each known name its colour."""
        for name, color in (self.colors or {}).items():
            yield _named(name, {"color": {"mode": "fixed", "fixedColor": color}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline(PanelKind):
    """States over time, a line for each series."""

    kind = "state-timeline"
    over_time = True
    mapped: Mapped

    def options(self) -> Json:
        """Merge what stays the same."""
        return {
            "alignValue": "left",
            "legend": _legend(),
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none"},
        }

    def defaults(self) -> Json:
        """Colour by state; a state lasts until the next."""
        return {
            "color": {"mode": "thresholds"},
            "custom": {"fillOpacity": 75, "lineWidth": 0},
            "mappings": _mappings(self.mapped),
            "thresholds": _thresholds(_PLAIN),
            "unit": "none",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars(PanelKind):
    """A bar for each row, at most twenty: its query gives a text and a number."""

    kind = "bargauge"

    def options(self) -> Json:
        """Lay the bars flat."""
        return {
            "displayMode": "basic",
            "legend": _legend(shown=False),
            "maxVizHeight": 24,
            "minVizHeight": 12,
            "minVizWidth": 8,
            "namePlacement": "left",
            "orientation": "horizontal",
            "reduceOptions": _reduced(values=True) | {"limit": 20},
            "showUnfilled": True,
            "sizing": "manual",
            "valueMode": "text",
        }

    def defaults(self) -> Json:
        """Paint all alike."""
        return {
            "color": {"mode": "fixed", "fixedColor": BLUE},
            "mappings": [],
            "min": 0,
            "thresholds": _thresholds(_PLAIN),
            "unit": COUNT,
        }


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, under its name in the query. Without a title it is there for links alone."""

    name: str
    title: str = ""
    _: KW_ONLY
    unit: str = ""
    decimals: int | None = None
    width: int = 0
    wrap: bool = False
    """Whether a long text takes several lines instead of being cut off."""
    mapped: Mapped | None = None
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Table(PanelKind):
    """Rows and columns, both in the order of the query."""

    kind = "table"
    columns: tuple[Column, ...]

    def options(self) -> Json:
        """Keep the head in sight."""
        return {"cellHeight": "sm", "frameIndex": 0, "showHeader": True, "sortBy": []}

    def defaults(self) -> Json:
        """Colour nothing but what is mapped."""
        return {
            "color": {"mode": "thresholds"},
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": True},
            "mappings": [],
            "noValue": "",
            "thresholds": _thresholds(_PLAIN),
            "unit": "none",
        }

    def overrides(self) -> Iterator[Json]:
        """Name each column, and give it what is its own."""
        for column in self.columns:
            properties: Json = {"displayName": column.title} if column.title else {"custom.hidden": True}
            if column.unit:
                properties["unit"] = column.unit
            if column.width:
                properties["custom.width"] = column.width
            if column.decimals is not None:
                properties["decimals"] = column.decimals
            if column.wrap:
                properties["custom.wrapText"] = True
            if column.mapped:
                properties["mappings"] = _mappings(column.mapped)
                properties["custom.cellOptions"] = {"type": "color-text"}
            if column.links:
                properties["links"] = [{"title": title, "url": url} for title, url in column.links]
            yield _named(column.name, properties)

    def times(self) -> tuple[str, ...]:
        """Return the columns with a unit of moments."""
        return tuple(column.name for column in self.columns if column.unit.startswith("dateTime"))
