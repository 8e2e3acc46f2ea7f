"""Keys that the service makes for itself and keeps in the store; and API tokens, of which it keeps the hash."""

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.store import tables
from app.store.engine import from_ms, now_ms, to_ms, writing
from app.store.upsert import insert_missing

_CLIENT_KEY = "client-hash"
_CANARY_KEY = "canary"
_STORE_ID = "store-id"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What is kept of a token."""

    name: str
    scope: str
    created_at: datetime
    sha256: bytes = field(repr=False)
    expires_at: datetime | None
    last_used_at: datetime | None
    """The beginning of the hour in which it was last used."""

    def holds(self, at: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or at < self.expires_at


def client_key(engine: Engine) -> bytes:
    """Return the key of the client hashes, made on first use. Deleting its row makes a new one at the next start."""
    return _key(engine, _CLIENT_KEY)


def canary_key(engine: Engine) -> bytes:
    """Return the key with which canaries are signed, made on first use."""
    return _key(engine, _CANARY_KEY)


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


def new_token(connection: Connection, name: str, scope: str, *, expires_at: datetime | None = None) -> str:
    """Make a token and return its text, which is not kept. Raises ValueError for a name in use, or none."""
    check_name(name)
    text = "hpkp_" + secrets.token_urlsafe(32)
    row = {
        "name": name,
        "scope": scope,
        "sha256": hash_of_token(text),
        "created_at": now_ms(),
        "expires_at": None if expires_at is None else to_ms(expires_at),
    }
    try:
        connection.execute(insert(tables.tokens), [row])
    except IntegrityError:
        raise ValueError(f"a token named {name!r} exists; revoke it first") from None
    return text


def check_name(name: str) -> None:
    """Check the name of a token or of who logs in by a link. Raises ValueError."""
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a name has 1 to {_LONGEST_NAME} printable characters, not {name[:_LONGEST_NAME]!r}")


def find_token(connection: Connection, *, text: str, at: datetime) -> TokenInfo | None:
    """Return what is kept of the token with this text, or None for one that is unknown or expired."""
    return next(iter(_tokens(connection, tables.tokens.c.sha256 == hash_of_token(text), _holds(at))), None)


def note_use(engine: Engine, token: TokenInfo, hour: datetime) -> None:
    """Record the hour in which a token was used, if the store takes writes now: without it reads still have answers.

    Two processes may do so at once, in either order.
    """
    of = tables.tokens.c
    earlier = or_(of.last_used_at.is_(None), of.last_used_at < to_ms(hour))
    noted = update(tables.tokens).where(of.sha256 == token.sha256, earlier).values(last_used_at=to_ms(hour))
    with suppress(SQLAlchemyError), writing(engine) as connection:
        connection.execute(noted)


def list_tokens(connection: Connection) -> Sequence[TokenInfo]:
    """Return all tokens by name, also those that expired."""
    return _tokens(connection)


def _tokens(connection: Connection, *conditions: ColumnElement[bool]) -> list[TokenInfo]:
    rows = connection.execute(select(tables.tokens).where(*conditions).order_by(tables.tokens.c.name))
    return [
        TokenInfo(
            row.name,
            row.scope,
            from_ms(row.created_at),
            bytes(row.sha256),
            expires_at=_moment(row.expires_at),
            last_used_at=_moment(row.last_used_at),
        )
        for row in rows
    ]


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


def _holds(at: datetime) -> ColumnElement[bool]:
    expires_at = tables.tokens.c.expires_at
    return or_(expires_at.is_(None), expires_at > to_ms(at))


def revoke_token(connection: Connection, name: str) -> bool:
    """Remove a token, and with it the sessions that began with it; whether there was one."""
    return connection.execute(delete(tables.tokens).where(tables.tokens.c.name == name)).rowcount > 0


def any_token(connection: Connection, *, at: datetime) -> bool:
    """Whether there is any token that has not expired."""
    return bool(connection.scalar(select(exists().where(_holds(at)))))


def hash_of_token(text: str) -> bytes:
    """Return the 32 bytes under which a token is kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
