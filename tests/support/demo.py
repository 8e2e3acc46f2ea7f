"""The store that ``hpkp demo`` fills, made once for all tests that look at it."""

import functools
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from app.cli import app


@dataclass(frozen=True, slots=True)
class Demo:
    """A filled store: its files, and what the command said. Nobody writes to it; take a copy for that."""

    database: Path
    roots: Path
    catalog: Path
    told: dict[str, Any]

    @property
    def settings(self) -> dict[str, str]:
        """What a command needs in its environment to look at it."""
        return {
            "HPKP_DATABASE_URL": f"sqlite:///{self.database}",
            "HPKP_TRUST_ANCHORS": str(self.roots),
            "HPKP_CATALOG": str(self.catalog),
        }

    def copy_to(self, folder: Path) -> "Demo":
        """Copy it into a folder, where it may be written to."""
        database, roots, catalog = (Path(shutil.copy(f, folder)) for f in (self.database, self.roots, self.catalog))
        return Demo(database, roots, catalog, self.told)


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="hpkp-demo-")


@functools.cache
def demo_store() -> Demo:
    """Return the demo, filled on first use."""
    database = Path(_folder().name, "demo.sqlite3")
    result = CliRunner().invoke(app, ["demo", "--database", str(database), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    told = json.loads(result.stdout)
    return Demo(database, Path(told["roots"]), Path(told["catalog"]), told)
