"""Writes ``docs/openapi.json``, the contract that clients are generated from. Run ``make openapi`` after a change.

The tests compare the file with what the application serves, so that no change of the contract goes unseen.
"""

import json
from pathlib import Path

from app.main import create_app
from app.settings import Settings

TARGET = Path(__file__).parents[1] / "docs" / "openapi.json"


def render() -> str:
    """Return the document as it is committed."""
    return json.dumps(create_app(Settings(_env_file=None)).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
