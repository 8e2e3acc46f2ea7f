"""``hpkp what-if`` on a store without a server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.support.application import StartApp
from tests.support.authority import make_root
from tests.support.reports import HOST, report_body, site

runner = CliRunner()
BACKUP = make_root("Backup").pin


def _run(*arguments: str, code: int = 0) -> Result:
    result = runner.invoke(app, ["what-if", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture(autouse=True)
def _store(start: StartApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a host have a policy without a pin of the chain that a client reported."""
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    monkeypatch.chdir(tmp_path)
    client = start()
    own = {"pins": [{"sha256": BACKUP}], "own_keys": [site().leaf.pin]}
    client.put(f"/api/v1/hosts/{HOST}/policy", json=own)
    client.put("/api/v1/hosts/quiet.test/policy", json=own)
    assert client.post("/report", content=report_body(known_pins=[BACKUP])).status_code == 204


def test_pins_that_let_everybody_in_exit_with_0() -> None:
    text = _run(HOST, "--pin", site().leaf.pin, "--pin", BACKUP).stdout
    assert "avoided      1 violation, 1 report (your configuration 1)" in text
    assert "Replay covers reported violations only" in text


def test_pins_that_lock_somebody_out_exit_with_1_and_name_the_violation() -> None:
    text = _run(HOST, "--pin", make_root().pin, code=1).stdout
    assert "remains      1 violation, 1 report (your configuration 1)" in text
    assert "violation 1, 1 report, own_key_not_pinned" in text
    answer = json.loads(_run(HOST, "--pin", BACKUP, "--json", code=1).stdout)
    assert answer["safe"] is False


def test_silence_exits_with_2() -> None:
    assert "not proof that these pins are safe" in _run("quiet.test", "--pin", BACKUP, code=2).stdout
    assert "policy set" in _run("other.test", "--pin", BACKUP, code=2).stderr
    assert "--pin" in _run(HOST, code=2).stderr
    assert "error:" in _run(HOST, "--pin", "x", code=2).stderr
