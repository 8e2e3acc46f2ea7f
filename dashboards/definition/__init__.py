"""All that is written into files, from the boards and rules of this folder."""

import json

from dashboards.definition import alerts
from dashboards.definition.boards import Board
from dashboards.definition.engines import PROMETHEUS, SQL_ENGINES, Engine
from dashboards.definition.health import HEALTH
from dashboards.definition.host import HOST_DETAIL
from dashboards.definition.overview import OVERVIEW
from dashboards.definition.violation import VIOLATION_DETAIL

SQL_BOARDS = (OVERVIEW, HOST_DETAIL, VIOLATION_DETAIL)
BOARDS: tuple[tuple[Engine, Board], ...] = (
    *((engine, board) for engine in SQL_ENGINES for board in SQL_BOARDS),
    (PROMETHEUS, HEALTH),
)
"""Every dashboard: an engine and a board."""


def files() -> dict[str, str]:
    """Return the text of each file by its name below ``dashboards``."""
    boards = {f"{engine.folder}/{board.file}.json": _text(engine, board) for engine, board in BOARDS}
    return boards | {"provisioning/alerting/hpkp.json": alerts.provisioning()}


def _text(engine: Engine, board: Board) -> str:
    suffix = "-sqlite" if engine.folder == "sqlite" else ""
    others = [(other.title.removeprefix("HPKP: ").capitalize(), f"{other.uid}{suffix}") for other in SQL_BOARDS]
    links = [*others, ("Collector health", HEALTH.uid)]
    made = board.write(engine, [link for link in links if link[1] != f"{board.uid}{engine.suffix}"])
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"
