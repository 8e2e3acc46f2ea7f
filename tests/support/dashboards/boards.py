"""The committed dashboards, and their parts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "dashboards"
ENGINES = ("postgres", "sqlite", "prometheus")


@dataclass(frozen=True, slots=True)
class File:
    """A committed dashboard."""

    engine: str
    name: str
    model: dict[str, Any]

    @property
    def id(self) -> str:
        """Name it in a test's id."""
        return f"{self.engine}-{self.name}"

    def panels(self) -> Iterator[dict[str, Any]]:
        """Give its panels, without the rows' heads."""
        return (panel for panel in self.model["panels"] if panel["type"] != "row")

    def variables(self, kind: str) -> Iterator[dict[str, Any]]:
        """Give its variables of a kind."""
        return (variable for variable in self.model["templating"]["list"] if variable["type"] == kind)


def files() -> list[File]:
    """Return every committed dashboard."""
    return [
        File(engine, path.stem, json.loads(path.read_text()))
        for engine in ENGINES
        for path in sorted((FOLDER / engine).glob("*.json"))
    ]


FILES = files()
SQL_NAMES = sorted({file.name for file in FILES if file.engine == "postgres"})


def pair(name: str) -> tuple[File, File]:
    """Return a board for PostgreSQL and its twin for SQLite."""
    found = {file.engine: file for file in FILES if file.name == name}
    return found["postgres"], found["sqlite"]
