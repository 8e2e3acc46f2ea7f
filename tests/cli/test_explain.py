"""``hpkp explain`` and ``hpkp rejudge``: the same words for a file and for what is in the store."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.store.engine import upgrade
from tests.support.demo import demo_store

runner = CliRunner()
EXAMPLES = Path(__file__).parents[2] / "examples"
REPORT = str(EXAMPLES / "report.json")
PINS = [pin["sha256"] for pin in json.loads((EXAMPLES / "policy.json").read_text())["pins"]]
EXPECTED = ["--pin", PINS[0], "--pin", PINS[1]]


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")


def _run(*arguments: str, code: int = 0, stdin: str = "") -> Result:
    result = runner.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_a_report_in_a_file_is_explained_against_the_pins_given() -> None:
    text = _run("explain", REPORT, *EXPECTED).stdout
    title, why, *_ = text.splitlines()
    assert title == "Trust path without a pin    other_trust_path"
    assert why.startswith("Certificate 2 of the served chain has a pin among the expected pins")
    assert "Attributed to     your configuration" in text
    assert "Locks out client  yes: The validated chain contains no expected pin." in text
    served, validated = text.split("served chain\n")[1].split("validated chain (evaluated)\n")
    assert [line.split("CN=")[1].split(",")[0] for line in served.splitlines() if "CN=" in line] == [
        "Example Root X1", "Example Intermediate", "www.example.com",
    ]  # fmt: skip
    assert "expected pin, known pin" in served
    assert "expected pin" not in validated.replace("not pinned", "")
    assert "start here" in validated


def test_pins_are_never_broken_over_lines() -> None:
    text = _run("explain", REPORT, *EXPECTED).stdout
    assert text.count(PINS[0]) == 2, "once in the served chain and once among the known pins"


def test_explaining_a_file_makes_no_store(tmp_path: Path) -> None:
    _run("explain", REPORT, *EXPECTED)
    _run("explain", REPORT)
    assert list(tmp_path.iterdir()) == []


def test_without_pins_or_policy_it_cannot_tell_who_is_locked_out() -> None:
    text = _run("explain", REPORT).stdout
    assert "Locks out client  unknown" in text
    assert "none for this host" in text


def test_the_policy_in_the_store_is_used(tmp_path: Path) -> None:
    _run("policy", "set", "www.example.com", *EXPECTED)
    told = json.loads(_run("explain", REPORT, "--json").stdout)
    assert told == json.loads(_run("explain", "-", "--json", stdin=Path(REPORT).read_text()).stdout)
    assert (told["cause"], told["side"], told["locks_out"]) == ("other_trust_path", "ours", True)
    assert [certificate["failing"] for certificate in told["validated"]] == [False, False, True]


def test_a_violation_in_the_store_is_explained_by_its_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    demo = demo_store().copy_to(tmp_path)
    for name, value in demo.settings.items():
        monkeypatch.setenv(name, value)
    with closing(sqlite3.connect(demo.database)) as store:
        first = dict(store.execute("SELECT cause, min(id) FROM violations GROUP BY cause").fetchall())
    assert first.keys() == demo.told["by_cause"].keys()
    assert {_run("explain", str(number)).stdout.split("\n")[0].split()[-1] for number in first.values()} == first.keys()

    judged = json.loads(_run("rejudge", "--json").stdout)
    assert judged == {"violations": demo.told["violations"], "changed": 0, "changes": {}}
    monkeypatch.delenv("HPKP_TRUST_ANCHORS")
    again = json.loads(_run("rejudge", "www.example.com", "--json").stdout)
    assert again["changed"] == sum(again["changes"].values()) > 0
    assert "no violations" in _run("rejudge", "other.example", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("explain", "missing.json"), "missing.json: No such file"),
        (("explain", "999999"), "violation 999999 not found"),
        (("explain", "9" * 30), "not found"),
        (("explain", REPORT, "--pin", "AAAA"), "32 bytes"),
        (("explain", REPORT, "--header", "max-age=5"), "no pin-sha256"),
    ],
)
def test_what_cannot_be_explained_is_said(arguments: tuple[str, ...], reason: str) -> None:
    upgrade(os.environ["HPKP_DATABASE_URL"])
    assert reason in _run(*arguments, code=2).stderr


def test_an_unreadable_report_is_told_with_its_place() -> None:
    assert "not_a_report at /hostname" in _run("explain", "-", code=2, stdin='{"hostname": 5}').stderr
    assert "unreadable: Not JSON" in _run("explain", "-", code=2, stdin="{").stderr
