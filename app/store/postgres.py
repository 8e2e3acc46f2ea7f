"""PostgreSQL: how a session is set up. The statements are the same as for SQLite."""

from sqlalchemy import URL, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

_CONNECTION = {
    "application_name": "hpkp",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""Parameters of libpq, where the URL says nothing else: a server that went without a word is noticed in 25 seconds."""

# Every other setting of synchronous_commit has at least the server's own disk behind it; those stay as they are.
_SESSION = """
SELECT set_config('lock_timeout', '10s', false),
       set_config('statement_timeout', '30s', false),
       set_config('idle_in_transaction_session_timeout', '60s', false),
       CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END
"""


def connection_parameters(url: URL) -> dict[str, str]:
    """Return what a connection is made with besides what stands in the URL."""
    return {name: value for name, value in _CONNECTION.items() if name not in url.query}


def set_up_session(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Let nothing wait for ever, and every commit reach the disk before it is answered."""
    cursor = connection.cursor()
    cursor.execute(_SESSION)
    cursor.close()
    connection.commit()


_LOCKS = 0x68706B70_00000000
"""Where the keys of our advisory locks begin; nobody else's, it is hoped."""
_MIGRATIONS = _LOCKS + 1
"""Key of the lock under which the schema is changed."""
_NEW_VIOLATIONS = _LOCKS + 2
"""Key of the lock under which violations are added, with all that belongs to them."""
_UPKEEP = _LOCKS + 0x100
"""Key of the lock for the first kind of upkeep; the next ones follow."""

_FAILED_BY_ANOTHER = frozenset({"40001", "40P01"})
"""SQLSTATE of transactions that were broken off for the sake of another: serialization_failure, deadlock_detected."""


def prepare_for_migrations(connection: Connection) -> None:
    """Let one program at a time change the schema, for as long as it takes.

    Raises ValueError for a database of another encoding than UTF-8.
    """
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise ValueError(f"the database has the encoding {encoding}; it has to be UTF8")
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATIONS})")


def keep_schema(connection: Connection) -> None:
    """Wait for a program that changes the schema, and let none begin until the end of the transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_MIGRATIONS})")


def wait_to_add(connection: Connection) -> None:
    """Wait for the others that add violations, until the end of the transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_NEW_VIOLATIONS})")


def wait_to_fold(connection: Connection) -> None:
    """Wait for those that add, delete or judge again alone, until the end of the transaction; other folds go on."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_NEW_VIOLATIONS})")


def try_upkeep(connection: Connection, kind: int) -> bool:
    """Take the lock for a kind of upkeep for as long as the session lasts; whether it was free."""
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_UPKEEP + kind})").scalar_one())


def failed_by_another(error: DBAPIError) -> bool:
    """Whether a transaction failed for no fault of its own, and may be run again from its beginning."""
    return getattr(error.orig, "sqlstate", None) in _FAILED_BY_ANOTHER
