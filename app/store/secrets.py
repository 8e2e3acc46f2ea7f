"""Keys that the service makes for itself and keeps in the store; and API tokens, of which it keeps the hash."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError

from app.store import tables
from app.store.engine import from_ms, now_ms, writing
from app.store.upsert import insert_missing

_CLIENT_KEY = "client-hash"
_CANARY_KEY = "canary"
_SESSION_KEY = "session"
_STORE_ID = "store-id"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What is kept of a token."""

    name: str
    scope: str
    created_at: datetime
    sha256: bytes = field(repr=False)


def client_key(engine: Engine) -> bytes:
    """Return the key of the client hashes, made on first use. Deleting its row makes a new one at the next start."""
    return _key(engine, _CLIENT_KEY)


def canary_key(engine: Engine) -> bytes:
    """Return the key with which canaries are signed, made on first use."""
    return _key(engine, _CANARY_KEY)


def session_key(engine: Engine) -> bytes:
    """Return the key with which sessions and forms of the pages are signed, made on first use."""
    return _key(engine, _SESSION_KEY)


def store_id(engine: Engine) -> bytes:
    """Return the 16 bytes by which ingest logs name the store that they belong to, made on first use."""
    return _key(engine, _STORE_ID, length=16)


def _key(engine: Engine, name: str, *, length: int = 32) -> bytes:
    query = select(tables.secrets.c.value).where(tables.secrets.c.name == name)
    with engine.connect() as connection:  # mostly it is there, and then nobody is to wait for a lock
        found: bytes | None = connection.scalar(query)
    if found is None:
        with writing(engine) as connection:
            insert_missing(connection, tables.secrets, [{"name": name, "value": secrets.token_bytes(length)}])
            found = connection.execute(query).scalar_one()
    return bytes(found)


def new_token(connection: Connection, name: str, scope: str) -> str:
    """Make a token and return its text, which is not kept. Raises ValueError for a name in use."""
    text = "hpkp_" + secrets.token_urlsafe(32)
    row = {"name": name, "scope": scope, "sha256": _hash(text), "created_at": now_ms()}
    try:
        connection.execute(insert(tables.tokens), [row])
    except IntegrityError:
        raise ValueError(f"a token named {name!r} exists; revoke it first") from None
    return text


def find_token(connection: Connection, *, text: str) -> TokenInfo | None:
    """Return what is kept of the token with this text, or None for one that is not known."""
    return next(iter(_tokens(connection, tables.tokens.c.sha256 == _hash(text))), None)


def token_named(connection: Connection, name: str) -> TokenInfo | None:
    """Return what is kept of the token of a name, or None."""
    return next(iter(_tokens(connection, tables.tokens.c.name == name)), None)


def list_tokens(connection: Connection) -> Sequence[TokenInfo]:
    """Return all tokens by name."""
    return _tokens(connection)


def _tokens(connection: Connection, *conditions: ColumnElement[bool]) -> list[TokenInfo]:
    rows = connection.execute(select(tables.tokens).where(*conditions).order_by(tables.tokens.c.name))
    return [TokenInfo(row.name, row.scope, from_ms(row.created_at), bytes(row.sha256)) for row in rows]


def revoke_token(connection: Connection, name: str) -> bool:
    """Remove a token; whether there was one."""
    return connection.execute(delete(tables.tokens).where(tables.tokens.c.name == name)).rowcount > 0


def any_token(connection: Connection) -> bool:
    """Whether there is any token."""
    return bool(connection.scalar(select(exists().select_from(tables.tokens))))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
