"""Logging in with an API token, and out again."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import ServiceDep
from app.api.sessions import COOKIE, LIFETIME, start_session
from app.service import now
from app.web.forms import OwnForm
from app.web.rendering import HEADERS, cookie_options, render

router = APIRouter()


@router.get("/login")
def ask(request: Request, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:
    """Ask for a token."""
    return render(request, "login.html", next=_own_page(next), error=None)


@router.post("/login")
def log_in(request: Request, service: ServiceDep, form: OwnForm) -> Response:
    """Begin a session where the token is known, and lead back to the page that was asked for."""
    token = service.tokens.find(form["token"].strip())
    page = _own_page(form["next"])
    if token is None:
        unknown = "This API token is not known. It may have been revoked."
        return render(request, "login.html", status=422, next=page, error=unknown)
    session = start_session(service, token, at=now())
    response = RedirectResponse(page, 303, headers=HEADERS)
    options = cookie_options(request, same_site="lax")  # so that links from dashboards and alerts find it
    response.set_cookie(COOKIE, session.cookie, max_age=int(LIFETIME.total_seconds()), **options)
    return response


@router.post("/logout")
def log_out(request: Request, _form: OwnForm) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/login", 303, headers=HEADERS)
    response.delete_cookie(COOKIE, **cookie_options(request, same_site="lax"))
    return response


def _own_page(text: str) -> str:
    r"""Return an address of this service, whatever was asked for: ``//host`` and ``/\host`` lead elsewhere."""
    return text if text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable() else "/"
