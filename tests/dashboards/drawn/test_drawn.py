"""Boards as people see them: drawn by Grafana's own front end over real stores and a real Prometheus.

A few of all combinations; `tests.dashboards.drawn.pictures` draws every board over every store, range, width and theme.
"""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser

from app.main import create_app
from tests.application import TestClient, caller
from tests.browser import chromium
from tests.dashboards.boards import FILES
from tests.dashboards.drawn import material, put_back
from tests.dashboards.drawn.answers import Sources
from tests.dashboards.drawn.checks import faults, is_even, miscounted, missing, shown_number, total
from tests.dashboards.drawn.drawing import Drawing, Drawn, drawing
from tests.dashboards.prometheus import running_prometheus
from tests.reports import report_body
from tests.server import running_service

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
    assert miscounted(drawn, wanted, "Reports", "Reports by host", "Reports by cause") == []
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
    assert link_faults(drawn, client) == []
    row = next(link for link in drawn.panels["Open violations that block"].links if "Violation b" in link["title"])
    violation = filled.follow(row["href"], engine="postgres")
    assert faults(violation) == []
    assert f"violation {row['row']['violation_id']} of {row['row']['host']}" in violation.text
    host = filled.follow(violation.board_links["Host"], engine="postgres")
    assert faults(host) == []
    assert f"May {row['row']['host']} enforce" in host.text
    assert link_faults(host, client) == []
    assert parse_qs(urlsplit(host.board_links["Rollout overview"]).query)["from"] == ["now-30d"]
    back = filled.follow(host.board_links["Violation"], engine="postgres")
    assert f"of {row['row']['host']}," in back.text


def link_faults(drawn: Drawn, client: TestClient) -> list[str]:
    """Name links that carry what does not fit their boards, or lead to pages that the service does not have."""
    links = [(link["href"], link["row"]) for panel in drawn.panels.values() for link in panel.links]
    assert links
    every = [*links, *((url, {}) for url in drawn.board_links.values())]
    return [f"{href}: {fault}" for href, row in every for fault in _link_faults(href, row, client)]


def _link_faults(href: str, row: dict[str, str], client: TestClient) -> Iterator[str]:
    """Name what is wrong with a link; ``row`` is that of the table that it stands in."""
    if not href.startswith("/d/"):
        path = href.removeprefix(material.PAGES)
        if path == href:
            yield "leads past the service"
        elif client.get(path or "/").status_code != 200:
            yield "is no page of the service"
        elif "host" in row and row["host"] not in path and row["violation_id"] not in path:
            yield "names neither the host nor the violation of its row"
        return
    asked = parse_qs(urlsplit(href).query)
    known = {variable["name"]: variable for variable in _model(href)["templating"]["list"]}
    carried = {name.removeprefix("var-"): values for name, values in asked.items() if name.startswith("var-")}
    for name, values in carried.items():
        if name not in known:
            yield f"carries {name}, which its board does not have"
        elif name == "datasource" and "hpkp-health" in href:
            yield "carries a database to the board of Prometheus"
        elif any("$" in value for value in values) and not known[name].get("includeAll"):
            yield f"carries all of {name} to a board of one"
    if row and carried.get("host") != [row["host"]]:
        yield "carries another host than that of its row"


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


# Each fault that was once drawn, put back: what is checked above has to see it, and to name it.


@contextmanager
def _standing(pen: Drawing, board: str, fault: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Let a copy of a board with a fault stand for the committed one, within a block."""
    model = material.copy_of(BOARDS[board])
    fault(model)
    pen.boards[board] = model
    try:
        yield
    finally:
        del pen.boards[board]


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (put_back.show_numbers_alone, "Last canary: 'none'"),
        (put_back.leave_out_zeros, "Reports by cause: no value where nothing was counted"),
        (put_back.leave_out_unknown_days, "Exposure: uneven"),
        (put_back.draw_through_gaps, "Exposure: a line runs through days of which nothing is known"),
        (put_back.center_bars, "Reports by cause: bars do not begin with the hour or day that they count"),
        (put_back.color_by_number, r".+: \['[^']+', '[^']+'.*\]"),
        (put_back.keep_headline_in_one_line, "Headline: cut off: .+"),
        (put_back.widen_columns, r"Top violations: \d+ pixels are out of sight to the right"),
    ],
)
def test_a_fault_of_a_host_board_that_is_put_back_is_named(
    filled: Drawing, fault: Callable[[dict[str, Any]], None], named: str
) -> None:
    with _standing(filled, "postgres/host", fault):
        drawn = filled.draw("postgres/host", host=HOST, since="now-200d")
    found = [*faults(drawn), *missing(drawn)]
    assert any(re.fullmatch(named, one, re.DOTALL) for one in found), found
    title = named.partition(":")[0]
    if title in drawn.panels:
        assert {one.partition(":")[0] for one in found} == {title}, "no other panel has a fault"


def test_all_hosts_of_an_empty_store_without_a_list_of_their_own_fail(browser: Browser, tmp_path: Path) -> None:
    with (
        material.in_both(material.empty(tmp_path)) as sources,
        drawing(browser, sources) as pen,
        _standing(pen, "postgres/overview", put_back.list_no_hosts),
    ):
        drawn = pen.draw("postgres/overview")
    assert any(re.match(r'Reports by host: .*syntax error at or near "\)"', one, re.DOTALL) for one in faults(drawn))


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (put_back.carry_all_variables, "carries a database to the board of Prometheus"),
        (put_back.carry_all_hosts, "carries all of host to a board of one"),
    ],
)
def test_links_that_carry_what_does_not_fit_are_named(
    filled: Drawing, client: TestClient, fault: Callable[[dict[str, Any]], None], named: str
) -> None:
    with _standing(filled, "postgres/overview", fault):
        drawn = filled.draw("postgres/overview")
    found = link_faults(drawn, client)
    assert any(one.endswith(named) for one in found), found


@pytest.mark.parametrize("fault", [put_back.leave_out_hours_by_beginning, put_back.count_by_day_alone])
def test_counts_that_a_short_range_leaves_out_are_named(
    filled: Drawing, demo: Path, fault: Callable[[dict[str, Any]], None]
) -> None:
    hour, reports = _full_hour(demo)
    since, until = hour + 900_000, hour + 2_700_000
    with _standing(filled, "sqlite/overview", fault):
        drawn = filled.draw("sqlite/overview", since=str(since), until=str(until))
    assert miscounted(drawn, reports, "Reports", "Reports by host") == [f"Reports by host: 0 of {reports} reports"]


def _full_hour(demo: Path) -> tuple[int, int]:
    """Return an hour with reports that does not begin a day, in milliseconds, and how many they are."""
    with closing(sqlite3.connect(demo)) as store:
        [(hour, reports)] = store.execute(
            "SELECT hour, SUM(reports) FROM host_hours WHERE hour % ? <> 0 GROUP BY hour ORDER BY hour DESC LIMIT 1",
            (material.DAY_MS,),
        )
    return int(hour), int(reports)


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
