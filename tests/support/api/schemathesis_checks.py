"""Loaded by Schemathesis: which requests that fit the document may be refused, and by which rule.

It takes the place of Schemathesis' own check (``positive_data_acceptance``), which knows no reasons: these rules are
about two members together, about the store, about the clock, or about a text's grammar, and no schema can say them in a
form from which clients can be generated. A refusal is accepted for exactly the operation and member named here.
"""

import re
from typing import Any

import schemathesis
from schemathesis.generation.modes import GenerationMode

BY_RULE = {
    ("DELETE", "/api/v1/hosts/{host}", "/query/confirm"): "another name than the host's",
    ("GET", "/api/v1/hosts/{host}/readiness", "/query/at"): "lies in the future",
    ("GET", "/api/v1/hosts/{host}/control", "/query/server"): "a server that cannot choose a share of its clients",
    ("GET", "/api/v1/overflow", "/query/since"): "a window of more than a year",
    ("POST", "/api/v1/events", "/at"): "lies in the future",
    ("POST", "/api/v1/hosts/{host}/canary", "/path/host"): "the policy in the store names no report-uri",
    ("POST", "/api/v1/hosts/{host}/check", None): "a text without certificates in PEM",
    ("POST", "/api/v1/hosts/{host}/control", "/domain"): "no name below the host",
    ("POST", "/api/v1/hosts/{host}/control", "/pins"): "fewer than two, or pins of keys of the host",
    ("POST", "/report", ""): "neither pins nor a chain",
    ("POST", "/report", r"/\d+/body"): "the same, in a batch",
    ("POST", "/report/{label}", ""): "neither pins nor a chain",
    ("POST", "/report/{label}", r"/\d+/body"): "the same, in a batch",
    ("PUT", "/api/v1/apps/{app}/installs", r"/\d+"): "both version and build or neither, or a day before 2000",
    ("PUT", "/api/v1/apps/{app}/releases/{version}", r"/files/\d+"): "a text in no known form of configuration",
    ("PUT", "/api/v1/apps/{app}/releases/{version}", r"/builds/\d+"): "a name with control characters",
    ("PUT", "/api/v1/apps/{app}/releases/{version}", r"/path/(app|version)"): "a name with control characters",
    ("PUT", "/api/v1/hosts/{host}/exposure/{date}", "/path/date"): "lies in the future, or before HTTP",
    ("PUT", "/api/v1/hosts/{host}/exposure/{date}", "/clients"): "with control, sessions or no clients",
    ("PUT", "/api/v1/hosts/{host}/exposure/{date}", "/sessions"): "neither number, or fewer sessions than clients",
    ("PUT", "/api/v1/hosts/{host}/policy", "/effective_from"): "lies in the future, or is not a date in UTC",
    ("PUT", "/api/v1/hosts/{host}/policy", "/header"): "not a value of the field by its grammar",
    ("PUT", "/api/v1/hosts/{host}/policy", "/path/host"): "an address, which RFC 7469 does not pin",
    ("PUT", "/api/v1/hosts/{host}/policy", "/pins"): "both pins and header, neither, or no policy by RFC 7469",
}
"""Refusals of what fits the schema, by operation and pointer, which is a regular expression."""


def find_rule(method: str, path: str, pointer: str | None) -> str | None:
    """Return the rule by which a request that fits the document may be refused at a pointer; None if none is known."""
    for (its_method, its_path, its_pointer), rule in BY_RULE.items():
        if (its_method, its_path) == (method, path) and (
            pointer == its_pointer or (pointer and its_pointer and re.fullmatch(its_pointer, pointer))
        ):
            return rule
    return None


@schemathesis.check
def accepts_what_the_document_allows(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Find a request that fits the schema and is refused by no rule of `BY_RULE`."""
    generated = case.meta.generation.mode if case.meta else None
    if generated is not GenerationMode.POSITIVE or response.status_code not in (400, 408, 413, 415, 422):
        return
    problem = response.json()
    method, path, pointer = case.method.upper(), case.operation.path, problem.get("pointer")
    if "errors" in problem or find_rule(method, path, pointer) is None:
        raise AssertionError(f"{method} {path} {pointer} refused: {problem.get('detail')}")
