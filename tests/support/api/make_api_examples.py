"""Makes ``app/api/examples.json``: a request and an answer of every operation, as a running service gave them.

Lists are cut to two items, so that an example can be read. Run ``make openapi-examples`` after a change of what is
answered; the tests hold each example against its schema.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.api.problems import MEDIA_TYPE
from tests.support.api.generated_client import Caller, call_every_operation, client_of, generate_client, make_token
from tests.support.server import running_service

TARGET = Path(__file__).parents[3] / "app" / "api" / "examples.json"
_SHOWN = 2
_LONGEST_TEXT = 1500
"""Of text that is no JSON: metrics and exports; whole lines."""


def record(call: Caller) -> dict[str, dict[str, Any]]:
    """Return the requests and answers of the calls, by operation."""
    found: dict[str, dict[str, Any]] = {
        name: {
            "answers": {
                kind: _shorten(_read(text, kind)) for kind, text in answers.items() if text and kind != MEDIA_TYPE
            }
        }
        for name, answers in call.answers.items()
    }
    pem = found["get_certificate"]["answers"]["application/json"]["pem"]
    found["get_certificate"]["answers"]["application/x-pem-file"] = pem
    for name, body in call.requests.items():
        found[name]["request"] = _shorten(_plain(body))
    return {name: found[name] for name in sorted(found)}


def _read(content: bytes, media_type: str) -> Any:
    if media_type == "application/json":
        return json.loads(content)
    text = content.decode()
    return text[: text.rindex("\n", 0, _LONGEST_TEXT) + 1] if len(text) > _LONGEST_TEXT else text


def _plain(body: Any) -> Any:
    """Return a request's body as JSON has it: a model, a list of them, or a file's text."""
    if isinstance(body, list):
        return [item.to_dict() for item in body]
    return body.payload.getvalue().decode() if hasattr(body, "payload") else body.to_dict()


def _shorten(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shorten(inner) for name, inner in value.items()}
    return [_shorten(inner) for inner in value[:_SHOWN]] if isinstance(value, list) else value


def main() -> None:
    """Generate a client, run a service, call everything, and write the file."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        if faults := generate_client(folder):
            raise SystemExit(f"the client cannot be generated: {faults}")
        sys.path.insert(0, name)
        with running_service(folder / "data") as service, client_of(service, make_token(folder / "data")) as client:
            call = Caller(client)
            call_every_operation(call)
    TARGET.write_text(json.dumps(record(call), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
