"""Boards as people see them: drawn by Grafana's own front end over real stores and a real Prometheus.

A few of all combinations; `tests.support.dashboards.drawn.pictures` draws every board over every store, range, width
and theme.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser

from app.main import create_app
from tests.support.application import TestClient, caller
from tests.support.browser import chromium
from tests.support.dashboards.boards import FILES
from tests.support.dashboards.drawn import material
from tests.support.dashboards.drawn.answers import Sources
from tests.support.dashboards.drawn.checks import faults, is_even, missing, shown_number, total
from tests.support.dashboards.drawn.drawing import Drawing, Drawn, drawing
from tests.support.dashboards.prometheus import running_prometheus
from tests.support.reports import report_body
from tests.support.server import running_service

HOST = "www.example.com"
BOARDS = {f"{file.engine}/{file.name}": file.model for file in FILES}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo's store."""
    return material.demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def filled(browser: Browser, demo: Path) -> Iterator[Drawing]:
    """Return what draws over the demo's store, in both databases."""
    with ExitStack() as stack:
        sources = stack.enter_context(material.in_both(demo))
        yield stack.enter_context(drawing(browser, sources))


@pytest.fixture(scope="module")
def client(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Return a client of a service over a copy of the same store."""
    folder = tmp_path_factory.mktemp("service")
    copy = Path(shutil.copy(demo, folder / "copy.sqlite3"))
    with caller(create_app(material.settings_of_demo(copy))) as made:
        yield made


def _violation(demo: Path) -> str:
    with closing(sqlite3.connect(demo)) as store:
        [(found,)] = store.execute(
            "SELECT id FROM violations WHERE host = ? AND sender = 'chromium' AND cause = 'own_key_not_pinned'", (HOST,)
        )
    return str(found)


@pytest.mark.parametrize(
    ("board", "width", "theme"),
    [
        ("sqlite/overview", 1280, "dark"),
        ("postgres/overview", 1920, "light"),
        ("postgres/host", 1280, "dark"),
        ("sqlite/host", 1920, "light"),
        ("postgres/violation", 1280, "light"),
        ("sqlite/violation", 1920, "dark"),
    ],
)
def test_a_board_is_readable_and_every_panel_has_something(
    filled: Drawing, demo: Path, board: str, width: int, theme: str
) -> None:
    variables: dict[str, Any] = {} if board.endswith("overview") else {"host": HOST}
    if board.endswith("violation"):
        variables["violation"] = _violation(demo)
    drawn = filled.draw(board, width=width, theme=theme, **variables)
    assert faults(drawn) == []
    assert missing(drawn) == []
    if variables:
        assert HOST in drawn.text, "a board of one host names it"


@pytest.mark.parametrize(
    ("engine", "back"),
    [
        ("sqlite", timedelta(hours=6)),
        ("postgres", timedelta(hours=24)),
        ("sqlite", timedelta(days=7)),
        ("postgres", timedelta(days=90)),
        ("sqlite", timedelta(days=365)),
    ],
)
def test_a_board_adds_up_to_what_the_api_answers_for_the_same_range(
    filled: Drawing, client: TestClient, engine: str, back: timedelta
) -> None:
    until = datetime.now(UTC)
    since = until - back
    drawn = filled.draw(
        f"{engine}/overview", since=str(int(since.timestamp() * 1000)), until=str(int(until.timestamp() * 1000))
    )
    asked = {"since": since.isoformat(), "until": until.isoformat()}
    answers = {
        host["host"]: client.get(f"/api/v1/hosts/{host['host']}/summary", params=asked).json()
        for host in client.get("/api/v1/hosts", params={"limit": "200"}).json()["items"]
    }
    wanted = sum(answer["totals"]["reports"] for answer in answers.values())
    assert wanted > 0
    assert shown_number(drawn, "Reports") == wanted
    assert total(drawn, "Reports by host") == total(drawn, "Reports by cause") == wanted
    by_host = {series["name"]: sum(series["values"]) for series in drawn.panels["Reports by host"].series}
    assert by_host == {host: answer["totals"]["reports"] for host, answer in answers.items() if answer["by_cause"]}
    for title in ("Reports by host", "Clients by host and day", "Exposure by host and day"):
        for series in drawn.panels[title].series:
            assert is_even(series["times"])
            # Grafana adds slots without a value at the end, so that the last bar is not cut off.
            drawn_at = [at for at, value in zip(series["times"], series["values"], strict=False) if value is not None]
            assert max(drawn_at) <= until.timestamp() * 1000
    width = timedelta(hours=1) if back <= timedelta(days=4) else timedelta(days=1)
    first, second = drawn.panels["Reports by host"].series[0]["times"][:2]
    assert second - first == width.total_seconds() * 1000


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_decision_is_drawn_with_the_numbers_of_the_api(filled: Drawing, client: TestClient, engine: str) -> None:
    drawn = filled.draw(f"{engine}/host", since="now-90d", host=HOST)
    answer = client.get(f"/api/v1/hosts/{HOST}/readiness").json()
    rows = {row["audience"]: row for row in drawn.panels["Audiences"].cells}
    assert len(rows) == len(answer["audiences"]) > 2
    lines = {
        title: {one["name"]: one["values"][-1] for one in drawn.panels[title].series if one["values"]}
        for title in ("Locked-out share, at least", "Locked-out share, at most")
    }
    for one in answer["audiences"]:
        row = rows[one["audience"]]
        assert row["verdict"] == one["verdict"].replace("_", " ")
        assert row["days"] == f"{one['covered_days']}/{one['needed_days']}"
        assert row["exposed"].replace(",", "") == ("" if one["clients"] is None else str(one["clients"]))
        for title, key in (("Locked-out share, at least", "share"), ("Locked-out share, at most", "upper")):
            assert lines[title].get(one["audience"]) == (pytest.approx(one[key]) if one[key] is not None else None)
    limit = answer["thresholds"]["lockout_percent"] / 100
    assert lines["Locked-out share, at most"]["limit"] == pytest.approx(limit)
    blocked = {series["name"] for series in drawn.panels["Criteria over time"].series if series["values"][-1] == 0}
    assert "violations" in blocked, "open violations of the host block it"
    assert answer["verdict"] == "not_ready"


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_day_of_which_nothing_is_known_is_a_gap_and_no_line_goes_through_it(
    filled: Drawing, demo: Path, engine: str
) -> None:
    drawn = filled.draw(f"{engine}/host", since="now-365d", host=HOST)
    [sessions] = [one for one in drawn.panels["Exposure"].series if one["name"] == "sessions"]
    with closing(sqlite3.connect(demo)) as store:
        rows = store.execute("SELECT day FROM exposures WHERE host = ? AND sessions IS NOT NULL", (HOST,)).fetchall()
    days = {at // material.DAY_MS * material.DAY_MS for at in sessions["times"]}
    told = {
        at // material.DAY_MS * material.DAY_MS
        for at, value in zip(sessions["times"], sessions["values"], strict=True)
        if value is not None
    }
    assert told == {day for (day,) in rows} & days
    assert len(days - told) > 60, "a lone day, and one in between that is unknown"
    assert is_even(sessions["times"])


def test_every_link_lands_on_the_board_of_the_right_host(filled: Drawing, client: TestClient) -> None:
    drawn = filled.draw("postgres/overview", since="now-30d")
    check_links(drawn, client)
    row = next(link for link in drawn.panels["Open violations that block"].links if "Violation b" in link["title"])
    violation = filled.follow(row["href"], engine="postgres")
    assert faults(violation) == []
    assert f"violation {row['row']['violation_id']} of {row['row']['host']}" in violation.text
    host = filled.follow(violation.board_links["Host"], engine="postgres")
    assert faults(host) == []
    assert f"May {row['row']['host']} enforce" in host.text
    check_links(host, client)
    assert parse_qs(urlsplit(host.board_links["Rollout overview"]).query)["from"] == ["now-30d"]
    back = filled.follow(host.board_links["Violation"], engine="postgres")
    assert f"of {row['row']['host']}," in back.text


def check_links(drawn: Drawn, client: TestClient) -> None:
    """Check that links carry what fits their boards, and that the service has the pages that they lead to."""
    links = [(link["href"], link["row"]) for panel in drawn.panels.values() for link in panel.links]
    assert links
    for href, row in [*links, *((url, {}) for url in drawn.board_links.values())]:
        assert "$" not in href
        asked = parse_qs(urlsplit(href).query)
        if href.startswith("/d/"):
            known = {variable["name"] for variable in _model(href)["templating"]["list"]}
            carried = {name.removeprefix("var-") for name in asked if name.startswith("var-")}
            assert carried <= known, href
            if "hpkp-health" in href:
                assert "datasource" not in carried, "a database is no Prometheus"
            if row:
                assert asked["var-host"] == [row["host"]]
        else:
            assert href.startswith(material.PAGES)
            path = href.removeprefix(material.PAGES)
            assert client.get(path or "/").status_code == 200
            if row and "host" in row:
                assert row["host"] in path or row["violation_id"] in path


def _model(href: str) -> dict[str, Any]:
    uid = urlsplit(href).path.removeprefix("/d/")
    return next(model for model in BOARDS.values() if model["uid"] == uid)


@pytest.mark.parametrize("board", ["postgres/overview", "sqlite/overview", "postgres/host", "postgres/violation"])
def test_a_board_over_an_empty_store_shows_nothing_and_no_error(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, board: str
) -> None:
    path = material.empty(tmp_path_factory.mktemp("empty"))
    with material.in_both(path) as sources, drawing(browser, sources) as pen:
        drawn = pen.draw(board)
    assert faults(drawn) == []
    assert {panel.value for panel in drawn.panels.values() if panel.kind == "stat"} <= {"none", "0"}


def test_boards_over_one_report_of_one_host(browser: Browser, tmp_path: Path) -> None:
    path = material.one_host(tmp_path)
    with drawing(browser, Sources(sqlite=path)) as pen:
        drawn = pen.draw("sqlite/overview", since="now-6h")
        assert faults(drawn) == []
        assert shown_number(drawn, "Reports") == total(drawn, "Reports by host") == 1
        host = pen.draw("sqlite/host", since="now-90d")
    assert faults(host) == []
    assert host.panels["Open violations"].value == "1"
    assert total(host, "Clients by day") == 1


def test_two_hundred_hosts_leave_the_overview_readable(browser: Browser, tmp_path: Path) -> None:
    with drawing(browser, Sources(sqlite=material.many_hosts(tmp_path))) as pen:
        drawn = pen.draw("sqlite/overview")
    assert faults(drawn) == []
    assert missing(drawn) == []
    for title in ("Reports by host", "Clients by host and day"):
        names = [series["name"] for series in drawn.panels[title].series]
        assert len(names) == 9
        assert "all others" in names
    assert total(drawn, "Reports by host") == shown_number(drawn, "Reports")
    assert len(drawn.panels["Exposure by host and day"].series) == 8
    assert len(drawn.panels["Verdict over time"].series) == 20
    assert len(drawn.panels["Hosts"].cells) == material.MANY_HOSTS


# Each fault that was once drawn, put back: what is checked above has to see it.


def _panel(model: dict[str, Any], title: str) -> dict[str, Any]:
    found: dict[str, Any] = next(panel for panel in model["panels"] if panel["title"] == title)
    return found


def _numbers_alone(model: dict[str, Any]) -> None:
    _panel(model, "Last canary")["options"]["reduceOptions"]["fields"] = ""


def _lines_by_number(model: dict[str, Any]) -> None:
    for panel in model["panels"]:
        if panel["type"] == "timeseries":
            panel["fieldConfig"]["defaults"]["color"]["mode"] = "palette-classic"


def _no_slots(model: dict[str, Any]) -> None:
    target = _panel(model, "Exposure")["targets"][0]
    text = target["rawSql"].replace("LEFT JOIN known k", "JOIN known k")
    assert text != target["rawSql"]
    target["rawSql"] = text


def _one_line(model: dict[str, Any]) -> None:
    for override in _panel(model, "Headline")["fieldConfig"]["overrides"]:
        override["properties"] = [one for one in override["properties"] if one["id"] != "custom.wrapText"]


def _wide_columns(model: dict[str, Any]) -> None:
    for override in _panel(model, "Top violations")["fieldConfig"]["overrides"]:
        override["properties"].append({"id": "custom.width", "value": 200})


@pytest.mark.parametrize("put_back", [_numbers_alone, _lines_by_number, _no_slots, _one_line, _wide_columns])
def test_a_fault_of_a_host_board_that_is_put_back_is_seen(
    filled: Drawing, put_back: Callable[[dict[str, Any]], None]
) -> None:
    model = material.copy_of(BOARDS["postgres/host"])
    put_back(model)
    filled.boards["postgres/host"] = model
    try:
        drawn = filled.draw("postgres/host", host=HOST, since="now-200d")
    finally:
        del filled.boards["postgres/host"]
    assert faults(drawn) + missing(drawn) != []


def test_all_hosts_of_an_empty_store_without_a_list_of_their_own_fail(browser: Browser, tmp_path: Path) -> None:
    model = material.copy_of(BOARDS["postgres/overview"])
    del next(one for one in model["templating"]["list"] if one["name"] == "host")["allValue"]
    with material.in_both(material.empty(tmp_path)) as sources, drawing(browser, sources) as pen:
        pen.boards["postgres/overview"] = model
        drawn = pen.draw("postgres/overview")
    assert any("syntax error" in fault for fault in faults(drawn))


def test_links_that_carry_all_variables_are_seen(filled: Drawing, client: TestClient) -> None:
    model = material.copy_of(BOARDS["postgres/overview"])
    for link in model["links"]:
        link["includeVars"] = True
    filled.boards["postgres/overview"] = model
    try:
        drawn = filled.draw("postgres/overview")
    finally:
        del filled.boards["postgres/overview"]
    with pytest.raises(AssertionError):
        check_links(drawn, client)


def test_buckets_that_are_left_out_by_their_beginning_are_seen(filled: Drawing, demo: Path) -> None:
    model = material.copy_of(BOARDS["sqlite/overview"])
    target = _panel(model, "Reports by host")["targets"][0]
    for name in ("rawQueryText", "queryText"):
        target[name] = target[name].replace("time_ms >= $__from / 3600000 * 3600000", "time_ms >= $__from")
    filled.boards["sqlite/overview"] = model
    try:
        until = _last_full_hour(demo) + 1_800_000
        drawn = filled.draw("sqlite/overview", since=str(until - 900_000), until=str(until))
    finally:
        del filled.boards["sqlite/overview"]
    assert shown_number(drawn, "Reports") > 0
    assert total(drawn, "Reports by host") != shown_number(drawn, "Reports")


def _last_full_hour(demo: Path) -> int:
    with closing(sqlite3.connect(demo)) as store:
        [(hour,)] = store.execute("SELECT MAX(hour) FROM host_hours")
    return int(hour)


def test_the_health_board_over_a_real_prometheus(browser: Browser, tmp_path: Path) -> None:
    with (
        running_service(tmp_path / "service") as service,
        running_prometheus(tmp_path, service.url.removeprefix("http://")) as prometheus,
    ):
        for body in (report_body(), b"hello"):
            httpx.post(f"{service.url}/report", content=body, trust_env=False)
        prometheus.wait_for('hpkp_submissions_total{outcome="accepted"} > 0')
        prometheus.wait_for("count_over_time(process_cpu_seconds_total[1m]) > 3")
        with drawing(browser, Sources(prometheus=prometheus.address)) as pen:
            drawn = pen.draw("prometheus/collector-health", since="now-5m")
    assert faults(drawn) == []
    assert {panel.title: panel.value for panel in drawn.panels.values() if panel.kind == "stat"}["Targets"] == "1"
    assert drawn.panels["Targets down"].value == "0"
    assert {"Memory", "CPU", "Store size", "Ingest log size", "Fold lag over time"} <= {
        panel.title for panel in drawn.panels.values() if panel.rows
    }
