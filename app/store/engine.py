"""The database engine, its pragmas, and the schema's upgrade.

`open_store` is for code that uses a store: it has to exist, at the version of this program, and every transaction
checks that it still is. `open_engine` is for code that creates or upgrades one.
"""

import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from app.store.failures import StoreFailure, StoreState, StoreUnusable, describe_failure
from app.store.postgres import connection_parameters, set_up_session
from app.store.store_file import StoreFile
from app.store.text_sanitizing import keep_texts_storable, to_json

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_EPOCH = datetime.fromtimestamp(0, UTC)


def to_ms(moment: datetime) -> int:
    """Turn an instant into milliseconds since the Unix epoch, rounded down: never into the future."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """Turn milliseconds since the Unix epoch into a UTC instant."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def now_ms() -> int:
    """Return the present moment in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def parse_url(url: str) -> URL:
    """Read the URL of a store; ``postgres://`` and ``postgresql://`` are the same, and psycopg is the driver.

    Raises ValueError for what is neither SQLite nor PostgreSQL.
    """
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed
    raise ValueError(f"{parsed.drivername!r} is neither sqlite nor postgresql")


def without_password(url: str) -> str:
    """Return the URL of a store as it may be shown."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "(no URL)"
    if "password" in parsed.query:
        parsed = parsed.update_query_dict({"password": "***"})
    return parsed.render_as_string(hide_password=True)


def exists(url: str) -> bool:
    """Whether there is a store at a URL already; of one that is no file this is not asked, nor of what is no URL."""
    try:
        parsed = parse_url(url)
    except (ArgumentError, ValueError):
        return True  # opening it says what is wrong
    return not is_file(parsed) or Path(parsed.database or "").is_file()


def open_engine(url: str) -> Engine:
    """Open the store; every commit is durable. A SQLite file's directory is made (synchronous=FULL, WAL)."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _open_sqlite(parsed)
    else:
        engine = create_engine(
            parsed,
            connect_args=connection_parameters(parsed),
            isolation_level="READ COMMITTED",  # what is read after a conflict has to be there
            json_serializer=to_json,
            pool_pre_ping=True,
            pool_timeout=10,
        )
        event.listen(engine, "connect", set_up_session)
    keep_texts_storable(engine)
    return engine


def open_store(url: str) -> Engine:
    """Open a store that exists; no transaction begins on one of another version, or on another file.

    Raises StoreUnusable for a SQLite file that is missing; the version is looked at with the first transaction.
    """
    parsed = parse_url(url)
    file = StoreFile(parsed.database) if is_file(parsed) and parsed.database else None
    engine = open_engine(url)
    if file is not None:
        file.guard(engine)
    event.listen(engine, "begin", check_version)
    return engine


def find_other_version(engine: Engine) -> StoreFailure | None:
    """Return why no transaction begins on a store if its schema is of another version now; None if it is ours."""
    try:
        with engine.begin():
            return None
    except SQLAlchemyError as error:
        return describe_failure(error)


def check_store(url: str) -> None:
    """Raise SQLAlchemyError unless there is a store at the version of this program."""
    engine = open_store(url)
    try:
        with engine.begin():
            pass
    finally:
        engine.dispose()


def is_file(url: URL) -> bool:
    """Whether a URL is that of a SQLite file, and not of another database, or one in memory."""
    name = url.database or ""
    return url.get_backend_name() == "sqlite" and name not in ("", ":memory:") and not name.startswith("file:")


def check_version(connection: Connection) -> None:
    """Raise StoreUnusable unless the schema is at the version of this program.

    A program of another version must not write, and what it reads may mean something else: during an upgrade both may
    run side by side. The fold checks again under a lock that keeps the schema until its transaction ends.
    """
    try:
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except (OperationalError, ProgrammingError) as error:
        if describe_failure(error) is not None:
            raise
        version = None
    _refuse_other_version(version)


def _refuse_other_version(version: str | None) -> None:
    newest = newest_version()
    if version == newest:
        return
    if version is None:
        raise StoreUnusable(StoreState.INCOMPLETE, "The database has no tables of this program. Run: hpkp db upgrade")
    if version in _versions():
        text = f"The database's schema {version} is behind this program, which needs {newest}. Run: hpkp db upgrade"
        raise StoreUnusable(StoreState.BEHIND, text)
    raise StoreUnusable(
        StoreState.AHEAD,
        f"The database's schema {version} is ahead of this program, which knows up to {newest}: a newer version "
        "upgraded it. Run that version, or restore a backup from before.",
    )


def _open_sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
        _make_private(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": 10}, json_serializer=to_json)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _make_private(file: Path) -> None:
    """Make the file of a store that is not there yet, for its owner alone; SQLite gives -wal and -shm its mode.

    A file that others can read, as versions before this made it, is closed to them. What its group may do stays: an
    operator may let Grafana read the store that way.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # SQLite says what is wrong with it
        file.touch(mode=0o600)
    for part in (file, *(file.with_name(f"{file.name}-{end}") for end in ("wal", "shm"))):
        with suppress(OSError):  # it is not there, or not ours
            mode = part.stat().st_mode
            if stat.S_ISREG(mode) and mode & 0o007:
                part.chmod(stat.S_IMODE(mode) & ~0o007)


def _set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, see _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    if cursor.execute("PRAGMA page_count").fetchone() == (0,):
        # Before the first table, so that incremental_vacuum can give space back; later it has no effect but a lock.
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    # Hot pages are written again with every commit, and have to reach the file itself only now and then.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=4000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes; on SQLite it takes the write lock at once instead of in the middle."""
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection


_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str) -> None:
    """Bring the schema to the newest version; nothing happens where it is there already.

    Raises StoreUnusable for a schema that is ahead of this program.
    """
    engine = open_engine(url)
    try:
        version = schema_version(engine)
    finally:
        engine.dispose()
    if version is not None and version not in _versions():
        _refuse_other_version(version)
    if version != newest_version():
        _migrate(url)


def _migrate(url: str) -> None:
    from alembic import command  # takes 12 MB of memory, and a store is at the newest version nearly always
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def schema_version(engine: Engine) -> str | None:
    """Return the version of the store's schema; None where there is none."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version


def schema_is_current(engine: Engine) -> bool:
    """Whether the schema is at the version that this program expects."""
    return schema_version(engine) == newest_version()


def newest_version() -> str:
    """Return the version that the newest migration makes: its file's name begins with it."""
    return max(_versions())


@cache
def _versions() -> frozenset[str]:
    return frozenset(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
