"""Sessions of the pages, and the one-time links that begin them.

Of both the store keeps the SHA-256 of a random value that only the browser or the operator has. So a reader of the
store, or a backup of it, cannot make a session. A session that began with an API token is deleted with it.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.secrets import TokenInfo, check_name


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What is kept of a session."""

    name: str
    scope: str
    expires_at: datetime


def start_session(
    connection: Connection, name: str, scope: str, *, token: TokenInfo | None, at: datetime, expires_at: datetime
) -> str:
    """Begin a session and return its secret, which is not kept; sessions and links that are over are deleted.

    ``token`` is the API token that it ends with; None for one that began with a link.
    """
    for table in (tables.sessions, tables.login_links):
        connection.execute(delete(table).where(table.c.expires_at <= to_ms(at)))
    secret = secrets.token_urlsafe(32)
    row = {
        "sha256": _hash(secret),
        "name": name,
        "scope": scope,
        "token": None if token is None else token.name,
        "expires_at": to_ms(expires_at),
    }
    connection.execute(insert(tables.sessions), [row])
    return secret


def find_session(connection: Connection, secret: str, *, at: datetime) -> StoredSession | None:
    """Return the session of a secret; None for one that is unknown or over."""
    sessions = tables.sessions
    query = select(sessions).where(sessions.c.sha256 == _hash(secret), sessions.c.expires_at > to_ms(at))
    row = connection.execute(query).first()
    return None if row is None else StoredSession(row.name, row.scope, from_ms(row.expires_at))


def end_session(connection: Connection, secret: str) -> None:
    """Delete the session of a secret, if there is one."""
    connection.execute(delete(tables.sessions).where(tables.sessions.c.sha256 == _hash(secret)))


def end_all(connection: Connection) -> int:
    """Delete all sessions and unused links; return how many sessions."""
    connection.execute(delete(tables.login_links))
    return connection.execute(delete(tables.sessions)).rowcount


def add_link(connection: Connection, name: str, scope: str, *, expires_at: datetime) -> str:
    """Add a one-time link and return its secret, which is not kept. Raises ValueError for what is no name."""
    check_name(name)
    secret = secrets.token_urlsafe(32)
    row = {"sha256": _hash(secret), "name": name, "scope": scope, "expires_at": to_ms(expires_at)}
    connection.execute(insert(tables.login_links), [row])
    return secret


def take_link(connection: Connection, secret: str, *, at: datetime) -> tuple[str, str] | None:
    """Delete the link of a secret and return its name and scope; None for one that is unknown, used or over.

    One statement finds and deletes it, so that of two who come at the same time one gets it.
    """
    links = tables.login_links
    wanted = delete(links).where(links.c.sha256 == _hash(secret), links.c.expires_at > to_ms(at))
    row = connection.execute(wanted.returning(links.c.name, links.c.scope)).first()
    return None if row is None else (row.name, row.scope)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
