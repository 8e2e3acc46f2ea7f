"""What docs/grafana.md says to enter works: columns for Infinity, an event; and the pages that boards link to."""

import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from tests.dashboards.test_files import PAGES
from tests.support.application import TestClient, caller, settings_for
from tests.support.dashboards.boards import FOLDER
from tests.support.demo import demo_store

TEXT = (FOLDER.parent / "docs" / "grafana.md").read_text()
_KINDS = {"string": str, "number": int | float, "timestamp": str}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Return a client of a service over the demo's store."""
    demo = demo_store().copy_to(tmp_path_factory.mktemp("demo"))
    settings = settings_for(
        Path(), database_url=f"sqlite:///{demo.database}", trust_anchors=demo.roots, catalog=demo.catalog
    )
    with caller(create_app(settings)) as made:
        yield made


def _recipe() -> list[list[str]]:
    _, heading, rest = TEXT.partition("### Without access to the database: Infinity")
    assert heading, "docs/grafana.md has no recipe for Infinity"
    section = rest.partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize(("url", "rows", "columns"), [row[1:] for row in _recipe()], ids=[row[0] for row in _recipe()])
def test_the_api_gives_infinity_what_the_recipe_says(client: TestClient, url: str, rows: str, columns: str) -> None:
    address = url.strip("`").replace("${host}", "www.example.com").replace("${__from:date:iso}", "2026-01-01T00:00:00Z")
    answer: Any = client.get(address)
    assert answer.status_code == 200, answer.text
    found = answer.json()[rows.strip("`")]
    assert found
    told = re.findall(r"((?:`\w+`(?:, )?)+) \((\w+)\)", columns)
    assert ", ".join(f"{names} ({kind})" for names, kind in told) == columns
    for names, kind in told:
        for name in re.findall(r"`(\w+)`", names):
            values = [row[name] for row in found if row[name] is not None]
            assert values
            assert all(isinstance(value, _KINDS[kind]) for value in values)
            if kind == "timestamp":
                assert all(datetime.fromisoformat(value).tzinfo for value in values)


def test_the_view_of_hosts_tells_what_the_api_answers_today(client: TestClient) -> None:
    with closing(sqlite3.connect(demo_store().database)) as store:
        told = store.execute("SELECT host, verdict, headline FROM hosts_v1 WHERE registered").fetchall()
    assert len(told) == 5
    for host, verdict, headline in told:
        answer = client.get(f"/api/v1/hosts/{host}/readiness").json()
        assert (answer["verdict"], answer["headline"]) == (verdict, headline)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_the_service_has_the_pages_that_boards_link_to(client: TestClient, page: str) -> None:
    path = page.replace("${__data.fields.", "${").replace("${host}", "www.example.com")
    answer = client.get(path.replace("${violation_id}", "1").replace("${violation}", "1") or "/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_an_event_is_told_as_written(client: TestClient) -> None:
    [command] = re.findall(r"^curl .*$", TEXT, flags=re.MULTILINE)
    words = shlex.split(command)
    body, address = words[words.index("-d") + 1], words[-1]
    answer = client.post(
        address.removeprefix("http://127.0.0.1:8000"), content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 201
    assert answer.json()["kind"] == "certificate_rotated"
    kinds = re.findall(r"`(\w+)`", re.findall(r"^`kind` is (.*)$", TEXT, flags=re.MULTILINE)[0])
    for kind in kinds:
        assert client.post("/api/v1/events", json={"kind": kind, "text": "a text"}).status_code == 201
