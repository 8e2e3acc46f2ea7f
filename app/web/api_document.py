"""The API for people to read: the OpenAPI document as a page, like all pages without scripts and without other origins.

::

    OpenAPI document ──read_groups──> operations by tag ─┐
                     ──read_models──> schemas ───────────┴─ api.html
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from app.web.rendering import render

router = APIRouter()

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Type:
    """A type in words, and the schema that it is, if that has a name."""

    text: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a schema, or a parameter (``place`` is where it goes)."""

    name: str
    type: Type
    required: bool
    description: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A body: its media type, its type, and the members of a schema without a name."""

    media_type: str
    type: Type
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer."""

    status: str
    description: str
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    bodies: tuple[Content, ...]
    answers: tuple[Answer, ...]
    command: str


@dataclass(frozen=True, slots=True)
class Model:
    """A schema with a name."""

    name: str
    description: str
    fields: tuple[Field, ...]


@router.get("/docs")
def show_api(request: Request) -> Response:
    """Show all operations and schemas. Open to all: it is the same for everybody, and holds no data."""
    document = request.app.openapi()
    return render(request, "api.html", groups=read_groups(document), models=read_models(document))


def read_groups(document: Schema) -> dict[str, list[Operation]]:
    """Return the operations by their tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, operations in document["paths"].items():
        for method, described in operations.items():
            group = groups.setdefault(described.get("tags", ["other"])[0], [])
            group.append(_read_operation(method.upper(), path, described))
    return groups


def _read_operation(method: str, path: str, described: Schema) -> Operation:
    bodies = _read_contents(described.get("requestBody", {}))
    return Operation(
        id=described["operationId"],
        method=method,
        path=path,
        summary=described["summary"],
        description=described.get("description", ""),
        parameters=tuple(
            Field(
                parameter["name"],
                _type_of(parameter["schema"]),
                parameter.get("required", False),
                parameter.get("description", ""),
                parameter["in"],
            )
            for parameter in described.get("parameters", ())
        ),
        bodies=bodies,
        answers=tuple(
            Answer(status, answer["description"], _read_contents(answer))
            for status, answer in sorted(described["responses"].items())
        ),
        command=_write_command(method, path, bodies, with_token=bool(described.get("security"))),
    )


def _write_command(method: str, path: str, bodies: tuple[Content, ...], *, with_token: bool) -> str:
    """Write the operation for curl, with what is to be filled in in capitals."""
    parts = ["curl -sS"]
    if method != ("POST" if bodies else "GET"):  # those that curl itself uses
        parts.append(f"-X {method}")
    if with_token:
        parts.append("-H 'Authorization: Bearer TOKEN'")
    if bodies:
        parts.append(f"-H 'Content-Type: {bodies[0].media_type}' --data-binary @FILE")
    return " ".join([*parts, "URL" + path.replace("{", "").replace("}", "")])


def _read_contents(described: Schema) -> tuple[Content, ...]:
    return tuple(
        Content(media_type, _type_of(schema := content.get("schema", {})), _read_fields(schema))
        for media_type, content in described.get("content", {}).items()
    )


def read_models(document: Schema) -> list[Model]:
    """Return the schemas that have a name, by name."""
    return [
        Model(name, schema.get("description", ""), _read_fields(schema))
        for name, schema in sorted(document["components"]["schemas"].items())
    ]


def _read_fields(schema: Schema) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        Field(name, _type_of(member), name in required, member.get("description", ""))
        for name, member in schema.get("properties", {}).items()
    )


def _type_of(schema: Schema) -> Type:
    """Describe a type: its name, what it is a list of, what it may be, and its bounds."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return Type(name, name)
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return _join(map(_type_of, choices))
    if "enum" in schema:
        return Type(" or ".join(map(json.dumps, schema["enum"])))
    if "const" in schema:
        return Type(json.dumps(schema["const"]))
    if schema.get("type") == "array":
        item = _type_of(schema.get("items", {}))
        return Type(f"list of {item.text}", item.model)
    if isinstance(values := schema.get("additionalProperties"), Mapping):
        value = _type_of(values)
        return Type(f"object of {value.text}", value.model)
    return Type(" ".join([schema.get("format", schema.get("type", "anything")), *_read_bounds(schema)]))


def _join(types: Iterable[Type]) -> Type:
    """Join what something may be; the first schema with a name is the one to follow."""
    joined = list(types)
    return Type(" or ".join(one.text for one in joined), next((one.model for one in joined if one.model), None))


_BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "minLength": "of at least {} characters",
    "maxLength": "of at most {} characters",
}


def _read_bounds(schema: Schema) -> list[str]:
    return [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
