"""The page, the command line, the API and the boards, asked about the same host at the same moment.

Each is asked as its readers ask it: the page and the API over HTTP, the command as it is run, and the boards by their
committed queries.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings
from tests.support.dashboards.boards import pair
from tests.support.dashboards.grafana import Range, interpolate, sql_of
from tests.support.dashboards.stores import Answer, sqlite_store

VERDICTS = {"Ready": "ready", "Not ready": "not_ready", "Not enough data": "not_enough_data"}


@dataclass(frozen=True, slots=True)
class Said:
    """What one of them says: the verdict, the step, and of each violation that it shows whether it counts."""

    verdict: str
    step: str
    counts: Mapping[int, bool] = field(default_factory=dict)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment in which a command has the settings of a service."""
    kept = settings.model_dump(mode="json", exclude_unset=True, exclude={"_env_file"})
    return {
        f"HPKP_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in kept.items()
        if value is not None
    }


def ask_api(client: httpx.Client, host: str) -> Said:
    """Ask the API for the verdict, and for all violations of the host."""
    answer = _json(client, f"/api/v1/hosts/{host}/readiness")
    counts: dict[int, bool] = {}
    path: str | None = f"/api/v1/violations?host={host}&limit=500"
    while path:
        page = _json(client, path)
        counts |= {violation["id"]: violation["counts"] for violation in page["items"]}
        path = page["next"]
    return Said(answer["verdict"], answer["plan"]["step"], counts)


def _json(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ask_page(client: httpx.Client, host: str) -> Said:
    """Read the host's page, with as many violations as it shows."""
    answer = client.get(f"/hosts/{host}", params={"merge": "no"}, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    verdict = re.search(r'<h2 id="verdict">.*?<span>([^<]+?)\s*<small>', answer.text, re.DOTALL)
    step = re.search(r'<span class="step">(.*?)</span>', answer.text)
    rows = re.findall(
        r'<a class="title" href="/violations/(\d+)">.*?<td data-label="Counts">(yes|no)</td>', answer.text, re.DOTALL
    )
    assert verdict
    assert step
    counts = {int(number): counts == "yes" for number, counts in rows}
    return Said(VERDICTS[verdict[1].strip()], unescape(step[1]), counts)


def ask_command(environment: Mapping[str, str], host: str) -> tuple[Said, int]:
    """Run `hpkp readiness`; with how many violations its findings of open ones count in all."""
    found = CliRunner().invoke(app, ["readiness", host, "--json"], env=dict(environment))
    assert found.exit_code in (0, 1, 2), found.output
    answer = json.loads(found.stdout)
    assert found.exit_code == {"ready": 0, "not_ready": 1, "not_enough_data": 2}[answer["verdict"]]
    opened = [finding["evidence"] for finding in answer["findings"] if finding["code"].startswith("open_")]
    counts = {number: True for evidence in opened for number in evidence["violations"]}
    total = sum(evidence["violation_count"] for evidence in opened)
    return Said(answer["verdict"], answer["plan"]["step"], counts), total


def ask_boards(database: Path, host: str, shown: Range) -> Said:
    """Ask what the overview says of the host, and its own board of its violations."""
    with sqlite_store(database) as store:
        chosen = {"host": host, "violation": "", "per": "daily", "service": ""}

        def ask(board: str, title: str) -> Answer:
            (panel,) = [panel for panel in pair(board)[1].panels() if panel["title"] == title]
            return store.ask(interpolate(sql_of(panel["targets"][0]), chosen), shown)

        overview, top = ask("overview", "Hosts"), ask("host", "Top violations")
    place = overview.column("host").index(host)
    counts = dict(zip(map(int, top.column("violation_id")), top.column("counts"), strict=True))
    return Said(
        overview.column("verdict")[place],
        overview.column("next_step")[place],
        {number: {"yes": True, "no": False}[word] for number, word in counts.items()},
    )


def count_on_boards(database: Path, host: str) -> dict[int, bool]:
    """Return of every violation what the view says; the board shows the most frequent ones."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT violation_id, counts FROM violations_v1 WHERE host = ?", (host,)).fetchall()
    connection.close()
    return {number: bool(counts) for number, counts in rows}


def check_that_all_say_the_same(client: httpx.Client, settings: Settings, host: str, *, shown: Range) -> Said:
    """Ask all four, and return what they agree on. The verdict has to be recorded at this moment."""
    database = Path(settings.database_url.removeprefix("sqlite:///"))
    said = ask_api(client, host)
    command, total = ask_command(environment_of(settings), host)
    for other in (ask_page(client, host), command, ask_boards(database, host, shown)):
        assert (other.verdict, other.step) == (said.verdict, said.step)
        assert other.counts.items() <= said.counts.items()
    assert total == sum(said.counts.values())
    assert count_on_boards(database, host) == said.counts
    return said
