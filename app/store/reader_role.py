"""The role with which Grafana reads: the reporting views, and nothing else of the database."""

from collections.abc import Iterator

from psycopg import sql
from sqlalchemy import Connection, Engine

from app.store.views import SCHEMA

_TIMEOUT = "15s"
_CONNECTIONS = 20


def reader_role_statements(engine: Engine, name: str) -> list[str]:
    """Return what makes a role that reads the views, or brings one that is there to the same; one statement each."""
    with engine.connect() as connection:
        return _write_statements(connection, name)


def _write_statements(connection: Connection, name: str, *, password: str | None = None) -> list[str]:
    """Write the statements.

    What keeps it from everything else is that it has no right to it. That its transactions are read-only and end after
    15 seconds is for its own good; it could change that. Views that a later version makes are readable too.
    ``password`` may be its SCRAM verifier.
    """
    # The owner of the views, who need not be the one who asks: a superuser may.
    database, owner = connection.exec_driver_sql(
        "SELECT current_database(), pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s", (SCHEMA,)
    ).one()
    exists = _exists(connection, name)
    return [statement.as_string(None) for statement in _statements(name, database, owner, exists, password)]


def _statements(name: str, database: str, owner: str, exists: bool, password: str | None) -> Iterator[sql.Composed]:
    role, schema = sql.Identifier(name), sql.Identifier(SCHEMA)
    login = sql.SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT {}").format(sql.Literal(_CONNECTIONS))
    with_password = sql.SQL("") if password is None else sql.SQL(" PASSWORD {}").format(sql.Literal(password))
    verb = sql.SQL("ALTER" if exists else "CREATE")
    yield sql.SQL("{} ROLE {} {}{}").format(verb, role, login, with_password)
    for setting, value in (
        ("search_path", schema),
        ("default_transaction_read_only", sql.SQL("on")),
        ("statement_timeout", sql.Literal(_TIMEOUT)),
    ):
        yield sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), value)
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), role)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role)
    yield sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, role)
    yield sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT SELECT ON TABLES TO {}").format(
        sql.Identifier(owner), schema, role
    )


def make_reader_role(engine: Engine, name: str, password: str) -> bool:
    """Make the role, or bring the one that is there to the same; whether it is new.

    The password itself goes neither over the connection nor into the server's log, its verifier does.
    """
    with engine.begin() as connection:
        new = not _exists(connection, name)
        for statement in _write_statements(connection, name, password=_verifier(connection, name, password)):
            connection.exec_driver_sql(statement)
    return new


def _exists(connection: Connection, name: str) -> bool:
    return connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).scalar() is not None


def _verifier(connection: Connection, name: str, password: str) -> str:
    driver = connection.connection.driver_connection
    assert driver is not None
    made: bytes = driver.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return made.decode()
