"""Every query of every board, as Grafana sends it, on PostgreSQL by the reading role and on SQLite.

Both give the same, in the shape that the panel takes; something over the demo's store, nothing over an empty one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.support.dashboards.boards import SQL_NAMES, pair
from tests.support.dashboards.grafana import Range, Value, interpolate, sql_of
from tests.support.dashboards.stores import (
    QUOTED,
    Answer,
    PostgresStore,
    SqliteStore,
    empty_sqlite_store,
    postgres_store,
    sqlite_store,
    whole_demo,
)
from tests.support.demo import demo_store

HOST = "www.example.com"
Stores = tuple[PostgresStore, SqliteStore]
Panel = dict[str, Any]


@pytest.fixture(scope="module")
def filled() -> Iterator[Stores]:
    """Return the demo's store in PostgreSQL and in SQLite."""
    path = demo_store().database
    with postgres_store(path) as postgres, sqlite_store(path) as sqlite:
        yield postgres, sqlite


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Return an empty store in both."""
    with postgres_store() as postgres, empty_sqlite_store(tmp_path_factory.mktemp("empty")) as sqlite:
        yield postgres, sqlite


def _panels() -> list[Any]:
    """Return each panel with its twin."""
    return [
        pytest.param(one, other, id=f"{name}-{one['title'].replace(' ', '-')}")
        for name in SQL_NAMES
        for one, other in zip(pair(name)[0].panels(), pair(name)[1].panels(), strict=True)
    ]


every_panel = pytest.mark.parametrize(("postgres", "sqlite"), _panels())


def _ask(stores: Stores, both: tuple[Panel, Panel], variables: Mapping[str, Value], shown: Range) -> list[Answer]:
    """Ask both databases what a panel asks; they have to give the same."""
    answers = []
    for targets in zip(*(panel["targets"] for panel in both), strict=True):
        first, second = _ask_both(stores, [interpolate(sql_of(target), variables) for target in targets], shown)
        assert first.columns == second.columns
        assert first.sorted == second.sorted
        answers.append(second)
    return answers


def _ask_both(stores: Stores, texts: Sequence[str], shown: Range) -> tuple[Answer, Answer]:
    return stores[0].ask(texts[0], shown), stores[1].ask(texts[1], shown)


def _chosen(host: Value, *, violation: str = "") -> dict[str, Value]:
    return {"host": host, "violation": violation, "service": "http://127.0.0.1:8000"}


def _hosts(stores: Stores) -> list[str]:
    [variable] = [v for v in pair("overview")[1].variables("query") if v["name"] == "host"]
    return stores[1].ask(variable["query"], whole_demo()).column("host")


def _violation(stores: Stores) -> str:
    """Return a violation that has all that a board of it shows: a browser's, with both chains."""
    text = (
        f"SELECT violation_id FROM violations_v1 WHERE host = '{HOST}' AND sender = 'chromium' "
        "AND cause = 'own_key_not_pinned'"
    )
    [found] = stores[1].ask(text, whole_demo()).column("violation_id")
    return str(int(found))


@every_panel
def test_a_panel_shows_something_of_the_demo_in_the_shape_that_it_takes(
    filled: Stores, postgres: Panel, sqlite: Panel
) -> None:
    variables = _chosen(HOST, violation=_violation(filled))
    for answer in _ask(filled, (postgres, sqlite), variables, whole_demo()):
        _check_shape(sqlite, answer)
        assert answer.rows
        if sqlite["type"] == "stat":
            assert answer.column("value")[0] is not None


@every_panel
def test_a_panel_answers_for_all_for_several_and_for_a_host_with_a_quote(
    filled: Stores, postgres: Panel, sqlite: Panel
) -> None:
    hosts = _hosts(filled)
    assert len(hosts) == 6
    for host in (hosts, [HOST, QUOTED], QUOTED):
        for answer in _ask(filled, (postgres, sqlite), _chosen(host, violation="1"), whole_demo()):
            _check_shape(sqlite, answer, one_row=False)


@every_panel
def test_a_panel_of_an_empty_store_is_empty_and_no_error(empty: Stores, postgres: Panel, sqlite: Panel) -> None:
    for answer in _ask(empty, (postgres, sqlite), _chosen(""), whole_demo()):
        assert [row for row in answer.rows if any(value not in (None, 0) for value in row)] == []


def _check_shape(panel: Panel, answer: Answer, *, one_row: bool = True) -> None:
    match panel["type"]:
        case "timeseries" | "state-timeline":
            _check_series(answer)
        case "stat":
            assert answer.columns == ("value",)
            assert len(answer.rows) <= 1 or not one_row
        case "bargauge":
            assert len(answer.columns) == 2
            assert all(isinstance(text, str) and text and isinstance(count, float) for text, count in answer.rows)
        case "table":
            overrides = panel["fieldConfig"]["overrides"]
            assert answer.columns == tuple(override["matcher"]["options"] for override in overrides)
            for override in overrides:
                _check_column(override, answer.column(override["matcher"]["options"]))
        case other:
            raise AssertionError(f"a kind of panel that is not checked: {other}")
    if panel["type"] in ("stat", "state-timeline"):
        values = answer.rows if panel["type"] == "stat" else [(value,) for value in answer.column("Value")]
        _check_mapped(panel["fieldConfig"]["defaults"]["mappings"], [row[0] for row in values])


def _check_series(answer: Answer) -> None:
    """Check what Grafana asks of a long table: an ascending time, one text that names the series, one number."""
    assert answer.columns == ("time", "metric", "Value")
    times = answer.column("time")
    assert times == sorted(times)
    assert all(isinstance(at, float) and not math.isnan(at) for at in times)
    assert all(isinstance(name, str) for name in answer.column("metric"))
    assert all(value is None or isinstance(value, float) for value in answer.column("Value")), "nothing is a gap"
    assert len({row[:2] for row in answer.rows}) == len(answer.rows), "a series has two values at one time"


def _check_column(override: Mapping[str, Any], values: list[Any]) -> None:
    properties = {one["id"]: one["value"] for one in override["properties"]}
    if properties.get("unit") in ("dateTimeAsIso", "short"):
        assert all(value is None or isinstance(value, float) for value in values)
    _check_mapped(properties.get("mappings", []), values)


def _check_mapped(mappings: list[Mapping[str, Any]], values: list[Any]) -> None:
    for mapping in mappings:
        written = {
            str(int(value)) if isinstance(value, float) else value for value in values if value not in (None, "")
        }
        assert written <= mapping["options"].keys()


@every_panel
def test_sqlite_is_told_which_columns_postgresql_types_as_instants(
    filled: Stores, postgres: Panel, sqlite: Panel
) -> None:
    variables = _chosen(HOST, violation=_violation(filled))
    for one, other in zip(postgres["targets"], sqlite["targets"], strict=True):
        found = filled[0].instants(interpolate(sql_of(one), variables), whole_demo())
        assert found == set(other["timeColumns"])


@pytest.mark.parametrize("name", SQL_NAMES)
def test_variables_give_one_column_or_a_text_and_a_value(filled: Stores, empty: Stores, name: str) -> None:
    for stores in (filled, empty):
        for one, other in zip(*(file.variables("query") for file in pair(name)), strict=True):
            texts = [interpolate(str(variable["query"]), _chosen(HOST)) for variable in (one, other)]
            first, second = _ask_both(stores, texts, whole_demo())
            assert first == second
            assert first.columns in (("host",), ("public_url",), ("__text", "__value"))
            told = stores is filled and one["name"] != "service"  # no service ever ran on the demo's store
            assert bool(first.rows) == told


@pytest.mark.parametrize("name", SQL_NAMES)
def test_annotations_are_events_with_a_time_a_title_a_text_and_tags(filled: Stores, name: str) -> None:
    texts = [interpolate(sql_of(file.model["annotations"]["list"][0]["target"]), _chosen(HOST)) for file in pair(name)]
    first, second = _ask_both(filled, texts, whole_demo())
    assert first.sorted == second.sorted
    assert first.columns == ("time", "timeend", "title", "text", "tags")
    kinds = {tags.partition(",")[0] for tags in first.column("tags")}
    assert {"policy_changed", "certificate_rotated", "deployed", "verdict_changed"} <= kinds


def test_a_verdict_from_before_the_time_range_stands_at_its_beginning(filled: Stores) -> None:
    end = whole_demo().until
    lately = Range(end - timedelta(days=2), end)
    [panels] = [
        both
        for both in zip(*(file.panels() for file in pair("overview")), strict=True)
        if both[0]["title"] == "Verdict over time"
    ]
    [answer] = _ask(filled, panels, _chosen(_hosts(filled)), lately)
    assert {name: value for _, name, value in answer.rows} == {
        "api.example.net": 0,
        "beta.example.com": 1,
        "login.example.com": 1,
        "shop.example.com": 2,
        "www.example.com": 0,
    }
    assert all(at >= int(lately.since.timestamp()) for at in answer.column("time"))
