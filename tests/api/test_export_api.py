"""The export: every single report that is kept, once, in order, without what would identify a client."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.export import FIELDS
from app.store.engine import upgrade
from tests.support.api.answers import problem_of
from tests.support.application import TestClient, service_of
from tests.support.reports import HOST, distinct_bodies, report_body

pytestmark = pytest.mark.both_databases

EXPORT = "/api/v1/export"


def _lines(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    response = client.get(EXPORT, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


@pytest.fixture
def sent(client: TestClient) -> TestClient:
    """Let five reports of one host and one of another have come."""
    for body in (*distinct_bodies(5), report_body(host="other.test")):
        assert client.post("/report/web", content=body, headers={"user-agent": "=cmd()"}).status_code == 204
        service_of(client).watch.wait_blocking()  # counted one by one, so that ids are in their order
    return client


def test_every_report_is_a_line_in_the_order_of_its_coming(sent: TestClient) -> None:
    lines = _lines(sent)
    assert [line["id"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert tuple(lines[0]) == FIELDS
    assert {(line["host"], line["label"], line["sender"]) for line in lines} == {
        (HOST, "web", "chromium"),
        ("other.test", "web", "chromium"),
    }
    assert not {"client", "body", "digest"} & lines[0].keys()


def test_a_stream_goes_on_where_it_broke_off_and_is_narrowed_like_the_lists(sent: TestClient) -> None:
    assert [line["id"] for line in _lines(sent, cursor="4")] == [5, 6]
    assert [line["id"] for line in _lines(sent, host="other.test")] == [6]
    assert _lines(sent, until="2020-01-01T00:00:00Z") == []
    assert _lines(sent, cause="clock") == []


def test_more_than_a_page_comes_whole(client: TestClient) -> None:
    assert client.post("/report", content=report_body()).status_code == 204
    service_of(client).watch.wait_blocking()
    with service_of(client).engine.begin() as connection:
        copy = (
            "INSERT INTO reports (violation_id, source_id, received_at) SELECT 1, source_id, received_at FROM reports"
        )
        for _ in range(11):
            connection.exec_driver_sql(copy)
    ids = [line["id"] for line in _lines(client)]
    assert ids == list(range(1, 2049))


def test_csv_has_names_first_and_no_formula_in_a_cell(sent: TestClient) -> None:
    response = sent.get(EXPORT, params={"format": "csv", "host": HOST})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    names, *rows = csv.reader(io.StringIO(response.text))
    assert tuple(names) == FIELDS
    assert len(rows) == 5
    assert dict(zip(names, rows[0], strict=True))["user_agent"] == "'=cmd()"


def test_what_cannot_be_read_names_the_place(client: TestClient) -> None:
    assert problem_of(client.get(EXPORT, params={"format": "xml"}), 422)["pointer"] == "/query/format"
    assert problem_of(client.get(EXPORT, params={"cursor": "x"}), 422)["pointer"] == "/query/cursor"


def test_the_command_writes_the_same_and_goes_on_in_the_file(
    sent: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPKP_DATABASE_URL", service_of(sent).settings.database_url)
    monkeypatch.setenv("HPKP_LOG_DIR", str(service_of(sent).settings.log_root))
    runner, file = CliRunner(), tmp_path / "reports.csv"
    whole = runner.invoke(app, ["export", "--format", "csv"])
    assert whole.exit_code == 0
    assert whole.stdout.splitlines() == sent.get(EXPORT, params={"format": "csv"}).text.splitlines()
    assert whole.stderr == "", "progress is for terminals"
    begun = "".join(line + "\n" for line in whole.stdout.splitlines()[:4])
    file.write_text(begun)
    rest = runner.invoke(app, ["export", "--format", "csv", "--cursor", "3", "--output", str(file)])
    assert rest.exit_code == 0
    assert file.read_text().splitlines() == whole.stdout.splitlines()


def test_the_command_says_where_it_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    upgrade(f"sqlite:///{tmp_path}/hpkp.sqlite3")
    result = CliRunner().invoke(app, ["export", "--output", str(tmp_path / "missing" / "x.csv")])
    assert result.exit_code == 2
    assert "No such file" in result.stderr
