"""Faults of a board as it is drawn."""

from collections.abc import Iterator
from itertools import pairwise

from tests.dashboards.drawn.drawing import Drawn

MAY_BE_EMPTY = frozenset({"Status history", "Alerts", "Known pins", "Served chain"})
"""Tables of what need not have happened."""
_PIXELS = 2
_NOTHING = ("", "none", "No data")
_AFTER = 1
"""Grafana's alignment of bars that begin at their instant."""


def faults(drawn: Drawn) -> list[str]:
    """Name what failed, what is cut off or out of sight, values at wrong places, and names of several colours."""
    return [*drawn.complaints, *_unreadable(drawn), *_misplaced(drawn), *_colored_differently(drawn)]


def _unreadable(drawn: Drawn) -> Iterator[str]:
    if not drawn.panels:
        yield "no panel"
    for name, panel in drawn.panels.items():
        if panel.error:
            yield f"{name}: {panel.error}"
        yield from (f"{name}: cut off: {text}" for text in panel.cut)
        if panel.right > _PIXELS:
            yield f"{name}: {panel.right} pixels are out of sight to the right"
        if panel.legend_below > _PIXELS:
            yield f"{name}: {panel.legend_below} pixels of the legend are out of sight"


def _misplaced(drawn: Drawn) -> Iterator[str]:
    """Name panels whose bars or lines cover instants for which their values do not hold.

    This is the configuration of the fields as Grafana's front end resolved it; pixels are not measured.
    """
    for name, panel in drawn.panels.items():
        if panel.kind != "timeseries":
            continue
        if any(series["alignment"] not in (None, _AFTER) for series in panel.series):
            yield f"{name}: bars do not begin with the hour or day that they count"
        if any(series["spans"] for series in panel.series):
            yield f"{name}: a line runs through days of which nothing is known"


def _colored_differently(drawn: Drawn) -> Iterator[str]:
    colors: dict[str, set[str]] = {}
    for panel in drawn.panels.values():
        if panel.kind == "timeseries":
            for series in panel.series:
                colors.setdefault(series["name"], set()).add(series["color"])
    yield from (f"{name}: {sorted(found)}" for name, found in colors.items() if len(found) > 1)


def missing(drawn: Drawn) -> list[str]:
    """Name panels that show nothing though the store has something for each, and values at uneven distances."""
    found = []
    for name, panel in drawn.panels.items():
        if name not in MAY_BE_EMPTY and (panel.empty or not panel.rows):
            found.append(f"{name}: nothing")
        if panel.kind == "stat" and panel.value in _NOTHING:
            found.append(f"{name}: {panel.value!r}")
        if panel.kind == "timeseries":
            found += [f"{name}: uneven" for series in panel.series if not is_even(series["times"])]
            if any(series["alignment"] is not None and _has_hole(series["values"]) for series in panel.series):
                found.append(f"{name}: no value where nothing was counted")
    return found


def _has_hole(values: list[float | None]) -> bool:
    """Whether a value is lacking before the last one: Grafana adds slots without a value at the end."""
    last = max((place for place, value in enumerate(values) if value is not None), default=-1)
    return None in values[: last + 1]


def is_even(times: list[float]) -> bool:
    """Whether values stand at even distances: then a bar of a lone day is as wide as a day, and a gap is a gap.

    A line may begin later than its first slot: at the beginning of the time range.
    """
    steps = {after - before for before, after in pairwise(times[1:])}
    return len(steps) <= 1 and (len(times) < 3 or times[1] - times[0] <= min(steps))


def miscounted(drawn: Drawn, wanted: float, *titles: str) -> list[str]:
    """Name panels, stats or series, that do not add up to a number of reports."""
    found = {
        title: shown_number(drawn, title) if drawn.panels[title].kind == "stat" else total(drawn, title)
        for title in titles
    }
    return [f"{title}: {number:g} of {wanted:g} reports" for title, number in found.items() if number != wanted]


def total(drawn: Drawn, title: str) -> float:
    """Add up what a panel draws."""
    return sum(value or 0 for series in drawn.panels[title].series for value in series["values"])


def shown_number(drawn: Drawn, title: str) -> float:
    """Return the number that a stat shows; nothing is 0."""
    value = drawn.panels[title].value
    return 0 if value == "none" else float(value.replace(",", ""))
