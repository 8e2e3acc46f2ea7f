"""Log-ins to the pages: begun with an API token or a one-time link, found by their cookie, ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.store import sessions as store
from app.store.engine import writing
from app.store.secrets import TokenInfo

LIFETIME = timedelta(hours=12)
LINK_LIFETIME = timedelta(minutes=15)
_LINK_NAME = "log-in link"
"""Who acts in a session that began with a link without a name."""


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in that holds: who it is, what they may, until when, and its cookie."""

    name: str
    scope: str
    expires: datetime
    cookie: str


@dataclass(frozen=True, slots=True)
class LoginLink:
    """A one-time link: its secret, who logs in with it, what they may, and until when it holds."""

    secret: str
    name: str
    scope: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Sessions:
    """The log-ins to the pages; every process on the store knows them."""

    engine: Engine

    def start(self, token: TokenInfo, *, at: datetime) -> Session:
        """Begin the session of an API token; it ends with the token at the latest."""
        expires = at + LIFETIME if token.expires_at is None else min(at + LIFETIME, token.expires_at)
        with writing(self.engine) as connection:
            cookie = store.start_session(connection, token.name, token.scope, token=token, at=at, expires_at=expires)
        return Session(token.name, token.scope, expires, cookie)

    def make_link(self, *, at: datetime, name: str | None = None, scope: str = "admin") -> LoginLink:
        """Make a one-time link, whose secret is not kept. Raises ValueError for what is no name."""
        who, expires_at = _LINK_NAME if name is None else name, at + LINK_LIFETIME
        with writing(self.engine) as connection:
            secret = store.add_link(connection, who, scope, expires_at=expires_at)
        return LoginLink(secret, who, scope, expires_at)

    def redeem_link(self, secret: str, *, at: datetime) -> Session | None:
        """Exchange a one-time link for a session; None for a link that is unknown, used or over."""
        expires = at + LIFETIME
        with writing(self.engine) as connection:
            taken = store.take_link(connection, secret, at=at)
            if taken is None:
                return None
            cookie = store.start_session(connection, *taken, token=None, at=at, expires_at=expires)
        return Session(*taken, expires, cookie)

    def find(self, cookie: str, *, at: datetime) -> Session | None:
        """Return the session of a cookie; None if there is none or it has ended."""
        if not cookie:
            return None
        with self.engine.connect() as connection:
            found = store.find_session(connection, cookie, at=at)
        return None if found is None else Session(found.name, found.scope, found.expires_at, cookie)

    def end(self, session: Session) -> None:
        """End a session, also for those who copied its cookie."""
        with writing(self.engine) as connection:
            store.end_session(connection, session.cookie)

    def end_all(self) -> int:
        """End all sessions and unused links; return how many sessions."""
        with writing(self.engine) as connection:
            return store.end_all(connection)
