"""``hpkp db grafana-role`` and ``grafana-copy``: who may read what, and how they say it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from app.cli import app
from app.store.engine import open_engine, upgrade
from app.store.views import VIEWS
from tests.support.postgres import postgres_database

runner = CliRunner()


def _run(*arguments: str, code: int = 0) -> Result:
    result = runner.invoke(app, ["db", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the commands work on a store in PostgreSQL; a role that they make is dropped."""
    with postgres_database() as url:
        monkeypatch.setenv("HPKP_DATABASE_URL", url)
        yield url
        with _owner(url) as owner:
            if owner.execute("SELECT 1 FROM pg_roles WHERE rolname = 'a\"reader'").fetchone():
                owner.execute('DROP OWNED BY "a""reader"')
                owner.execute('DROP ROLE "a""reader"')


def _owner(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def test_what_is_printed_makes_the_role_when_an_administrator_runs_it(postgres: str) -> None:
    told = json.loads(_run("grafana-role", 'a"reader', "--json").stdout)
    assert told["made"] is False
    printed = _run("grafana-role", 'a"reader').stdout
    assert printed.splitlines()[:-1] == [f"{statement};" for statement in told["statements"]]
    assert '\\password a"reader' in printed.splitlines()[-1]
    with _owner(postgres) as owner:
        for statement in told["statements"]:
            owner.execute(statement.encode())
        owner.execute('SET ROLE "a""reader"')
        assert owner.execute("SELECT count(*) FROM grafana.hosts_v1").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("SELECT * FROM public.secrets")
        owner.execute("RESET ROLE")


def test_a_role_is_made_with_a_password_and_given_another_later(postgres: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    for password, said in (("first", "can read"), ("second", "could already")):
        secret.write_text(f"{password}\n")
        assert said in _run("grafana-role", 'a"reader', "--password-file", str(secret)).stdout
    reader = make_url(postgres).set(drivername="postgresql", username='a"reader', password="second")
    with psycopg.connect(reader.render_as_string(hide_password=False)) as connection:
        assert connection.execute("SELECT count(*) FROM violations_v1").fetchone() == (0,)
    with _owner(postgres) as owner:
        [kept] = owner.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'a\"reader'").fetchone() or [""]
    assert str(kept).startswith("SCRAM-SHA-256$")
    told = _run("grafana-role", 'a"reader', "--password-file", str(secret), "--json").stdout
    assert json.loads(told)["made"] is True


def test_a_password_that_is_none_is_refused(postgres: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert "is empty" in _run("grafana-role", "--password-file", str(tmp_path / "empty"), code=2).stderr
    assert "No such file" in _run("grafana-role", "--password-file", str(tmp_path / "none"), code=2).stderr
    assert "SQLite" in _run("grafana-copy", str(tmp_path / "copy"), code=2).stderr


def test_sqlite_has_no_roles_and_a_copy_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    monkeypatch.setenv("HPKP_DATABASE_URL", url)
    upgrade(url)
    assert "hpkp db grafana-copy" in _run("grafana-role").stdout
    assert json.loads(_run("grafana-role", "--json").stdout)["statements"] == []
    target = tmp_path / "copies" / "grafana.sqlite3"
    assert f"rows of {len(VIEWS)} views" in _run("grafana-copy", str(target)).stdout
    assert json.loads(_run("grafana-copy", str(target), "--json").stdout)["rows"]["hosts_v1"] == 0
    with closing(sqlite3.connect(target)) as copied:
        names = {name for (name,) in copied.execute("SELECT name FROM sqlite_master")}
    assert "hosts_v1" in names
    assert "secrets" not in names
    open_engine(url).dispose()
    (tmp_path / "file").touch()
    assert "cannot be written" in _run("grafana-copy", str(tmp_path / "file" / "grafana.sqlite3"), code=2).stderr
