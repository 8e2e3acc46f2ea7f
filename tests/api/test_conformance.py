"""Schemathesis attacks a running service by its OpenAPI document: with all of its checks, in all of its phases.

It sends examples, every parameter's boundaries, generated valid and invalid requests, and chains of requests that
follow the document's links. Its seed is fixed, so that two runs send the same. A longer run, by hand:
``uv run python -m tests.api.test_conformance 200``.
"""

import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.api import apps, check_routes, control, events, probes, readiness, refusals, schemas
from tests.support.admin import ADMIN
from tests.support.api.schemathesis_checks import BY_RULE, find_rule
from tests.support.reports import HOST, report_body, site
from tests.support.server import RunningService, running_service

ROOT = Path(__file__).parents[2]
EXAMPLES = 5
"""Per operation and phase, in addition to some 2,000 requests for the boundaries of every parameter."""
REPLACED = "positive_data_acceptance"
"""The one check that is not Schemathesis' own; `tests.support.api.schemathesis_checks` says why, and adds one."""


def _fill(service: RunningService) -> None:
    """Store something that the operations can be about."""
    put = service.client.put(f"/api/v1/hosts/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}]})
    assert put.status_code == 200, put.text
    sent = [service.client.post("/report", content=body) for body in (report_body(), report_body(port=8443), b"none")]
    assert [answer.status_code for answer in sent] == [204, 204, 400]


def attack(directory: Path, examples: int) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis on a service of its own; the exit code is 0 if it finds nothing."""
    with running_service(directory) as service:
        _fill(service)
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--seed", "7",
            "--max-examples", str(examples), "--checks", "all", "--exclude-checks", REPLACED,
            "--continue-on-failure", "--suppress-health-check", "all", "--no-color",
            *(option for name, value in ADMIN.items() for option in ("-H", f"{name}: {value}")),
        ]  # fmt: skip
        hooks = {"SCHEMATHESIS_HOOKS": "tests.support.api.schemathesis_checks", "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=directory, env=os.environ | hooks, capture_output=True, text=True)


def test_nothing_that_the_document_says_is_untrue(tmp_path: Path) -> None:
    found = attack(tmp_path, EXAMPLES)
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅  {phase}" in found.stdout
    log = (tmp_path / "serve.log").read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log


def test_a_refusal_is_accepted_for_the_named_member_alone() -> None:
    assert (
        find_rule("PUT", "/api/v1/apps/{app}/installs", "/12") == BY_RULE["PUT", "/api/v1/apps/{app}/installs", r"/\d+"]
    )
    for unknown in (
        ("PUT", "/api/v1/apps/{app}/installs", None),
        ("PUT", "/api/v1/apps/{app}/installs", "/0/day"),
        ("POST", "/report", "/hostname"),
        ("GET", "/api/v1/hosts/{host}/policy", "/path/host"),
    ):
        assert find_rule(*unknown) is None


# What a member of a request takes, by its type.

_WRONG: dict[str, tuple[object, ...]] = {
    "boolean": (True,),
    "integer": (1,),
    "number": (0.5,),
    "string": ("1", "true", "x"),
    "array": ([],),
    "object": ({},),
}
"""Values of each type of JSON that Pydantic would convert to another one."""


def _members() -> Iterator[tuple[str, TypeAdapter[Any]]]:
    """Walk the members of every model of a request body."""
    for module in (apps, control, events, probes, readiness, refusals, schemas, check_routes):
        for name, model in inspect.getmembers(module, inspect.isclass):
            if name.endswith("Request") and issubclass(model, BaseModel) and model.__module__ == module.__name__:
                for member, about in model.model_fields.items():
                    annotation: Any = Annotated[about.annotation, None, *about.metadata]
                    yield f"{name}.{member}", TypeAdapter(annotation)


def _types_of(schema: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        return _types_of(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return set().union(*(_types_of(part, definitions) for part in schema["anyOf"]))
    return {schema["type"]}


MEMBERS = dict(_members())


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_of_a_request_takes_no_value_of_another_type(name: str) -> None:
    schema = MEMBERS[name].json_schema()
    allowed = _types_of(schema, schema.get("$defs", {}))
    assert allowed <= {*_WRONG, "null"}
    for kind, values in _WRONG.items():
        fits = kind in allowed or (kind == "integer" and "number" in allowed)
        for value in () if fits else values:
            with pytest.raises(ValidationError):
                MEMBERS[name].validate_python(value)


def test_every_request_is_among_them() -> None:
    assert {name.partition(".")[0] for name in MEMBERS} >= {
        "PolicyRequest", "StatusRequest", "ReleaseRequest", "RetireRequest", "InstallsRequest", "ControlRequest",
        "EventRequest", "ProbeRequest", "ExposureRequest", "CarriedPinsRequest", "WhatIfRequest",
        "RefusalDecisionRequest",
    }  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        result = attack(Path(made), int(sys.argv[1]))
    print(result.stdout, result.stderr)  # noqa: T201
    sys.exit(result.returncode)
