"""The OpenAPI document: what the framework makes of the routes, completed.

::

    routes ──FastAPI──> document ── + ingest path, by hand: it stands in front of the framework's routing
                                    + the components Problem, Report and bearer, each once
                                    + the tags' descriptions
                                    + examples: recorded ones of examples.json, and one problem for each status

Operations are named by their ``operation_id``, else by their function: names of a client's methods, so they stay.
"""

import json
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.problems import MEDIA_TYPE, PROBLEM, STATUS, Problem
from app.senders.reporting_api import MAX_ENTRIES
from app.senders.wire import WireReport

TAGS = {
    "ingest": "Where clients send reports. No token.",
    "hosts": "Hosts, their policies, summaries and probes.",
    "readiness": "The verdict, and what it rests on: exposure, canaries, rejected reports.",
    "pin-checks": "Checks of chains and pins before they are deployed.",
    "violations": "Violations, with their single reports and certificates, and what was rejected.",
    "reports": "Export of single reports.",
    "apps": "Releases of apps with their pins, and installs.",
    "events": "What happened.",
    "overflow": "Reports that were acknowledged and are counted without detail.",
    "health": "Health checks and metrics.",
}
"""What each group of operations is about."""

PROBLEMS = {
    400: ("Invalid JSON", "Invalid JSON: expected value at line 1 column 1."),
    401: ("Not authorised", "Missing API token. Send `Authorization: Bearer TOKEN` (create: `hpkp token new NAME`)."),
    403: ("Not allowed", "This API token has scope read; admin is needed."),
    404: ("Not found", "Host www.example.net not found."),
    405: ("Method not allowed", "Use POST."),
    408: ("Request timeout", "The body took longer than 30 seconds."),
    413: ("Report too large", "Maximum size: 262,144 bytes."),
    415: ("Content encoding not supported", "Send the report without Content-Encoding."),
    422: ("Request not valid", "/pins/0/sha256: A pin is the base64 of 32 bytes."),
    503: ("Database unavailable", "The ingest log is full."),
}
"""Title and detail of an example for each status."""

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API token (`hpkp token new NAME`): scope read for GET, check and what-if, admin for the rest.",
}


def name_operation(route: APIRoute) -> str:
    """Return the operationId of a route that has none of its own."""
    return route.name


def complete_document(app: FastAPI) -> None:
    """Complete the application's OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schema["paths"]["/report"] = _path([])
            label = {
                "name": "label", "in": "path", "required": True,
                "description": "Label of the place where the header is served.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,64}$"},
            }  # fmt: skip
            schema["paths"]["/report/{label}"] = _path([label])
            schema["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
            components = schema["components"]
            components["securitySchemes"] = {"bearer": _BEARER}
            components["schemas"] |= {
                "Problem": Problem.model_json_schema(),
                "Report": _report(),
                "BatchEntry": _batch_entry(),
            }
            recorded = json.loads((resources.files(__package__) / "examples.json").read_text(encoding="utf-8"))
            for item in schema["paths"].values():
                for operation in item.values():
                    _add_examples(operation, recorded.get(operation["operationId"], {}))
                    # Who may be refused needs a token: `describe_problems` is next to the routes' access rule.
                    operation["security"] = [{"bearer": []}] if "401" in operation["responses"] else []
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_examples(operation: dict[str, Any], recorded: dict[str, Any]) -> None:
    """Add an example to every body: of the request, of the answer by media type, and of each problem.

    What is not recorded yet is left out; a test finds it.
    """
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "request" in recorded:
            content["example"] = recorded["request"]
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type == MEDIA_TYPE and int(status) in PROBLEMS:
                title, detail = PROBLEMS[int(status)]
                content["example"] = {"type": "about:blank", "title": title, "status": int(status), "detail": detail}
            elif media_type in recorded.get("answers", {}):
                content["example"] = recorded["answers"][media_type]


_REPORT = {"$ref": "#/components/schemas/Report"}
_BATCH = {"type": "array", "minItems": 1, "maxItems": MAX_ENTRIES, "items": {"$ref": "#/components/schemas/BatchEntry"}}


_HOST = {"type": "string", "format": "idn-hostname"}
_MAYBE_HOST = {"anyOf": [_HOST, {"enum": ["", "*", None]}]}
_PORT = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 65535},
        {"type": "string", "pattern": "^[0-9]{0,4}$"},
        {"type": "null"},
    ]
}


def _report() -> dict[str, Any]:
    """Describe a report: what the lenient model takes, and what is read from it besides."""
    schema = WireReport.model_json_schema(by_alias=True) | {"title": "Report"}
    schema["properties"] |= {"hostname": _HOST, "noted-hostname": _MAYBE_HOST, "port": _PORT}
    return schema


def _batch_entry() -> dict[str, Any]:
    """Describe an entry of a Reporting API batch; those of types other than hpkp are passed over."""
    members = {
        "age": {"description": "Milliseconds since the violation."},
        "url": {"description": "Passed over."},
        "user_agent": {"description": "That of the client."},
        "body": _REPORT,
    }
    return {
        "type": "object",
        "title": "BatchEntry",
        "description": "An entry of a Reporting API batch; those of other types than hpkp are passed over.",
        "required": ["type"],
        "properties": {"type": {"type": "string", "description": "`hpkp`; entries of other types are passed over."}},
        "if": {"properties": {"type": {"const": "hpkp"}}},
        "then": {"required": ["body"], "properties": members},
    }


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
                "content": {MEDIA_TYPE: {"schema": PROBLEM}},
            }
    post = {
        "tags": ["ingest"],
        "summary": "Send a pin violation report",
        "description": (
            "A report, or a batch of the Reporting API; any content type, with or without Content-Length. Answered 204 "
            "once the report is durable; a repetition of the same bytes by the same client within 24 hours is answered "
            "204 and counted once. No redirects."
        ),
        "operationId": "send_report" + ("_with_label" if parameters else ""),
        "parameters": [*parameters, mode],
        "requestBody": {
            "required": True,
            # One content type for both: clients are generated that cannot choose between two whose one is a list.
            "content": {"application/json": {"schema": {"oneOf": [_REPORT, _BATCH]}}},
        },
        "responses": {"204": {"description": "Stored and counted"}, **errors},
    }
    return {"post": post}
