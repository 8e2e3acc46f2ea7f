"""Forms: read within bounds, and accepted only with a token of this service from a caller who may change things.

The token is bound to the session, or before the log-in to a cookie of the browser. In addition, the headers in which
the browser names the page that sent the form have to agree (Sec-Fetch-Site, Origin). The pages ask for no referrer, so
that their forms may come with ``Origin: null``.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from app.api.access import Caller, CallerDep, ServiceDep, find_caller, made_by_another_site
from app.api.problems import ProblemError
from app.api.sessions import form_token
from app.web.rendering import identity_of

_LONGEST = 65_536
_MOST_FIELDS = 50
_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, as typed, with line feeds for line ends."""

    values: Mapping[str, str]
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Every value of each field, in their order: boxes of one name are sent once for each that is checked."""

    def __getitem__(self, name: str) -> str:
        """Return a field; empty where it was not sent."""
        return self.values.get(name, "")

    def all(self, name: str) -> Sequence[str]:
        """Return every value of a field."""
        return self.lists.get(name, ())


async def read_form(request: Request) -> Form:
    """Read a form. Raises ProblemError for what is too long, or none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise ProblemError(415, "Invalid form", f"Expected Content-Type {_TYPE}.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise ProblemError(413, "Form too long", f"A form has at most {_LONGEST} bytes.")
    try:
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise ProblemError(422, "Invalid form", f"A form has at most {_MOST_FIELDS} fields.") from None
    typed = [(name, value.replace("\r\n", "\n")) for name, value in fields]
    lists: dict[str, list[str]] = {}
    for name, value in typed:
        lists.setdefault(name, []).append(value)
    return Form(dict(typed), lists)


def _read_own(request: Request, service: ServiceDep, form: Annotated[Form, Depends(read_form)]) -> Form:
    """Read a form that anybody may send who got it from here."""
    _require_ours(request, find_caller(request, service), form)
    return form


def _read_change(request: Request, caller: CallerDep, form: Annotated[Form, Depends(read_form)]) -> Form:
    """Read a form that changes things."""
    require_change(caller)
    _require_ours(request, caller, form)
    return form


def require_change(caller: Caller) -> None:
    """Let pass who may change things."""
    if not caller.may_change:
        raise ProblemError(403, "Not allowed", f"You are logged in with scope {caller.scope}; admin is needed.")


OwnForm = Annotated[Form, Depends(_read_own)]
ChangeForm = Annotated[Form, Depends(_read_change)]


def _require_ours(request: Request, caller: Caller | None, form: Form) -> None:
    origin = request.headers.get("origin", "null")
    elsewhere = origin != "null" and origin.partition("://")[2] != request.headers.get("host")
    if elsewhere or made_by_another_site(request):
        raise ProblemError(403, "Not allowed", "Cross-site form rejected.")
    identity = identity_of(request, caller)
    if identity is None or not hmac.compare_digest(form["form_token"].encode(), form_token(identity).encode()):
        raise ProblemError(
            403, "Form out of date", "This form belongs to another session. Reload the page and submit it again."
        )
