"""Who may call what: API tokens, and connections from this machine that came through no proxy."""

import ipaddress
from typing import Annotated

from fastapi import Depends, Request

from app.api.problems import ProblemError
from app.service import Service
from app.store.secrets import scope_of_token

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


def _require(request: Request, service: Service, scopes: tuple[str, ...]) -> None:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        with service.engine.connect() as connection:
            scope = scope_of_token(connection, text.strip())
        if scope is None:
            raise ProblemError(401, "Not authorised", "This API token is not known.")
        if scope not in scopes:
            raise ProblemError(403, "Not allowed", f"This API token has scope {scope}; admin is needed.")
        return
    if not is_direct_loopback(request):
        raise ProblemError(
            401,
            "Not authorised",
            "An API token is needed: Authorization: Bearer …; make one with hpkp token new.",
        )


def require_read(request: Request, service: ServiceDep) -> None:
    """Let pass who may read."""
    _require(request, service, ("read", "admin"))


def require_admin(request: Request, service: ServiceDep) -> None:
    """Let pass who may change things."""
    _require(request, service, ("admin",))


CanRead = Depends(require_read)
CanAdmin = Depends(require_admin)
