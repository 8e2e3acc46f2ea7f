"""API tokens: made, looked up, listed and revoked."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from app.store import secrets as store
from app.store.engine import writing
from app.store.secrets import TokenInfo


@dataclass(frozen=True, slots=True)
class Tokens:
    """The API tokens, of which only hashes are kept."""

    engine: Engine

    def make(self, name: str, scope: str) -> str:
        """Make a token and return its text, which is not kept. Raises ValueError for a name in use."""
        with writing(self.engine) as connection:
            return store.new_token(connection, name, scope)

    def find(self, text: str) -> TokenInfo | None:
        """Return what is kept of the token with this text, or None."""
        with self.engine.connect() as connection:
            return store.find_token(connection, text=text)

    def find_named(self, name: str) -> TokenInfo | None:
        """Return what is kept of the token of a name, or None."""
        with self.engine.connect() as connection:
            return store.token_named(connection, name)

    def list(self) -> Sequence[TokenInfo]:
        """Return all tokens by name."""
        with self.engine.connect() as connection:
            return store.list_tokens(connection)

    def revoke(self, name: str) -> bool:
        """Remove a token; whether there was one."""
        with writing(self.engine) as connection:
            return store.revoke_token(connection, name)

    def exist(self) -> bool:
        """Whether there is any token."""
        with self.engine.connect() as connection:
            return store.any_token(connection)
