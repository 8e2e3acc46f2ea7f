"""``python -m bench.boards``: what each panel's query costs on a large store, in SQLite and PostgreSQL.

Measured is the CPU time of the process that runs the query: Grafana's plugin has SQLite in its own process, PostgreSQL
has one for each connection. Waiting is left out, so that other work on the machine says little.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import insert, select

from app.store import tables
from app.store.engine import DAY_MS, open_engine, writing
from bench.bodies import HOSTS, make_material
from bench.fill import DAYS, fill_store
from bench.running import ROOT
from tests.support.dashboards.boards import SQL_NAMES, pair
from tests.support.dashboards.grafana import Range, Value, interpolate, sql_of
from tests.support.dashboards.stores import PostgresStore, Store, postgres_store, sqlite_store

LIMITS = {"sqlite": 100.0, "postgres": 150.0}
"""Most milliseconds of CPU time that a query may take."""
RANGES = {"24 hours": timedelta(days=1), "90 days": timedelta(days=90), "a year": timedelta(days=365)}
_AT_MOST_TIMES = 50
_AT_LEAST_SECONDS = 0.3
"""A query is repeated until so much CPU time is spent: the kernel counts another process's in steps of 10 ms."""

err = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a query took, in milliseconds of CPU time."""

    engine: str
    board: str
    panel: str
    shown: str
    milliseconds: float


def bench_boards(
    reports: Annotated[int, typer.Option(min=1, help="Reports in the store.")] = 1_000_000,
    violations: Annotated[int, typer.Option(min=1, help="Distinct violations in the store.")] = 1000,
    cache: Annotated[Path, typer.Option(help="Where bodies are kept.", show_default=".cache/bench")] = ROOT
    / ".cache/bench",
) -> None:
    """Fill a store, and print the most expensive panels; exit 1 if one is over its limit."""
    with tempfile.TemporaryDirectory(prefix="hpkp-boards-") as folder:
        database = Path(folder, "hpkp.sqlite3")
        with Progress(console=err) as progress:
            material = make_material(cache.resolve(), distinct=violations, progress=progress)
            fill_store(
                database, material, reports=reports, violations=violations, progress=progress, at=datetime.now(UTC)
            )
        add_decision_days(database)
        with sqlite_store(database) as sqlite:
            costs = list(measure("sqlite", sqlite, time.process_time))
        with postgres_store(database) as postgres:
            _analyze(postgres)
            process = postgres.connection.info.backend_pid
            costs += measure("postgres", postgres, lambda: _cpu_seconds(process))
    typer.echo(markdown(costs, reports=reports))
    if over := [cost for cost in costs if cost.milliseconds > LIMITS[cost.engine]]:
        err.print(f"error: {len(over)} queries are over their limits", style="red")
        raise typer.Exit(1)


def add_decision_days(database: Path) -> None:
    """Give every day of the store the numbers of the last one."""
    engine, table = open_engine(f"sqlite:///{database}"), tables.decision_days
    with writing(engine) as connection:
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
        older = [row | {"day": row["day"] - back * DAY_MS} for row in rows for back in range(1, DAYS)]
        connection.execute(insert(table), older)
    engine.dispose()


def measure(engine: str, store: Store, spent: Callable[[], float]) -> Iterator[Cost]:
    """Ask every query of every board, for all hosts where the board has that choice, over each of the ranges."""
    now = datetime.now(UTC)
    for board, (shown, back) in itertools.product(SQL_NAMES, RANGES.items()):
        file = pair(board)[0 if engine == "postgres" else 1]
        variables: dict[str, Value] = {
            "host": HOSTS if board == "overview" else HOSTS[0], "violation": "1", "service": "http://127.0.0.1:8000"
        }  # fmt: skip
        for panel in file.panels():
            for target in panel["targets"]:
                text = interpolate(sql_of(target), variables)
                taken = _time(lambda: store.ask(text, Range(now - back, now)), spent)  # noqa: B023  called at once
                yield Cost(engine, board, panel["title"], shown, taken)


def _time(ask: Callable[[], object], spent: Callable[[], float]) -> float:
    """Return the milliseconds of CPU time of a question on average, after it was asked once."""
    ask()
    before, taken, times = spent(), 0.0, 0
    while taken < _AT_LEAST_SECONDS and times < _AT_MOST_TIMES:
        ask()
        taken, times = spent() - before, times + 1
    return 1000 * taken / times


def _cpu_seconds(process: int) -> float:
    """Read the CPU time of another process of this machine."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _analyze(store: PostgresStore) -> None:
    """Do what PostgreSQL does by itself after a while."""
    info = store.connection.info
    owner = open_engine(f"postgresql://postgres@/{info.dbname}?host={info.host}")
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    owner.dispose()


def markdown(costs: list[Cost], *, reports: int) -> str:
    """Write the most expensive panels of each database as a table."""
    lines = [
        f"CPU time of the boards' queries over a store of {reports:,} reports, the most expensive of each database:",
        "",
        "| Database | Limit (ms) | Board | Panel | Range | CPU (ms) |",
        "|---|---|---|---|---|---|",
    ]
    for engine, limit in LIMITS.items():
        of_engine = sorted((cost for cost in costs if cost.engine == engine), key=lambda cost: -cost.milliseconds)
        lines += [
            f"| {engine} | {limit:.0f} | {cost.board} | {cost.panel} | {cost.shown} | {cost.milliseconds:.0f} |"
            for cost in of_engine[:8]
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(bench_boards)
