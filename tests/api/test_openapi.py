"""The API keeps to its own OpenAPI document: every route stands in it, and every answer is one that it tells of."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import BaseRoute

from app.api.problems import MEDIA_TYPE
from app.main import create_app
from app.settings import Settings
from app.store.engine import writing
from app.store.secrets import new_token
from app.web.routes import router as pages
from tests.application import caller, service_of, settings_for
from tests.reports import HOST, report_body, site

DOCUMENT: dict[str, Any] = create_app(Settings(_env_file=None)).openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
DOCS = ("/docs", "/docs/oauth2-redirect")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STORED = {"host": HOST, "violation_id": 1, "report_id": 1, "sha256": hashlib.sha256(site().leaf.der).hexdigest()}
"""What the paths name in a store that is not empty; made-up names are hardly ever there."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[asgi.ASGIClient]:
    """Return an administrator's session with an application whose store has something of everything."""
    chosen = settings_for(tmp_path_factory.mktemp("openapi"))
    with caller(create_app(chosen)) as client:
        client.put(f"/api/v1/hosts/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}]})
        for body in (report_body(), report_body(port=8443), b"no report"):
            client.post("/report", content=body)
        with writing(service_of(client).engine) as connection:
            token = new_token(connection, "schema", "admin")
    app: Any = create_app(chosen)  # FastAPI and schemathesis write the type of an ASGI application differently
    with asgi.get_client(app) as started:
        started.headers["authorization"] = f"Bearer {token}"
        yield started
    asgi.shutdown_lifespans()


@SCHEMA.parametrize()
@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_tells_of(case: schemathesis.Case[Any], session: asgi.ASGIClient) -> None:
    case.call_and_validate(base_url=session.base_url, session=session, checks=CHECKS)
    if stored := {name: value for name, value in STORED.items() if name in case.path_parameters}:
        case.path_parameters.update(stored)
        case.call_and_validate(base_url=session.base_url, session=session, checks=CHECKS)


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    return ((path, method, told) for path, item in DOCUMENT["paths"].items() for method, told in item.items())


def _routes(routes: Sequence[BaseRoute]) -> set[tuple[str | None, str]]:
    return {(route.path, method.lower()) for route in iter_route_contexts(routes) for method in route.methods or ()}


def test_every_route_of_the_application_stands_in_the_document() -> None:
    served, shown = _routes(create_app(Settings(_env_file=None)).routes), _routes(pages.routes)
    assert shown < served
    about_itself = {(path, method) for path, method in served if path in ("/openapi.json", *DOCS)}
    assert len(about_itself) == 6
    reports = {("/report", "post"), ("/report/{label}", "post")}
    assert {(path, method) for path, method, _ in _operations()} == served - shown - about_itself | reports


def test_a_report_is_described_with_its_members_and_each_of_its_answers() -> None:
    for path in ("/report", "/report/{label}"):
        told = DOCUMENT["paths"][path]["post"]
        body = told["requestBody"]["content"]["application/json"]["schema"]
        assert {"hostname", "known-pins", "served-certificate-chain", "validated-certificate-chain"} <= set(
            body["properties"]
        )
        assert set(told["responses"]) == {"204", "400", "404", "405", "408", "413", "415", "422", "503"}
        (mode,) = [parameter for parameter in told["parameters"] if parameter["name"] == "mode"]
        assert (mode["in"], mode["schema"]["enum"]) == ("query", ["report-only", "enforce"])


def test_errors_are_told_of_as_problems() -> None:
    for path, method, told in _operations():
        for status, answer in told["responses"].items():
            if int(status) >= 400:
                assert set(answer["content"]) == {MEDIA_TYPE}, f"{method} {path} {status}"


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    names = [told["operationId"] for _, _, told in _operations()]
    assert len(set(names)) == len(names)
    for path, method, told in _operations():
        assert told.get("summary"), f"{method} {path}"
        assert set(re.findall(r"{(\w+)}", path)) == {
            parameter["name"] for parameter in told.get("parameters", []) if parameter["in"] == "path"
        }


def test_intake_alone_has_neither_document_nor_api(tmp_path: Path) -> None:
    with caller(create_app(settings_for(tmp_path), intake_only=True)) as client:
        assert client.post("/report", content=report_body()).status_code == 204
        for path in ("/livez", "/readyz"):
            assert client.get(path).status_code == 200
        for path in ("/openapi.json", "/docs", "/metrics", "/api/v1/hosts", "/api/v1/violations"):
            assert client.get(path).status_code == 404
