"""Settings that have no effect are refused, wrong ones are named, and what only reads makes no store."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.settings import Settings, UnusableSetting

RUNNER = CliRunner()
READS = [
    ("token", "list"), ("token", "revoke", "one"), ("policy", "show", "www.example.com"),
    ("readiness", "www.example.com"),
    ("refusals", "www.example.com"), ("exposure", "list", "www.example.com"), ("alert", "list"), ("export",),
    ("prune",),
    ("explain", "1"), ("log", "list"), ("rejudge",), ("canary", "www.example.com"), ("probe", "www.example.com"),
    ("mark", "1", "--as", "resolved"), ("db", "grafana-role"), ("db", "grafana-copy", "copy.sqlite3"),
    ("what-if", "www.example.com", "--pin", "A" * 43 + "="), ("header", "make", "--host", "www.example.com"),
]  # fmt: skip
"""Commands about what a store holds already."""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _refused(*arguments: str) -> str:
    result: Result = RUNNER.invoke(app, list(arguments))
    assert result.exit_code == 2, (result.output, result.exception)
    return result.stderr


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HPKP_KEEP_BODY_DAYS", "HPKP_KEEP_BODIES_DAYS?"),
        ("HPKP_DATABASE_URI", "HPKP_DATABASE_URL?"),
        ("hpkp_trust_anchor", "HPKP_TRUST_ANCHORS?"),
        ("HPKP_TRUSTED_PROXIES", "hpkp serve --trusted-proxies."),
        ("HPKP_", "lists all settings."),
        ("HPKP_ZZZZZZ", "lists all settings."),
    ],
)
@pytest.mark.parametrize("place", ["the environment", ".env"])
def test_an_unknown_setting_is_refused_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str, place: str
) -> None:
    if place == ".env":
        Path(".env").write_text(f"POSTGRES_PASSWORD=x\n{name}=3\n")
    else:
        monkeypatch.setenv(name, "3")
    told = _refused("token", "list")
    assert f"{name.upper()} in {place} is not a setting." in told
    assert meant in told


def test_every_setting_is_known_in_either_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("hpkp_probe_port", "8443")
    Path(".env").write_text("HPKP_MAX_COVERED_AGE_DAYS=7\nOTHER=1\n")
    settings = Settings()
    assert (settings.probe_port, settings.max_covered_age_days) == (8443, 7)


def test_the_application_without_the_command_refuses_unknown_settings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPKP_DATABASE", "sqlite:///x")
    with pytest.raises(UnusableSetting, match="HPKP_DATABASE in the environment"):
        Settings()


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_a_command_about_what_is_stored_makes_no_store_and_names_the_one_it_looked_for(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    assert f"there is no store at {tmp_path}/data/hpkp.sqlite3" in _refused(*command)
    assert list(tmp_path.iterdir()) == []


def test_what_makes_a_store_is_what_sets_something(tmp_path: Path) -> None:
    made = RUNNER.invoke(app, ["token", "new", "one"])
    assert made.exit_code == 0
    assert (tmp_path / "data/hpkp.sqlite3").is_file()
    assert RUNNER.invoke(app, ["token", "list"]).exit_code == 0


@pytest.mark.parametrize("name", ["HPKP_TRUST_ANCHORS", "HPKP_KNOWN_CERTIFICATES", "HPKP_CATALOG"])
@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"", ""), (b"\xff\xfe = [", "")])
def test_a_file_at_fault_is_named_with_its_setting_and_not_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "named.file"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv(name, str(file))
    if name == "HPKP_CATALOG" and content == b"":
        assert RUNNER.invoke(app, ["token", "new", "one"]).exit_code == 0  # a catalog may be empty
        return
    told = _refused("token", "new", "one")
    assert told.startswith(f"error: {name}: {file}")
    assert reason in told
    assert "store" not in told
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("value", ["abc", '["/"', "/"])
def test_a_list_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HPKP_PROBE_PATHS", value)
    assert "HPKP_PROBE_PATHS: not a JSON list" in _refused("token", "list")


def test_serve_names_the_directory_in_which_it_cannot_keep_its_log(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = os.environ | {"HPKP_LOG_DIR": str(tmp_path / "file" / "log")}
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines()[-1] == f"error: HPKP_LOG_DIR: {tmp_path}/file/log: Not a directory"


def test_the_options_that_are_taken_for_settings_are_options_of_serve() -> None:
    from app.cli.serve import serve
    from app.settings import _OPTIONS

    assert {option.lower() for option in _OPTIONS} <= set(inspect.signature(serve).parameters)
