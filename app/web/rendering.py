"""Templates, what they may call, and the fields that keep a browser from doing anything but show them."""

import hashlib
import re
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
from app.hpkp.judgement.causes import ATTRIBUTION_TEXTS, CAUSES, Attribution, Cause
from app.hpkp.readiness.brief import brief
from app.hpkp.readiness.messages import at_least, at_most, title_of
from app.hpkp.readiness.text import describe_days
from app.service import Service, now
from app.store.failures import StoreError
from app.web import formatting

VISITOR_COOKIE = "hpkp_visitor"
"""What forms are bound to where nobody is logged in."""

_VIOLATION_COMMAND = re.compile(
    r"hpkp explain (?P<shown>\d+)"
    r"|hpkp (?:mark|violation status) (?P<changed>\d+(?: \d+)*) --(?:as|set) (?P<status>\w+)"
)

_RUN = re.compile(r"\b(?P<run>[Rr]un) (?=`?hpkp (?P<command>explain|mark|violation status) \d)")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""Of every page and every download."""


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Make the page of a template. Whoever is not logged in gets a cookie that their forms are bound to."""
    caller = _caller_of(request, status)
    identity = identity_of(request, caller) or secrets.token_hex(16)
    text = (
        _templates()
        .get_template(template)
        .render(
            values,
            caller=caller,
            form_token=form_token(identity),
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
        return render(request, "login.html", status=401, next=_way_back(request), link="", error=None)
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


def _caller_of(request: Request, status: int) -> Caller | None:
    """Return who asks. A page of a problem is shown without it if the store cannot be asked."""
    if status >= 500:
        return None
    try:
        return find_caller(request, _service_of(request))
    except ProblemError:
        return None
    except StoreError:
        if status < 400:
            raise
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
        "ago": formatting.ago,
        "at_least": at_least,
        "at_most": at_most,
        "attribution": lambda side: ATTRIBUTION_TEXTS[Attribution(side)],
        "brief": brief,
        "days": describe_days,
        "count": formatting.count,
        "cause_title": lambda cause: CAUSES[Cause(cause)].title,
        "common_name": formatting.common_name,
        "cut": formatting.cut,
        "duration": formatting.duration,
        "moment": moment,
        "name": formatting.name,
        "prose": prose,
        "title_of": title_of,
        "typed": Markup.escape,
        "unit": formatting.unit,
        "field_moment": field_moment,
    }
    return environment


def _finalize(value: Any) -> Any:
    """Let nothing be shown that cannot be seen, but for the text of form fields, which has to come back as it was."""
    return formatting.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(value: datetime | str) -> Markup:
    """Write an instant, or its ISO 8601 text, in UTC and with its zone."""
    utc = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M}")


def prose(text: str) -> Markup:
    """Write a sentence of this program: commands between backticks as code, those about violations as links.

    The sentences are shared with the command line, where a command is what helps; a page has a page for it.
    """
    parts = []
    for place, part in enumerate(_RUN.sub(_see_or_set, text).split("`")):
        linked = _link_commands(formatting.visible(part))
        is_command = place % 2 and "</a>" not in linked
        parts.append(Markup("<code>{}</code>").format(linked) if is_command else linked)
    return Markup("").join(parts)


def _see_or_set(found: re.Match[str]) -> str:
    """Leave out the verb of a command that becomes a link: see a violation, set its status."""
    if found["command"] == "explain":
        return "See " if found["run"] == "Run" else "see "
    return ""


def _link_commands(text: str) -> Markup:
    """Escape a text, and replace the commands that a page does better by links to that page."""
    written, last = [], 0
    for found in _VIOLATION_COMMAND.finditer(text):
        ids = (found["shown"] or found["changed"]).split()
        links = Markup(", ").join(Markup('<a href="/violations/{0}">violation {0}</a>').format(id_) for id_ in ids)
        change = Markup("set {} to {}").format(links, found["status"]) if found["status"] else links
        written += [escape(text[last : found.start()]), change]
        last = found.end()
    return Markup("").join([*written, escape(text[last:])])


def field_moment(value: datetime | None) -> str:
    """Write an instant into a field of a form, whose zone is told beside it."""
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%dT%H:%M}"
