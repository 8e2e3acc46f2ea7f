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
    """Whether the connection comes from this machine itself and no proxy stands between."""
    if any(name in _FORWARDING or name.startswith("x-forwarded-") for name in request.headers):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
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
