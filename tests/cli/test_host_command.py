"""``hpkp host``: the list, and a deletion that asks first."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.support.reports import site

runner = CliRunner()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store with two hosts."""
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    for host in ("one.example", "two.example"):
        made = runner.invoke(app, ["policy", "set", host, "--pin", site().root.pin, "--pin", site().leaf.pin])
        assert made.exit_code == 0, made.output


def _hosts() -> list[str]:
    listed = runner.invoke(app, ["host", "list", "--json"])
    return [host["name"] for host in json.loads(listed.stdout)]


def test_a_deletion_asks_and_a_no_keeps_everything() -> None:
    asked = runner.invoke(app, ["host", "delete", "one.example"], input="n\n")
    assert asked.exit_code != 0
    assert "Delete one.example with 0 violations, 0 reports and 1 policy revisions?" in asked.output
    assert _hosts() == ["one.example", "two.example"]


def test_a_yes_deletes_and_so_does_the_option() -> None:
    assert runner.invoke(app, ["host", "delete", "ONE.example."], input="y\n").exit_code == 0
    assert _hosts() == ["two.example"]
    deleted = runner.invoke(app, ["host", "delete", "two.example", "--yes", "--json"])
    assert json.loads(deleted.stdout)["revisions"] == 1
    assert _hosts() == []
    assert runner.invoke(app, ["host", "delete", "two.example", "--yes"]).exit_code == 2


def test_the_list_is_searched_and_says_when_there_is_more() -> None:
    found = runner.invoke(app, ["host", "list", "--search", "TWO"])
    assert "two.example" in found.stdout
    assert "one.example" not in found.stdout
    assert "More hosts match" in runner.invoke(app, ["host", "list", "--limit", "1"]).stderr
