"""The database of the compose file on a real PostgreSQL: the collector's role does its work, and nothing else."""

import hashlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import yaml
from psycopg.errors import InsufficientPrivilege

from tests.support.postgres import OwnPostgres, own_postgres
from tests.support.reports import HOST, distinct_bodies, site
from tests.support.server import running_service

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
SECRET = "SELECT count(*) FROM public.secret"


@dataclass(frozen=True)
class Databases:
    """A server whose database ``hpkp`` was made as the image of PostgreSQL does it, next to another database."""

    server: OwnPostgres

    def url(self, role: str, database: str = "hpkp") -> str:
        """Return the URL with which a role connects."""
        return self.server.url.replace("postgres@/postgres", f"{role}@/{database}")

    def run(self, role: str, statement: LiteralString, *, database: str = "hpkp") -> list[tuple[Any, ...]]:
        """Run a statement as a role; return its rows."""
        with psycopg.connect(self.url(role, database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    with own_postgres() as server:
        databases = Databases(server)
        databases.run("postgres", "CREATE DATABASE hpkp", database="postgres")
        databases.run("postgres", "CREATE DATABASE others", database="postgres")
        databases.run("postgres", "CREATE TABLE public.secret (it text)", database="others")
        databases.run("postgres", "REVOKE CONNECT ON DATABASE others FROM PUBLIC", database="postgres")
        [script] = (ROOT / "compose/postgres").glob("*.sql")
        assert "./compose/postgres:/docker-entrypoint-initdb.d:ro" in SERVICES["postgres"]["volumes"]
        # The image's own command for such a script.
        command = [str(server.program("psql")), "-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "-d",
                   databases.url("postgres"), "-f", str(script)]  # fmt: skip
        subprocess.run(command, env=os.environ | {"COLLECTOR_DB_PASSWORD": "its'password"}, check=True)
        yield databases


@pytest.fixture(scope="module")
def prepared(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Run what prepares the other services, with the roles of the compose file."""
    folder = tmp_path_factory.mktemp("prepare")
    (folder / "grafana_reader").write_text("its-password\n")
    [script] = SERVICES["prepare"]["command"]
    for there, here in (
        ("/run/secrets/grafana_reader", folder / "grafana_reader"),
        ("/tokens/prometheus", folder / "prometheus"),
        ("chown 65534", ":"),  # only root may
        ("postgresql://postgres@postgres/hpkp", databases.url("postgres")),
    ):
        assert there in script
        script = script.replace(there, str(here))
    script = re.sub(r"^(\s*|.*! )hpkp", rf"\1{shlex.quote(sys.executable)} -m app.cli", script, flags=re.MULTILINE)
    environment = os.environ | {"HPKP_DATABASE_URL": databases.url("hpkp"), "POSTGRES_PASSWORD": "x"}
    command = ["sh", "-ec", script.replace("$$", "$")]
    tokens = []
    for before in ("nothing is there", "everything is there", "the database is new and the token is not"):
        if before.startswith("the database is new"):
            databases.run("hpkp", "DELETE FROM tokens")
            (folder / "prometheus").chmod(0o600)  # root, as in the container, needs no right
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        tokens.append((folder / "prometheus").read_text().strip())
        [[known]] = databases.run("hpkp", "SELECT sha256 FROM tokens WHERE name = 'prometheus'")
        assert known == hashlib.sha256(tokens[-1].encode()).digest(), before
    assert tokens[0] == tokens[1] != tokens[2]
    return databases


def test_the_role_serves_folds_and_upgrades(prepared: Databases, tmp_path: Path) -> None:
    with running_service(tmp_path, HPKP_DATABASE_URL=prepared.url("hpkp")) as service:
        policy = {"pins": [{"sha256": site().root.pin}], "report_uri": "https://reports.example/report"}
        assert service.client.put(f"/api/v1/hosts/{HOST}/policy", json=policy).status_code == 200
        for body in distinct_bodies(3):
            assert service.client.post("/report", content=body).status_code == 204
        found = service.client.get("/api/v1/violations").json()["items"]
        assert [violation["reports"] for violation in found] == [3]
        ready = service.client.get("/readyz").json()
        assert (ready["status"], ready["problems"], ready["fold_fails"]) == ("ready", [], False)
        assert service.stop() == 0
    [[owners]] = prepared.run(
        "hpkp", "SELECT array_agg(DISTINCT tableowner) FROM pg_tables WHERE schemaname !~ '^pg_|^inf'"
    )
    assert owners == ["hpkp"], "of every table"
    environment = os.environ | {"HPKP_DATABASE_URL": prepared.url("hpkp"), "HPKP_LOG_DIR": str(tmp_path / "log")}
    for command in (["db", "upgrade"], ["prune"]):
        ran = subprocess.run(
            [sys.executable, "-m", "app.cli", *command], env=environment, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr


def test_grafana_reads_the_views_of_this_database(prepared: Databases) -> None:
    assert len(prepared.run("grafana_reader", "SELECT host FROM hosts_v1")) <= 1
    with pytest.raises(InsufficientPrivilege):
        prepared.run("grafana_reader", "SELECT name FROM public.tokens")


@pytest.mark.parametrize("role", ["hpkp", "grafana_reader"])
@pytest.mark.parametrize("other", ["postgres", "template1", "others"])
def test_neither_role_reaches_another_database(prepared: Databases, role: str, other: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        prepared.run(role, "SELECT 1", database=other)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "ALTER ROLE hpkp SUPERUSER",
        "ALTER ROLE hpkp CREATEROLE",
        "ALTER ROLE postgres PASSWORD 'x'",
        "GRANT pg_read_all_data TO hpkp",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER SYSTEM SET fsync = off",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT pg_reload_conf()",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/hpkp-was-here'",
        "SELECT passwd FROM pg_shadow",
        "SELECT rolpassword FROM pg_authid",
        "CREATE SUBSCRIPTION another CONNECTION 'dbname=postgres' PUBLICATION another",
        "DROP DATABASE others",
    ],
)
def test_the_role_can_do_nothing_that_is_for_a_superuser(prepared: Databases, statement: LiteralString) -> None:
    with pytest.raises(InsufficientPrivilege):
        prepared.run("hpkp", statement)


def test_the_superuser_could(prepared: Databases) -> None:
    assert prepared.run("postgres", SECRET, database="others") == [(0,)]
    assert prepared.run("postgres", "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = 'hpkp'") == [
        (False, False)
    ]
