"""The measuring programs still run, and notice a server that loses reports. Nothing is said about speed here."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.progress import Progress

from bench.bodies import make_material
from bench.document import BEGIN, END, INGEST_COLUMNS
from bench.ingest import Miscounted, measure_ingest
from bench.load import Loader
from bench.machine import Conditions
from bench.results import Results, figures
from bench.running import processors
from bench.targets import bare

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs/performance.md").read_text()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


def test_a_tiny_run_measures_every_part_and_writes_it_into_the_document(cache: Path, tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(DOCUMENT)
    options = ("--size", "tiny", "--no-fetch", "--cache", str(cache), "--document", str(document))
    done = subprocess.run(
        [sys.executable, "-m", "bench", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, _, rest = document.read_text().partition(BEGIN)
    written, _, behind = rest.partition(END)
    assert (before, behind) == (DOCUMENT.partition(BEGIN)[0], DOCUMENT.partition(END)[2])
    assert written.strip() == done.stdout.strip()
    titles = re.findall("^### (.+)$", written, re.MULTILINE)
    assert titles == [
        "Targets",
        "Ingest, one worker",
        "Query latency, p50 / p95 (ms)",
        "Memory in MB",
    ]
    for place in (ROOT, cache, Path.home()):
        assert str(place) not in written


def test_the_document_has_the_columns_that_a_run_writes() -> None:
    heads = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in DOCUMENT.splitlines()]
    assert heads.count(INGEST_COLUMNS) == 2


def test_the_document_has_the_targets_that_a_run_writes() -> None:
    nothing = Results(Conditions(datetime.now(UTC), 1, "", 0.1, 0.0), load="", apart=True)
    for figure in figures(nothing):
        assert f"| {figure.name}" in DOCUMENT


def test_bodies_are_kept_for_the_next_run(cache: Path) -> None:
    with Progress(disable=True) as progress:
        first = make_material(cache, distinct=40, progress=progress)
        second = make_material(cache, distinct=40, progress=progress)
    assert first == second
    bodies = list(first.distinct.bodies(at=datetime.now(UTC)))
    assert len(set(bodies)) == 40
    assert all(10_000 < len(body) < 12_500 for body in bodies)


def test_a_server_that_answers_2xx_and_stores_nothing_fails_the_run(cache: Path, tmp_path: Path) -> None:
    cores = processors()
    with Progress(disable=True) as progress:
        limit = bare(make_material(cache, distinct=40, progress=progress).zipf, cores)
        forgetful = replace(limit, stored=lambda _: 0)
        with pytest.raises(Miscounted, match=r"answered .* reports with 2xx and holds 0"):
            measure_ingest(
                [limit, forgetful],
                Loader(on=cores.load, fetch=False),
                rounds=1,
                seconds=0.1,
                warm_seconds=0.1,
                directory=tmp_path,
                progress=progress,
            )
