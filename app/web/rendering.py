"""Templates, what they may call, and the fields that keep a browser from doing anything but show them."""

import hashlib
import secrets
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from app import __version__
from app.api.access import Caller, find_caller
from app.api.problems import Problem, ProblemError
from app.api.sessions import form_token
from app.hpkp.readiness.words import at_least, at_most, title_of
from app.service import Service, now
from app.web import words

VISITOR_COOKIE = "hpkp_visitor"
"""What forms are bound to where nobody is logged in."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""Of every page and every download."""


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Make the page of a template. Whoever is not logged in gets a cookie that their forms are bound to."""
    caller = None if status >= 500 else _caller_of(request)  # a store that is away cannot be asked
    identity = identity_of(request, caller) or secrets.token_hex(16)
    text = (
        _templates()
        .get_template(template)
        .render(
            values,
            caller=caller,
            form_token=form_token(_service_of(request), identity),
            path=request.url.path,
            at=now(),
        )
    )
    response = HTMLResponse(text, status, headers=HEADERS)
    if identity_of(request, caller) is None:
        response.set_cookie(VISITOR_COOKIE, identity, **cookie_options(request, same_site="strict"))
    return response


def show_problem(request: Request, problem: Problem) -> HTMLResponse:
    """Make the page of a problem, with what to do; where nobody is logged in, the log-in that comes back to it."""
    if problem.status == 401:
        return render(request, "login.html", status=401, next=_way_back(request), error=None)
    return render(request, "problem.html", status=problem.status, problem=problem)


def _way_back(request: Request) -> str:
    """Return the address that was asked for; of a form, its page."""
    return request.url.path + (f"?{request.url.query}" if request.method == "GET" and request.url.query else "")


def identity_of(request: Request, caller: Caller | None) -> str | None:
    """Return what forms are bound to: the log-in, else the visitor's cookie; None where there is neither."""
    if caller is not None and caller.session is not None:
        return caller.session.cookie
    return request.cookies.get(VISITOR_COOKIE, "")[:64] or None


def cookie_options(request: Request, *, same_site: str) -> dict[str, Any]:
    """Return how a cookie is set: out of reach of scripts, and over TLS alone where the page came so."""
    return {"httponly": True, "samesite": same_site, "secure": request.url.scheme == "https", "path": "/"}


def _caller_of(request: Request) -> Caller | None:
    try:
        return find_caller(request, _service_of(request))
    except ProblemError:
        return None


def _service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@cache
def static_file(name: str) -> bytes:
    """Return a packaged file. Raises FileNotFoundError."""
    return (files("app.web") / "static" / name).read_bytes()


@cache
def static_address(name: str) -> str:
    """Return the address of a packaged file, another one for every content."""
    return f"/static/{name}?v={hashlib.sha256(static_file(name)).hexdigest()[:12]}"


def address(path: str, **query: object) -> str:
    """Write an address; what is None or empty is left out of the query."""
    stated = {name: value for name, value in query.items() if value not in (None, "")}
    return quote(path) + (f"?{urlencode(stated)}" if stated else "")


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("app.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"address": address, "static": static_address, "version": __version__}
    environment.filters |= {
        "ago": words.ago,
        "at_least": at_least,
        "at_most": at_most,
        "count": words.count,
        "cut": words.cut,
        "duration": words.duration,
        "moment": moment,
        "name": words.name,
        "prose": prose,
        "title_of": title_of,
        "typed": Markup.escape,
        "field_moment": field_moment,
    }
    return environment


def _finalize(value: Any) -> Any:
    """Let nothing be shown that cannot be seen, but for the text of form fields, which has to come back as it was."""
    return words.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(value: datetime | str) -> Markup:
    """Write an instant, or its ISO 8601 text, in UTC and with its zone."""
    utc = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M}")


def prose(text: str) -> Markup:
    """Write a sentence of this program, in which commands stand between backticks."""
    parts = (escape(words.visible(part)) for part in text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def field_moment(value: datetime | None) -> str:
    """Write an instant into a field of a form, whose zone is told beside it."""
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%dT%H:%M}"
