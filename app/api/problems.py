"""The only place where errors become HTTP: RFC 9457 problem details, or a page for a browser.

``type`` is always ``about:blank`` (section 4.2.1): the status, the title and the pointer say what there is to say.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from app.hpkp.errors import HpkpError
from app.outcomes import Outcome
from app.store.failures import StoreError, describe_failure
from app.usecases.heavy_reads import RETRY_AFTER as HEAVY_READ_RETRY_AFTER
from app.usecases.heavy_reads import TooManyReadsError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Problem details (RFC 9457); further members (section 3.2) are those of the answer that it takes the place of."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    pointer: str | None = Field(None, description="JSON pointer (RFC 6901) to the member that is wrong.")
    errors: list[dict[str, Any]] | None = Field(None, description="One entry for each thing that is wrong.")


PROBLEM = {"$ref": "#/components/schemas/Problem"}
"""The schema of every error in the OpenAPI document, where `app.api.openapi` puts the component."""


class ProblemError(Exception):
    """An error that a route tells its caller as a problem."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        pointer: str | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(title=title, status=status, detail=detail, pointer=pointer, **(members or {}))


def not_found(what: str, name: object) -> ProblemError:
    """Make the problem that something does not exist."""
    return ProblemError(404, "Not found", f"{what[0].upper()}{what[1:]} {name} not found.")


STATUS: dict[Outcome, tuple[int, str]] = {
    Outcome.UNREADABLE: (400, "Invalid JSON"),
    Outcome.NOT_A_REPORT: (422, "Not an HPKP report"),
    Outcome.CANARY_REFUSED: (422, "Invalid canary"),
    Outcome.TOO_LARGE: (413, "Report too large"),
    Outcome.TOO_SLOW: (408, "Request timeout"),
    Outcome.CONTENT_ENCODING: (415, "Content encoding not supported"),
    Outcome.UNKNOWN_HOST: (404, "No policy for this host"),
    Outcome.STORE_UNAVAILABLE: (503, "Database unavailable"),
    Outcome.METHOD_NOT_ALLOWED: (405, "Method not allowed"),
    Outcome.BAD_REQUEST: (400, "Bad request"),
    Outcome.FAULT: (500, "Internal error"),
}
"""Status and title for every outcome of ``/report`` that is an error; the others are answered 204."""

RETRY_AFTER = {Outcome.STORE_UNAVAILABLE: "30"}
"""Seconds after which a sender may try again."""


def problem_of_outcome(outcome: Outcome, detail: str, pointer: str | None = None) -> Problem:
    """Make the problem for a submission that was not taken."""
    status, title = STATUS[outcome]
    return Problem(title=title, status=status, detail=detail, pointer=pointer)


def encode(problem: Problem) -> bytes:
    """Encode a problem as JSON, leaving out what it does not say."""
    return json.dumps(problem.model_dump(exclude_none=True), ensure_ascii=True).encode()


ShowProblem = Callable[[Request, Problem], Response]
"""Shows a problem to a person."""


def install(app: FastAPI, *, show: ShowProblem | None = None) -> None:
    """Answer every error of the application as a problem; ``show`` makes a page of it for whoever wants HTML."""

    def respond(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
        if show is not None and _wants_page(request):
            response = show(request, problem)
            response.headers.update(headers or {})
            return response
        return JSONResponse(
            problem.model_dump(exclude_none=True, mode="json"),
            problem.status,
            headers=headers,
            media_type=MEDIA_TYPE,
        )

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> Response:
        by_status = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": RETRY_AFTER[Outcome.STORE_UNAVAILABLE]}}
        headers = by_status.get(error.problem.status)
        return respond(request, error.problem, headers)

    @app.exception_handler(HpkpError)
    async def _domain(request: Request, error: HpkpError) -> Response:
        return respond(request, Problem(title=_title(error), status=422, detail=str(error)))

    @app.exception_handler(TooManyReadsError)
    async def _too_many_reads(request: Request, _error: TooManyReadsError) -> Response:
        detail = "As many replays and exports are running as are allowed at once. Try again in a moment."
        problem = Problem(title="Too many costly reads", status=503, detail=detail)
        return respond(request, problem, {"Retry-After": str(HEAVY_READ_RETRY_AFTER)})

    @app.exception_handler(StoreError)
    async def _store(request: Request, error: StoreError) -> Response:
        # Between the check at the beginning of a transaction and its statements another version may change the schema.
        failure = describe_failure(error) or await run_in_threadpool(request.app.state.service.find_other_version)
        if failure is None:
            raise error  # a statement of ours is wrong: that is a fault, and logged as one
        logger.warning("the database cannot be used: %s", getattr(error, "orig", None) or error)
        problem = Problem(title="Database unavailable", status=503, detail=failure.reason)
        return respond(request, problem, {"Retry-After": RETRY_AFTER[Outcome.STORE_UNAVAILABLE]})

    @app.exception_handler(ClientDisconnect)
    async def _disconnected(request: Request, _error: ClientDisconnect) -> Response:
        # Nothing hears it; without an answer it would be logged as a fault of ours.
        return respond(request, Problem(title="Request not complete", status=400, detail="The sender left."))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        errors = [_describe(item) for item in error.errors()]
        detail = "; ".join(f"{item['pointer'] or '(whole body)'}: {item['detail']}" for item in errors[:5])
        pointer = errors[0]["pointer"] if len(errors) == 1 else None
        problem = Problem(title="Request not valid", status=422, detail=detail, pointer=pointer, errors=errors)
        return respond(request, problem)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        problem = Problem(title=error.detail, status=error.status_code)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods_of(app, request)))
        return respond(request, problem, headers)

    @app.exception_handler(Exception)
    async def _fault(request: Request, _error: Exception) -> Response:
        return respond(
            request, Problem(title="Internal error", status=500, detail="Internal error; see the server log.")
        )


def _wants_page(request: Request) -> bool:
    """Whether a person asks: by a browser, and not for the API."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def _methods_of(app: FastAPI, request: Request) -> set[str]:
    """Return what the path allows, over all its routes: the framework names the methods of the first alone."""
    routes = iter_route_contexts(app.routes)
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in matching for method in route.methods or ()}


def _describe(item: dict[str, Any]) -> dict[str, str]:
    """Describe one thing that is wrong; what is not in the body has ``/query/…`` or ``/path/…`` for its pointer."""
    if item["type"] == "json_invalid":
        return {"pointer": "", "detail": f"Not JSON: {item['ctx']['error']} at character {item['loc'][-1]}"}
    location = item["loc"][1:] if item["loc"][0] == "body" else item["loc"]
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return {"pointer": "".join(f"/{part}" for part in escaped), "detail": item["msg"]}


def _title(error: HpkpError) -> str:
    return {
        "InvalidPin": "Not a pin",
        "InvalidHost": "Not a host name",
        "InvalidCertificate": "Not a certificate",
        "InvalidHeader": "Not a Public-Key-Pins value",
        "InvalidPolicy": "Not a pinning policy",
        "InvalidAppConfig": "Invalid app configuration",
    }.get(type(error).__name__, "Not valid")
