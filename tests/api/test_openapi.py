"""The API keeps to its own OpenAPI document: every route stands in it, and every answer is one that it tells of."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, settings
from jsonschema_rs import Draft202012Validator
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
from tests.support.application import caller, service_of, settings_for
from tests.support.reports import HOST, report_body, site

DOCUMENT: dict[str, Any] = create_app(Settings(_env_file=None)).openapi()
# The session brings a token that holds; made-up ones would be answered 401 and nothing more.
AS_ADMIN = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=AS_ADMIN)
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
    about_itself = {(path, method) for path, method in served if path == "/openapi.json"}
    assert len(about_itself) == 2
    reports = {("/report", "post"), ("/report/{label}", "post")}
    assert {(path, method) for path, method, _ in _operations()} == served - shown - about_itself | reports


def test_a_report_is_described_with_its_members_and_each_of_its_answers() -> None:
    for path in ("/report", "/report/{label}"):
        told = DOCUMENT["paths"][path]["post"]
        report, batch = told["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
        assert batch["type"] == "array"
        assert {"hostname", "known-pins", "served-certificate-chain", "validated-certificate-chain"} <= set(
            _resolve(report)["properties"]
        )
        assert set(told["responses"]) == {"204", "400", "404", "405", "408", "413", "415", "422", "503"}
        (mode,) = [parameter for parameter in told["parameters"] if parameter["name"] == "mode"]
        assert (mode["in"], mode["schema"]["enum"]) == ("query", ["report-only", "enforce"])


def _resolve(reference: dict[str, str]) -> dict[str, Any]:
    part: dict[str, Any] = DOCUMENT
    for name in reference["$ref"].removeprefix("#/").split("/"):
        part = part[name]
    return part


def test_errors_are_told_of_as_problems() -> None:
    for path, method, told in _operations():
        for status, answer in told["responses"].items():
            if int(status) >= 400:
                assert set(answer["content"]) == {MEDIA_TYPE}, f"{method} {path} {status}"
                assert answer["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert json.dumps(DOCUMENT).count('"Problem details') == 1, "described once"


def _bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Walk every body of the document: whose it is, its media type, and its description."""
    for _, _, told in _operations():
        for media_type, content in told.get("requestBody", {}).get("content", {}).items():
            yield f"{told['operationId']} request", media_type, content
        for status, answer in told["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                yield f"{told['operationId']} {status}", media_type, content


def test_every_request_and_answer_has_an_example_that_its_schema_allows() -> None:
    assert len(list(_bodies())) > 150
    for where, media_type, content in _bodies():
        assert "example" in content, f"{where} {media_type}: record one with `make openapi-examples`"
        schema = content.get("schema", {}) | {"components": DOCUMENT["components"]}
        faults = [error.message for error in Draft202012Validator(schema).iter_errors(content["example"])]
        assert faults == [], f"{where} {media_type}"


def _keywords(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, part in schema.items():
            yield name
            if name not in ("properties", "$defs", "example", "examples", "enum", "const", "default"):
                yield from _keywords(part)
        for part in (schema.get("properties", {}) | schema.get("$defs", {})).values():
            yield from _keywords(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _keywords(part)


def test_bounds_are_written_as_json_schema_has_them() -> None:
    """Pydantic writes its own names of bounds if a validator stands between them and the type."""
    schemas = [part for operation in _operations() for part in operation[2].get("parameters", [])]
    found = {*_keywords(DOCUMENT["components"]["schemas"]), *_keywords(schemas)}
    assert found >= {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
    assert not found & {"ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of"}


def test_what_needs_a_token_says_so() -> None:
    assert DOCUMENT["components"]["securitySchemes"]["bearer"].items() >= {"type": "http", "scheme": "bearer"}.items()
    public = {told["operationId"] for _, _, told in _operations() if told["security"] == []}
    assert public == {"get_liveness", "get_process_readiness", "send_report", "send_report_with_label"}
    assert all(told["security"] in ([], [{"bearer": []}]) for _, _, told in _operations())


def test_operations_have_short_names_and_one_described_tag() -> None:
    described = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    for path, method, told in _operations():
        assert re.fullmatch(r"[a-z]+(_[a-z]+){1,4}", told["operationId"]), f"{method} {path}"
        assert len(told["operationId"]) <= 25
        assert len(told["tags"]) == 1
    assert {told["tags"][0] for _, _, told in _operations()} == described


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


def test_the_document_says_which_operations_need_a_token() -> None:
    open_to_all = {"/report", "/report/{label}", "/livez", "/readyz"}
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, method, told in _operations():
        assert told.get("security", []) == ([] if path in open_to_all else [{"bearer": []}]), f"{method} {path}"
