"""Who may call what: by an API token or a log-in, and by nothing else.

Where a connection comes from gives no access: a proxy on this machine, or a web page in a browser on it, connects from
loopback too, and so does any other user of the machine.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from app.api.counted_until import wait_until_counted
from app.api.problems import ProblemError
from app.api.sessions import COOKIE
from app.service import Service, now
from app.usecases.sessions import Session


def get_service(request: Request) -> Service:
    """Return the parts of this process."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]

_BEARER = HTTPBearer(scheme_name="token", description="An API token, made by `hpkp token new`.", auto_error=False)
"""Only says in the OpenAPI document what is needed; `find_caller` reads the field."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by the name of their token or log-in, and what they may; ``session`` if they are logged in."""

    name: str
    scope: str
    session: Session | None = None

    @property
    def may_change(self) -> bool:
        """Whether they may change things."""
        return self.scope == "admin"


def find_caller(request: Request, service: Service) -> Caller | None:
    """Tell who asks: by an API token or a log-in; None for a request without either.

    Raises ProblemError for an API token that is not known.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        token = service.tokens.find(text.strip(), at=now())
        if token is None:
            raise ProblemError(401, "Not authorised", "This API token is unknown, revoked or expired.")
        return Caller(token.name, token.scope)
    session = service.sessions.find(request.cookies.get(COOKIE, ""), at=now())
    return None if session is None else Caller(session.name, session.scope, session)


def authenticate(request: Request, service: ServiceDep, _: Annotated[object, Security(_BEARER)]) -> Caller:
    """Let pass who may read, at once: with what does not depend on the reports that were accepted before."""
    caller = find_caller(request, service)
    if caller is None:
        raise ProblemError(
            401,
            "Not authorised",
            "Missing API token. Send `Authorization: Bearer TOKEN` (create one with `hpkp token new NAME`).",
        )
    return caller


def _authorize_change(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
    """Let pass who may change things over the API. A browser's cookie is no consent: any page could ask it."""
    if not caller.may_change:
        raise ProblemError(403, "Not allowed", f"This API token has scope {caller.scope}; admin is needed.")
    if caller.session is not None:
        raise ProblemError(403, "Not allowed", "Browser sessions are read-only on the API; use a token.")
    if made_by_another_site(request):
        raise ProblemError(403, "Not allowed", "Cross-site request rejected.")
    return caller


async def require_read(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
    """Let pass who may read, once what was accepted before is counted."""
    await wait_until_counted(request)
    return caller


async def require_admin(request: Request, caller: Annotated[Caller, Depends(_authorize_change)]) -> Caller:
    """Let pass who may change things over the API, once what was accepted before is counted."""
    await wait_until_counted(request)
    return caller


def made_by_another_site(request: Request) -> bool:
    """Whether a browser says that a page from elsewhere made the request (Sec-Fetch-Site); others send nothing."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


CallerDep = Annotated[Caller, Depends(require_read)]
AdminDep = Annotated[Caller, Depends(require_admin)]
CanRead = Depends(require_read)
CanReadAtOnce = Depends(authenticate)
CanAdmin = Depends(require_admin)
