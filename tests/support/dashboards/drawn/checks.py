"""Faults of a board as it is drawn."""

from collections.abc import Iterator
from itertools import pairwise

from tests.support.dashboards.drawn.drawing import Drawn

MAY_BE_EMPTY = frozenset({"Status history", "Alerts", "Known pins", "Served chain"})
"""Tables of what need not have happened."""
_PIXELS = 2
_NOTHING = ("", "none", "No data")


def faults(drawn: Drawn) -> list[str]:
    """Name what failed, what is cut off or out of sight, and names that have several colours."""
    return [*drawn.complaints, *_unreadable(drawn), *_colored_differently(drawn)]


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
    return found


def is_even(times: list[float]) -> bool:
    """Whether values stand at even distances: then a bar of a lone day is as wide as a day, and a gap is a gap.

    A line may begin later than its first slot: at the beginning of the time range.
    """
    steps = {after - before for before, after in pairwise(times[1:])}
    return len(steps) <= 1 and (len(times) < 3 or times[1] - times[0] <= min(steps))


def total(drawn: Drawn, title: str) -> float:
    """Add up what a panel draws."""
    return sum(value or 0 for series in drawn.panels[title].series for value in series["values"])


def shown_number(drawn: Drawn, title: str) -> float:
    """Return the number that a stat shows; nothing is 0."""
    value = drawn.panels[title].value
    return 0 if value == "none" else float(value.replace(",", ""))
