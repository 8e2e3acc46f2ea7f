"""The API token of scope admin that services and clients of the tests have, unless a test is about tokens."""

import hashlib
import sys
from datetime import UTC, datetime

from sqlalchemy import Engine

from app.store import tables
from app.store.engine import open_engine, upgrade, writing
from app.store.upsert import insert_missing
from app.usecases.sessions import Sessions

NAME = "tests"
TOKEN = "hpkp_the-admin-token-of-the-tests"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
"""Header fields of a request."""


def add_admin_token(engine: Engine) -> None:
    """Let the token open a store."""
    row = {"name": NAME, "scope": "admin", "sha256": hashlib.sha256(TOKEN.encode()).digest(), "created_at": 0}
    with writing(engine) as connection:
        insert_missing(connection, tables.tokens, [row])


def add_admin_token_at(url: str) -> None:
    """Let the token open a store at a URL, which is made where there is none."""
    upgrade(url)
    engine = open_engine(url)
    add_admin_token(engine)
    engine.dispose()


def session_cookie(engine: Engine) -> str:
    """Log in, and return the cookie of the session."""
    at, sessions = datetime.now(UTC), Sessions(engine)
    session = sessions.redeem_link(sessions.make_link(at=at, name=NAME).secret, at=at)
    assert session is not None
    return session.cookie


if __name__ == "__main__":
    add_admin_token_at(sys.argv[1])
