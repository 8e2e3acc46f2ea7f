"""Faults that boards once had, put back into a board in memory: what is checked of a drawn board has to see each.

Each function changes the model that it is given, and fails if the board no longer has what it changes.
"""

from typing import Any

Model = dict[str, Any]


def panel_of(model: Model, title: str) -> Model:
    """Return the panel with a title."""
    found: Model = next(panel for panel in model["panels"] if panel.get("title") == title)
    return found


def _replace(panel: Model, old: str, new: str) -> None:
    """Replace a part of a panel's query, in each place where the data source keeps the text."""
    target = panel["targets"][0]
    names = [name for name in ("rawSql", "rawQueryText", "queryText") if name in target]
    assert names
    for name in names:
        assert old in target[name], f"the query has no {old!r}"
        target[name] = target[name].replace(old, new)


def _custom(model: Model, title: str) -> Model:
    found: Model = panel_of(model, title)["fieldConfig"]["defaults"]["custom"]
    return found


def show_numbers_alone(model: Model) -> None:
    """Let a stat of an instant read numeric columns only."""
    panel_of(model, "Last canary")["options"]["reduceOptions"]["fields"] = ""


def list_no_hosts(model: Model) -> None:
    """Let "All" expand to the hosts that the variable has found: none, over an empty store."""
    del next(one for one in model["templating"]["list"] if one["name"] == "host")["allValue"]


def carry_all_variables(model: Model) -> None:
    """Let the links to other boards carry every variable."""
    for link in model["links"]:
        link["includeVars"] = True


def carry_all_hosts(model: Model) -> None:
    """Let the link to the board of one host carry the hosts that this board shows."""
    link = next(link for link in model["links"] if link["title"] == "Host")
    link["url"] += "&${host:queryparam}"


def leave_out_hours_by_beginning(model: Model) -> None:
    """Leave out the hour in which the time range begins."""
    _replace(panel_of(model, "Reports by host"), "time_ms >= $__from / 3600000 * 3600000", "time_ms >= $__from")


def count_by_day_alone(model: Model) -> None:
    """Read counts by day for a time range of hours."""
    _replace(panel_of(model, "Reports by host"), "FROM reports_hourly_v1", "FROM reports_daily_v1")


def leave_out_zeros(model: Model) -> None:
    """Give no value to hours and days in which nothing was counted."""
    _replace(panel_of(model, "Reports by cause"), "LEFT JOIN summed a", "JOIN summed a")


def leave_out_unknown_days(model: Model) -> None:
    """Give no row to days of which nothing is known."""
    _replace(panel_of(model, "Exposure"), "LEFT JOIN known k", "JOIN known k")


def draw_through_gaps(model: Model) -> None:
    """Join the values on both sides of a gap by a line."""
    custom = _custom(model, "Exposure")
    assert custom["spanNulls"] is False
    custom["spanNulls"] = True


def center_bars(model: Model) -> None:
    """Draw bars around the beginning of the hour or day that they count."""
    custom = _custom(model, "Reports by cause")
    assert custom["barAlignment"] == 1
    custom["barAlignment"] = 0


def color_by_number(model: Model) -> None:
    """Give series their colours by their place in the panel."""
    for panel in model["panels"]:
        if panel["type"] == "timeseries":
            panel["fieldConfig"]["defaults"]["color"]["mode"] = "palette-classic"


def keep_headline_in_one_line(model: Model) -> None:
    """Wrap no text of the headline."""
    for override in panel_of(model, "Headline")["fieldConfig"]["overrides"]:
        override["properties"] = [one for one in override["properties"] if one["id"] != "custom.wrapText"]


def widen_columns(model: Model) -> None:
    """Make each column of the violations 200 pixels wide."""
    for override in panel_of(model, "Top violations")["fieldConfig"]["overrides"]:
        override["properties"].append({"id": "custom.width", "value": 200})
