"""PostgreSQL: how a session is set up. The statements are the same as for SQLite."""

from sqlalchemy import URL, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
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


_MIGRATIONS = 0x68706B70_00000001
"""Key of the advisory lock under which the schema is changed; nobody else's, it is hoped."""


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
