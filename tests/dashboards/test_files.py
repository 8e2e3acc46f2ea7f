"""The committed dashboards: what the definition makes, sound, described, linked, and over views alone."""

import re
from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from app.store.views import VIEWS
from dashboards.definition import BOARDS, files
from dashboards.definition.engines import SQL_ENGINES
from tests.support.dashboards.boards import FILES, FOLDER, File, pair
from tests.support.dashboards.grafana import sql_of

PAGES = {
    "",
    "/hosts/${__data.fields.host}",
    "/hosts/${host}",
    "/violations/${__data.fields.violation_id}",
    "/violations/${violation}",
}
"""Pages of the service that boards link to; tests/dashboards/test_document.py opens them."""

every_file = pytest.mark.parametrize("file", FILES, ids=[file.id for file in FILES])


def test_what_is_committed_is_what_the_definition_makes() -> None:
    made = files()
    committed = {name: (FOLDER / name).read_text() for name in made if (FOLDER / name).exists()}
    assert committed == made, "write them anew: uv run python -m dashboards"
    boards = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*.json")}
    assert boards == {name for name in made if not name.startswith("provisioning/")}


@every_file
def test_a_dashboard_can_be_provisioned_and_not_edited(file: File) -> None:
    model = file.model
    assert (model["id"], model["editable"], model["timezone"]) == (None, False, "utc")
    assert model["schemaVersion"] == 41
    assert "__inputs" not in model, "provisioning does not resolve them"
    assert model["title"].startswith("HPKP: ")
    assert model["tags"] == ["hpkp"]


def test_a_number_of_the_collector_that_is_missing_is_not_green() -> None:
    """Grafana gives a missing value the color of the first step."""
    [health] = [file for file in FILES if file.model["uid"] == "hpkp-health"]
    stats = [panel for panel in health.panels() if panel["type"] == "stat"]
    assert len(stats) == 8
    assert "green" not in {panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"] for panel in stats}


def test_counts_of_the_collector_are_whole_and_without_empty_series() -> None:
    [health] = [file for file in FILES if file.model["uid"] == "hpkp-health"]
    bars = [panel for panel in health.panels() if panel.get("interval")]
    assert {panel["fieldConfig"]["defaults"]["decimals"] for panel in bars} == {0}
    assert {panel["interval"] for panel in bars} == {"1m"}, "a range of 5 minutes has bars"
    outcomes = [panel for panel in bars if panel["title"].endswith("by outcome")]
    assert [panel["targets"][0]["expr"].endswith("> 0") for panel in outcomes] == [True, True]


def test_uids_are_unique_and_short() -> None:
    uids = [file.model["uid"] for file in FILES]
    assert max(Counter(uids).values()) == 1
    assert max(map(len, uids)) <= 40


@every_file
def test_the_data_source_is_a_variable_that_everything_uses(file: File) -> None:
    first = file.model["templating"]["list"][0]
    assert (first["name"], first["label"], first["type"]) == ("datasource", "Data source", "datasource")
    plugin = {"postgres": "grafana-postgresql-datasource", "sqlite": "frser-sqlite-datasource"}.get(
        file.engine, "prometheus"
    )
    assert first["query"] == plugin
    for user in (*file.panels(), *file.variables("query"), *file.model["annotations"]["list"]):
        assert user["datasource"] == {"type": plugin, "uid": "${datasource}"}
    for panel in file.panels():
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@every_file
def test_variables_follow_the_time_range(file: File) -> None:
    assert all(variable["refresh"] == 2 for variable in file.variables("query"))
    assert all(variable["label"] and variable["description"] for variable in file.model["templating"]["list"])


@every_file
def test_every_panel_says_what_it_shows_in_which_unit(file: File) -> None:
    titles = Counter(panel["title"] for panel in file.panels())
    assert max(titles.values()) == 1
    for panel in file.panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@every_file
def test_panels_do_not_overlap_and_stay_on_the_board(file: File) -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        return {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }

    panels = file.model["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations(panels, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


@every_file
def test_links_lead_to_boards_of_the_same_kind_and_to_pages_of_the_service(file: File) -> None:
    uids = {other.model["uid"] for other in FILES if other.engine in (file.engine, "prometheus")}
    if file.engine == "prometheus":
        uids |= {other.model["uid"] for other in FILES if other.engine == "postgres"}
    links = [text for text in _texts(file.model) if text.startswith(("/d/", "${service}"))]
    boards = {link.removeprefix("/d/").partition("?")[0] for link in links if link.startswith("/d/")}
    assert boards <= uids - {file.model["uid"]}, "a board that is not there, or itself"
    pages = {link.removeprefix("${service}") for link in links if link.startswith("$")}
    assert pages <= PAGES
    assert not any("<" in text and text.startswith(("/d/", "http")) for text in _texts(file.model))
    for link in links:
        if link.startswith("/d/"):
            asked = {name for pair in re.findall(r"\$\{(\w+):queryparam\}|var-(\w+)=", link) for name in pair if name}
            other = next(model.model for model in FILES if model.model["uid"] == link[3:].partition("?")[0])
            assert asked <= {variable["name"] for variable in other["templating"]["list"]}, "a variable it has not"
    assert not any(link["includeVars"] for link in file.model["links"])


@every_file
def test_a_board_says_its_question_at_its_top_and_is_no_wall_of_panels(file: File) -> None:
    first = file.model["panels"][0]
    assert first["type"] == "row"
    assert file.model["description"].endswith("?")
    assert first["title"].endswith("?")
    rows_of_a_screen_and_a_half = 35  # of 1080 pixels, at 38 each
    above = [panel for panel in file.panels() if panel["gridPos"]["y"] < rows_of_a_screen_and_a_half]
    assert len(above) <= 16


@every_file
def test_every_variable_that_is_used_is_there(file: File) -> None:
    known = {variable["name"] for variable in file.model["templating"]["list"]}
    used = {name for text in _texts(file.model) for name in re.findall(r"\$\{?([a-z]\w*)", text)}
    assert used <= known | {"__data", "__url_time_range"}
    assert known - {"datasource"} <= used


@pytest.mark.parametrize("name", sorted({file.name for file in FILES if file.engine == "postgres"}))
def test_the_twins_differ_in_nothing_but_how_they_ask(name: str) -> None:
    one, other = pair(name)

    def bare(file: File) -> Any:
        def without(value: Any) -> Any:
            if isinstance(value, dict):
                return {
                    key: without(inner)
                    for key, inner in value.items()
                    if key not in ("targets", "target", "query", "allValue")
                }
            if isinstance(value, list):
                return [without(inner) for inner in value]
            if isinstance(value, str):
                return value.replace("-sqlite", "").replace("frser", "").replace("grafana-postgresql", "")
            return value

        return without(file.model)

    assert bare(one) == bare(other)


def test_every_query_reads_views_and_nothing_else() -> None:
    read = set()
    for file in FILES:
        if file.engine == "prometheus":
            continue
        targets = [target for panel in file.panels() for target in panel["targets"]]
        texts = [sql_of(target) for target in targets]
        texts += [sql_of(annotation["target"]) for annotation in file.model["annotations"]["list"]]
        texts += [variable["query"] for variable in file.variables("query")]
        for text in texts:
            own = set(re.findall(r"(\w+)(?:\(\w+\))? AS \(", text))  # what a query names itself
            named = set(re.findall(r"\b(?:FROM|JOIN)\s+([^\s(),]+)", text)) - own
            if file.engine == "postgres":
                assert all(name.startswith("grafana.") for name in named), "for roles with another search path"
            read |= {name.removeprefix("grafana.") for name in named}
    assert read <= VIEWS.keys()
    unread = {"policies_v1", "certificates_v1", "overflow_daily_v1", "sources_daily_v1", "app_releases_v1"}
    assert VIEWS.keys() - read == unread, "for panels of your own"


def test_every_board_is_written_for_both_databases() -> None:
    engines = Counter(board.uid for engine, board in BOARDS if engine in SQL_ENGINES)
    assert set(engines.values()) == {2}
