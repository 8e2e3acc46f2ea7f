"""The cookie of a log-in, and form tokens that are bound to it."""

import hashlib

COOKIE = "hpkp_session"


def form_token(identity: str) -> str:
    """Return what a form has to bring along to be accepted with this cookie.

    The cookie is random and no other site can read it, so a hash of it needs no key.
    """
    return hashlib.sha256(f"form {identity}".encode("utf-8", "surrogatepass")).hexdigest()
