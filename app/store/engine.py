"""The database engine, its pragmas, and the schema's upgrade."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from app.store.postgres import connection_parameters, set_up_session
from app.store.texts import keep_texts_storable, to_json

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
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


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


def _open_sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 10}, json_serializer=to_json)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


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
    """Bring the schema to the newest version; nothing happens where it is there already."""
    engine = open_engine(url)
    current = schema_is_current(engine)
    engine.dispose()
    if not current:
        _migrate(url)


def _migrate(url: str) -> None:
    from alembic import command  # takes 12 MB of memory, and a store is at the newest version nearly always
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def answers(engine: Engine) -> bool:
    """Whether the store answers and has its tables."""
    try:
        return schema_version(engine) is not None
    except SQLAlchemyError:
        return False


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
    return max(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
