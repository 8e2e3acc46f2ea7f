"""The ingest path in OpenAPI, described by hand because it stands in front of the framework's routing."""

from typing import Any

from fastapi import FastAPI

from app.api.problems import MEDIA_TYPE, STATUS, Problem
from app.senders.reporting_api import MAX_ENTRIES
from app.senders.wire import WireReport


def describe_ingest(app: FastAPI) -> None:
    """Add ``/report`` and ``/report/{label}`` to the application's OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schema["paths"]["/report"] = _path([])
            label = {
                "name": "label", "in": "path", "required": True,
                "description": "Your word for where the header was served.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,64}$"},
            }  # fmt: skip
            schema["paths"]["/report/{label}"] = _path([label])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _batch() -> dict[str, Any]:
    """Describe a Reporting API batch; entries of other types than hpkp are passed over."""
    entry = {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "description": "`hpkp`; entries of other types are passed over."},
            "age": {"type": "number", "description": "Milliseconds since the violation."},
            "url": {"type": "string"},
            "user_agent": {"type": "string"},
            "body": WireReport.model_json_schema(by_alias=True),
        },
    }
    return {"type": "array", "maxItems": MAX_ENTRIES, "items": entry}


def _path(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    mode = {
        "name": "mode", "in": "query", "required": False,
        "description": "Goes before what the report itself says.",
        "schema": {"type": "string", "enum": ["report-only", "enforce"]},
    }  # fmt: skip
    errors: dict[str, Any] = {}
    for status, title in STATUS.values():
        if status < 500 or status == 503:
            known = errors.get(str(status))
            errors[str(status)] = {
                "description": f"{known['description']}, or {title.lower()}" if known else title,
                "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
            }
    post = {
        "tags": ["ingest"],
        "summary": "Send a pin violation report",
        "description": (
            "Any content type, with or without Content-Length. Answered 204 once the report is durable; a repetition "
            "of the same bytes by the same client within 24 hours is answered 204 and counted once. No redirects."
        ),
        "operationId": "send_report" + ("_with_label" if parameters else ""),
        "parameters": [*parameters, mode],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": WireReport.model_json_schema(by_alias=True)},
                "application/reports+json": {"schema": _batch()},
            },
        },
        "responses": {"204": {"description": "Stored and counted"}, **errors},
    }
    return {"post": post}
