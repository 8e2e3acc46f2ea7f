"""``hpkp control``, and what ``hpkp exposure`` records of the control share."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app

HOST = "www.example.com"
PINS = ("A" * 43 + "=", "B" * 42 + "A=")
LINE = '192.0.2.{client} - - [02/Nov/2026:10:05:06 +0000] "GET / HTTP/2.0" 200 512 "-" "Old/1"\n'


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    monkeypatch.chdir(tmp_path)


def _run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def _set_policy() -> None:
    pins = [word for pin in PINS for word in ("--pin", pin)]
    _run("policy", "set", HOST, *pins, "--report-uri", "https://reports.example.net/report")


def test_the_field_is_printed_alone_and_what_was_measured_beside_it() -> None:
    _set_policy()
    made = _run("control", "make", HOST)
    assert made.stdout.startswith('Public-Key-Pins-Report-Only: pin-sha256="')
    assert "max-age" not in made.stdout
    assert "Not measured" in made.stderr
    assert _run("control", "show", HOST).stdout == made.stdout


def test_the_control_share_is_counted_from_a_log_and_by_hand(tmp_path: Path) -> None:
    _set_policy()
    _run("control", "make", HOST)
    log = tmp_path / "control.log"
    log.write_text("".join(LINE.format(client=client) for client in (1, 2, 2, 3)))
    _run("exposure", "import", HOST, str(log), "--control")
    _run("exposure", "set", HOST, "2026-11-03", "--clients", "7", "--control", "--app", "org.example")
    shown = json.loads(_run("control", "show", HOST, "--json").stdout)
    counted = [(day["date"], day["clients"], day["app"]) for day in shown["exposure"]]
    assert counted == [("2026-11-02", 3, ""), ("2026-11-03", 7, "org.example")]
    assert json.loads(_run("exposure", "list", HOST, "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", HOST), "hpkp control make"),
        (("make", "other.test"), "hpkp policy set"),
        (("make", HOST, "--pin", PINS[0], "--pin", PINS[1]), "is the pin of a key of the host"),
        (("make", HOST, "--domain", "elsewhere.test"), "below"),
        (("make", HOST, "--share", "0"), "share"),
        (("make", HOST, "--pin", "x"), "not base64"),
    ],
)
def test_what_cannot_be_done_is_said(words: tuple[str, ...], told: str) -> None:
    _set_policy()
    assert told in _run("control", *words, code=2).output


def test_the_control_share_is_of_clients_alone() -> None:
    assert "--clients" in _run("exposure", "set", HOST, "2026-11-03", "--sessions", "7", "--control", code=2).output
