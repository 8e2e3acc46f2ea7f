"""Keys that the service makes for itself and keeps in the store; and API tokens, of which it keeps the hash."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError

from app.store import tables
from app.store.engine import from_ms, now_ms, writing
from app.store.upsert import insert_missing

_CLIENT_KEY = "client-hash"
_CANARY_KEY = "canary"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What may be shown of a token."""

    name: str
    scope: str
    created_at: datetime


def client_key(engine: Engine) -> bytes:
    """Return the key of the client hashes, made on first use. Deleting its row makes a new one at the next start."""
    return _key(engine, _CLIENT_KEY)


def canary_key(engine: Engine) -> bytes:
    """Return the key with which canaries are signed, made on first use."""
    return _key(engine, _CANARY_KEY)


def _key(engine: Engine, name: str) -> bytes:
    with writing(engine) as connection:
        insert_missing(connection, tables.secrets, [{"name": name, "value": secrets.token_bytes(32)}])
        return bytes(
            connection.execute(select(tables.secrets.c.value).where(tables.secrets.c.name == name)).scalar_one()
        )


def new_token(connection: Connection, name: str, scope: str) -> str:
    """Make a token and return its text, which is not kept. Raises ValueError for a name in use."""
    text = "hpkp_" + secrets.token_urlsafe(32)
    row = {"name": name, "scope": scope, "sha256": _hash(text), "created_at": now_ms()}
    try:
        connection.execute(insert(tables.tokens), [row])
    except IntegrityError:
        raise ValueError(f"a token named {name!r} exists; revoke it first") from None
    return text


def scope_of_token(connection: Connection, text: str) -> str | None:
    """Return the scope of a token, or None for one that is not known."""
    return connection.scalar(select(tables.tokens.c.scope).where(tables.tokens.c.sha256 == _hash(text)))


def list_tokens(connection: Connection) -> Sequence[TokenInfo]:
    """Return all tokens by name."""
    rows = connection.execute(
        select(tables.tokens.c.name, tables.tokens.c.scope, tables.tokens.c.created_at).order_by(tables.tokens.c.name)
    )
    return [TokenInfo(row.name, row.scope, from_ms(row.created_at)) for row in rows]


def revoke_token(connection: Connection, name: str) -> bool:
    """Remove a token; whether there was one."""
    return connection.execute(delete(tables.tokens).where(tables.tokens.c.name == name)).rowcount > 0


def any_token(connection: Connection) -> bool:
    """Whether there is any token."""
    return bool(connection.scalar(select(exists().select_from(tables.tokens))))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
