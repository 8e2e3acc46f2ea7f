"""Logging in with an API token or a one-time link, and out again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import ServiceDep, find_caller
from app.api.sessions import COOKIE
from app.service import Service, now
from app.usecases.sessions import Session
from app.web.forms import Form, OwnForm
from app.web.rendering import HEADERS, cookie_options, render

router = APIRouter()

_UNKNOWN_TOKEN = "This API token is unknown, revoked or expired."
_UNKNOWN_LINK = "This log-in link is unknown, used or expired. Create another on the collector's machine."


@router.get("/login")
def ask(
    request: Request,
    next: Annotated[str, Query(max_length=2000)] = "/",
    link: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Ask for a token, or show the button that uses a one-time link.

    Opening the address does not use the link: browsers and chat programs fetch addresses before anybody clicks.
    """
    return render(request, "login.html", next=_own_page(next), link=link, error=None)


@router.post("/login")
def log_in(request: Request, service: ServiceDep, form: OwnForm) -> Response:
    """Begin a session if the token or link is known, and lead back to the page that was asked for."""
    page = _own_page(form["next"])
    at = now()
    session = _start_session(service, form, at=at)
    if session is None:
        error = _UNKNOWN_LINK if form["link"] else _UNKNOWN_TOKEN
        return render(request, "login.html", status=422, next=page, link="", error=error)
    response = RedirectResponse(page, 303, headers=HEADERS)
    options = cookie_options(request, same_site="lax")  # so that links from dashboards and alerts find it
    seconds = int((session.expires - at).total_seconds())
    response.set_cookie(COOKIE, session.cookie, max_age=seconds, **options)
    return response


def _start_session(service: Service, form: Form, *, at: datetime) -> Session | None:
    """Begin the session of what the form brings; None for an unknown token or link."""
    if form["link"]:
        return service.sessions.redeem_link(form["link"], at=at)
    token = service.tokens.find(form["token"].strip(), at=at)
    return None if token is None else service.sessions.start(token, at=at)


@router.post("/logout")
def log_out(request: Request, service: ServiceDep, _form: OwnForm) -> Response:
    """End the session, also for a copy of its cookie."""
    caller = find_caller(request, service)
    if caller is not None and caller.session is not None:
        service.sessions.end(caller.session)
    response = RedirectResponse("/login", 303, headers=HEADERS)
    response.delete_cookie(COOKIE, **cookie_options(request, same_site="lax"))
    return response


def _own_page(text: str) -> str:
    r"""Return an address of this service, whatever was asked for: ``//host`` and ``/\host`` lead elsewhere."""
    return text if text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable() else "/"
