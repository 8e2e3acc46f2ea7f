"""JSON, strictly: a key that is there twice and nesting without end are refused, with the place."""

import json
from typing import Any, NoReturn

from app.hpkp.errors import InvalidAppConfig


def read_json(text: str) -> Any:
    """Return the value. Raises InvalidAppConfig."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidAppConfig(f"not JSON: {error.msg}", place=place) from None
    except RecursionError:
        raise InvalidAppConfig("the JSON is nested too deep") from None
    except ValueError as error:
        if isinstance(error, InvalidAppConfig):
            raise
        raise InvalidAppConfig(f"not JSON: {error}") from None  # a number of thousands of digits


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidAppConfig(f"the key {key[:80]!r} is there twice; which of the two counts differs by reader")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidAppConfig(f"not JSON: {name}")
