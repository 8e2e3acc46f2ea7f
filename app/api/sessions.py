"""Log-ins to the pages: a signed cookie that names an API token, and form tokens that are bound to it.

::

    cookie = name "." expires "." nonce "." HMAC(session key, what precedes and the token's SHA-256)

Nothing of it is stored, so it holds in every process on the store; it ends with its token, or when its time is over.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.service import Service
from app.store.secrets import TokenInfo

COOKIE = "hpkp_session"
LIFETIME = timedelta(hours=12)

_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in that holds: with which token, until when, and its cookie."""

    name: str
    scope: str
    expires: datetime
    cookie: str


def start_session(service: Service, token: TokenInfo, *, at: datetime) -> Session:
    """Begin a session of a token that was shown."""
    expires = at.replace(microsecond=0) + LIFETIME
    name = base64.urlsafe_b64encode(token.name.encode()).decode()
    claimed = f"{name}.{int(expires.timestamp())}.{secrets.token_hex(16)}"
    return Session(token.name, token.scope, expires, f"{claimed}.{_sign(service, claimed, token)}")


def read_session(service: Service, cookie: str, *, at: datetime) -> Session | None:
    """Return the session of a cookie; None where it is forged or over, or its token was revoked."""
    claimed, _, signature = cookie.rpartition(".")
    fields = claimed.split(".")
    if len(cookie) > _LONGEST or not cookie.isascii() or len(fields) != 3 or not fields[1].isdigit():
        return None
    name = _decode(fields[0])
    if name is None:
        return None
    token = service.tokens.find_named(name)
    if token is None or not hmac.compare_digest(signature, _sign(service, claimed, token)):
        return None
    expires = datetime.fromtimestamp(int(fields[1]), UTC)
    return Session(name, token.scope, expires, cookie) if at < expires else None


def form_token(service: Service, identity: str) -> str:
    """Return what a form has to bring along to be taken from whoever has this cookie."""
    return hmac.new(service.session_key, f"form {identity}".encode(), hashlib.sha256).hexdigest()


def _sign(service: Service, claimed: str, token: TokenInfo) -> str:
    return hmac.new(service.session_key, f"session {claimed} ".encode() + token.sha256, hashlib.sha256).hexdigest()


def _decode(text: str) -> str | None:
    try:
        name = base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if name.isprintable() else None
