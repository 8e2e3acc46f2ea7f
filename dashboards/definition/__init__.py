"""All that is written into files, from the boards and rules of this folder."""

import json
from collections.abc import Iterator

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
    links = list(_links(engine, board))
    return json.dumps(board.write(engine, links), indent=2, ensure_ascii=False) + "\n"


def _links(engine: Engine, board: Board) -> Iterator[tuple[str, str]]:
    """Name the other boards, with those variables of this one that they have too and of which one value is chosen."""
    if engine is PROMETHEUS:
        yield "Rollout overview", f"/d/{OVERVIEW.uid}"
        return
    single = {choice.name for choice in board.choices if not choice.many}
    for other in SQL_BOARDS:
        if other is not board:
            shared = [choice.name for choice in other.choices if choice.name in single and not choice.hidden]
            parameters = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", *shared))
            title = other.title.removeprefix("HPKP: ").capitalize()
            yield title, f"/d/{other.uid}{engine.suffix}?{parameters}"
    yield "Collector health", f"/d/{HEALTH.uid}"
    yield "Pages", "${service}"
