"""Who may call what: API tokens, log-ins with them, and connections from this machine that came through no proxy."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.api.problems import ProblemError
from app.api.sessions import COOKIE, Session, read_session
from app.service import Service, now

_FORWARDING = ("forwarded", "via", "x-real-ip")


def get_service(request: Request) -> Service:
    """Return the parts of this process."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def is_direct_loopback(request: Request) -> bool:
    """Whether the connection comes from this machine itself, no proxy stands between, and no web page made it.

    A page can make a browser on this machine connect here under a name of its own (DNS rebinding); the Host field then
    holds that name.
    """
    if any(name in _FORWARDING or name.startswith("x-forwarded-") for name in request.headers):
        return False
    if not _is_loopback_name(request.url.hostname or ""):
        return False
    return request.client is not None and _is_loopback_address(request.client.host)


def _is_loopback_name(host: str) -> bool:
    return host == "localhost" or _is_loopback_address(host)


def _is_loopback_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks and what they may; ``session`` where they are logged in to the pages."""

    scope: str
    session: Session | None = None

    @property
    def may_change(self) -> bool:
        """Whether they may change things."""
        return self.scope == "admin"


def find_caller(request: Request, service: Service) -> Caller | None:
    """Tell who asks: by an API token, a log-in, or from this machine; None for a stranger.

    Raises ProblemError for an API token that is not known.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        token = service.tokens.find(text.strip())
        if token is None:
            raise ProblemError(401, "Not authorised", "This API token is not known.")
        return Caller(token.scope)
    session = read_session(service, request.cookies.get(COOKIE, ""), at=now())
    if session is not None:
        return Caller(session.scope, session)
    return Caller("admin") if is_direct_loopback(request) else None


def require_read(request: Request, service: ServiceDep) -> Caller:
    """Let pass who may read."""
    caller = find_caller(request, service)
    if caller is None:
        raise ProblemError(
            401,
            "Not authorised",
            "An API token is needed: Authorization: Bearer …; make one with hpkp token new.",
        )
    return caller


def require_admin(request: Request, caller: Annotated[Caller, Depends(require_read)]) -> Caller:
    """Let pass who may change things over the API. A browser's cookie or place is no consent: any page could ask it."""
    if not caller.may_change:
        raise ProblemError(403, "Not allowed", f"This API token has scope {caller.scope}; admin is needed.")
    if caller.session is not None:
        raise ProblemError(403, "Not allowed", "A log-in changes things by the forms of the pages alone.")
    if made_by_another_site(request):
        raise ProblemError(403, "Not allowed", "A page of another site made this request.")
    return caller


def made_by_another_site(request: Request) -> bool:
    """Whether a browser says that a page from elsewhere made the request (Sec-Fetch-Site); others send nothing."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


CallerDep = Annotated[Caller, Depends(require_read)]
CanRead = Depends(require_read)
CanAdmin = Depends(require_admin)
