"""API tokens: made, looked up, listed and revoked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.store import secrets as store
from app.store.engine import writing
from app.store.failures import StoreError
from app.store.secrets import TokenInfo

_REMEMBERED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The API tokens, of which only hashes are kept."""

    engine: Engine
    _noted: dict[str, datetime] = field(default_factory=dict)
    """The hour of the last use that this process noted, by name."""
    _remembered: dict[bytes, tuple[TokenInfo, datetime]] = field(default_factory=dict)
    """Tokens that this process has looked up, by the hash of their text, with when: few, since each is in the store."""

    def make(self, name: str, scope: str, *, expires_at: datetime | None = None) -> str:
        """Make a token and return its text, which is not kept. Raises ValueError for a name in use."""
        with writing(self.engine) as connection:
            return store.new_token(connection, name, scope, expires_at=expires_at)

    def find(self, text: str, *, at: datetime) -> TokenInfo | None:
        """Return what is kept of the token with this text, and note its use; None where it is unknown or expired.

        While the store does not answer, a token that was valid is accepted for an hour, so that Prometheus sees the
        outage. Raises StoreError for any other token then.
        """
        digest = store.hash_of_token(text)
        try:
            with self.engine.connect() as connection:
                token = store.find_token(connection, text=text, at=at)
        except StoreError:
            known, looked_up_at = self._remembered.get(digest, (None, at))
            if known is None or at - looked_up_at > _REMEMBERED or not known.holds(at):
                raise
            return known
        if token is None:
            self._remembered.pop(digest, None)
        else:
            self._remembered[digest] = token, at
            self._note_use(token, at)
        return token

    def list(self) -> Sequence[TokenInfo]:
        """Return all tokens by name."""
        with self.engine.connect() as connection:
            return store.list_tokens(connection)

    def revoke(self, name: str) -> bool:
        """Remove a token and its sessions; whether there was one."""
        with writing(self.engine) as connection:
            return store.revoke_token(connection, name)

    def exist(self, *, at: datetime) -> bool:
        """Whether there is any token that has not expired."""
        with self.engine.connect() as connection:
            return store.any_token(connection, at=at)

    def _note_use(self, token: TokenInfo, at: datetime) -> None:
        """Note the hour of a use, once an hour: reads should not wait for the write lock each time."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        noted = self._noted.get(token.name, token.last_used_at)
        if noted is not None and noted >= hour:
            return
        self._noted[token.name] = hour
        store.note_use(self.engine, token, hour)
