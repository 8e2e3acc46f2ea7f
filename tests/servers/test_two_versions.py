"""An older program, from the repository's history, runs next to the present one while that upgrades their store.

It serves what it can and says why it cannot serve the rest: 503, never 500. What it acknowledges is counted later.
"""

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from app.main import create_app
from app.store.engine import newest_version, open_engine
from tests.support.api.answers import problem_of
from tests.support.application import caller, service_of, settings_for
from tests.support.postgres import empty_database, postgres_database
from tests.support.reports import HOST, distinct_bodies, site
from tests.support.server import RunningService, running_service

ROOT = Path(__file__).parents[2]
MIGRATIONS = "app/store/migrations/versions"
POLICY = {"pins": [{"sha256": site().root.pin}], "report_uri": "https://reports.example/report"}
SAMPLES = {
    "host": HOST, "violation_id": 1, "report_id": 1, "sha256": "0" * 64, "date": "2026-11-01", "app": "a",
    "version": "1",
}  # fmt: skip
PAGES = (
    "/",
    "/login",
    "/violations/1",
    f"/hosts/{HOST}",
    f"/hosts/{HOST}/policy",
    "/rejections",
    "/upkeep",
)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _find_older_commit() -> str:
    """Return the last commit of this branch whose schema is older than the present one."""
    for commit in _git("log", "--first-parent", "-m", "--format=%H", "--", MIGRATIONS).split():
        names = _git("ls-tree", "--name-only", commit, f"{MIGRATIONS}/").split()
        if max(Path(name).name[:4] for name in names if Path(name).name[0].isdigit()) < newest_version():
            return commit
    raise RuntimeError("The history of the repository is needed, with an older schema: git fetch --unshallow")


@pytest.fixture(scope="module")
def older_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the older program; it runs with the packages of the present one."""
    directory = tmp_path_factory.mktemp("older")
    archive = subprocess.run(
        ["git", "archive", _find_older_commit(), "app", "tests"], cwd=ROOT, capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", directory], input=archive.stdout, check=True)
    return directory


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hpkp.sqlite3"
        return
    with empty_database() as made:
        yield made


@dataclass
class Asking:
    """Asks services everything that can be read, and sends reports, again and again."""

    bodies: Iterator[bytes]
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    acknowledged: int = 0

    def ask(self, name: str, service: RunningService, paths: list[str], allowed: set[int]) -> None:
        """Ask one service once; 503 has to say why."""
        report = httpx.post(f"{service.url}/report", content=next(self.bodies), timeout=120, trust_env=False)
        self.acknowledged += report.status_code == 204
        self._note(name, "/report", report, {204})
        for path in paths:
            as_page = {"accept": "text/html"} if path in PAGES else {}
            self._note(name, path, service.client.get(path, headers=as_page), allowed)
        for path, body in (
            (f"/api/v1/hosts/{HOST}/policy", POLICY),
            (f"/api/v1/hosts/{HOST}/refusals", {"status": "open"}),
        ):
            self._note(name, f"PUT {path}", service.client.put(path, json=body), allowed)

    def _note(self, name: str, path: str, answer: httpx.Response, allowed: set[int]) -> None:
        self.answers[name, answer.status_code] += 1
        says_why = answer.status_code != 503 or "database" in answer.text.lower()
        if answer.status_code not in allowed or not says_why:
            self.wrong.append(f"{name} {path}: {answer.status_code} {answer.text[:300]}")

    @contextmanager
    def meanwhile(self, name: str, service: RunningService, paths: list[str], allowed: set[int]) -> Iterator[None]:
        """Ask a service in a thread until the block ends, at least twice."""
        ended = threading.Event()

        def go_on() -> None:
            rounds = 0
            while not ended.is_set() or rounds < 2:
                self.ask(name, service, paths, allowed)
                rounds += 1

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _reads_of(service: RunningService) -> list[str]:
    """Return the address of everything that a service can be asked, by its own document; and of its pages."""
    document = service.client.get("/openapi.json").json()
    return [path.format(**SAMPLES) for path, item in document["paths"].items() if "get" in item] + list(PAGES)


def _count(service: RunningService) -> int:
    """Return how many reports are counted."""
    summary: dict[str, Any] = service.client.get(f"/api/v1/hosts/{HOST}/summary").json()
    total: int = summary["totals"]["reports"]
    return total


def test_an_older_program_answers_while_and_after_its_store_is_upgraded(
    older_program: Path, url: str, tmp_path: Path
) -> None:
    within = ("env", "-C", str(older_program))
    own: Mapping[str, str] = {"HPKP_DATABASE_URL": url, "HPKP_LOG_DIR": str(tmp_path / "log-older")}
    as_older = {**own, "PYTHONPATH": str(older_program)}
    asking = Asking(iter(distinct_bodies(2000)))
    with running_service(tmp_path / "older", within=within, **as_older) as older:
        assert older.client.put(f"/api/v1/hosts/{HOST}/policy", json=POLICY).status_code == 200
        # Programs before the present one began the stream of an export before they looked at the store.
        reads = [path for path in _reads_of(older) if path != "/api/v1/export"]
        asking.ask("older, alone", older, reads, {200, 404})
        assert asking.wrong == []
        with asking.meanwhile("older, during the upgrade", older, reads, {200, 404, 503}):
            environment = os.environ | own | {"HPKP_LOG_DIR": str(tmp_path / "log-newer")}
            upgraded = subprocess.run(
                [sys.executable, "-m", "app.cli", "db", "upgrade"], env=environment, capture_output=True, text=True
            )
            assert upgraded.returncode == 0, upgraded.stderr
        newer_settings = {"HPKP_DATABASE_URL": url, "HPKP_LOG_DIR": str(tmp_path / "log-newer")}
        with running_service(tmp_path / "newer", **newer_settings) as newer:
            with asking.meanwhile("older, after the upgrade", older, reads, {200, 404, 503}):
                for _ in range(2):
                    asking.ask("newer", newer, _reads_of(newer), {200, 404})
            assert newer.stop() == 0
        assert asking.wrong == []
        assert asking.answers["older, after the upgrade", 503] > len(reads)
        assert "Traceback" not in older.log.read_text()
        assert older.stop() == 0
    # The present program in the older one's place counts what that acknowledged and could not count.
    with running_service(tmp_path / "older", **own) as newer:
        assert _count(newer) == asking.acknowledged > 5
        assert "Traceback" not in newer.log.read_text()


@pytest.mark.parametrize(("path", "table"), [("/api/v1/hosts", "tokens")])
def test_a_statement_that_fails_because_the_schema_was_changed_under_it_is_503(
    tmp_path: Path, path: str, table: str
) -> None:
    """The upgrade ends between the check at the beginning of a transaction and the statement."""
    with postgres_database() as url, caller(create_app(settings_for(tmp_path, database_url=url))) as client:
        engine = service_of(client).engine
        other, done = open_engine(url), threading.Event()

        def upgrade_now(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if re.search(rf"FROM {table}\b", statement) and not done.is_set():
                done.set()
                with other.begin() as upgrading:
                    upgrading.execute(text(f"ALTER TABLE {table} RENAME TO of_the_future"))
                    upgrading.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        event.listen(engine, "before_cursor_execute", upgrade_now)
        for _ in range(2):
            problem = problem_of(client.get(path), 503)
            assert "ahead of this program" in problem["detail"]
        assert done.is_set()
        with other.begin() as connection:
            connection.execute(text(f"ALTER TABLE of_the_future RENAME TO {table}"))
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": newest_version()})
        other.dispose()
        assert client.get(path).status_code == 200


def test_a_statement_that_is_wrong_by_itself_is_a_fault(tmp_path: Path) -> None:
    with postgres_database() as url, caller(create_app(settings_for(tmp_path, database_url=url))) as client:
        other = open_engine(url)
        with other.begin() as connection:
            connection.execute(text("ALTER TABLE hosts RENAME TO gone"))
        problem_of(client.get("/api/v1/hosts"), 500)
        with other.begin() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO hosts"))
        other.dispose()
