"""``hpkp demo``: fill an empty store with a believable rollout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.scenario import HOST, ScenarioName, play, scenario_named
from app.cli.terminal import JsonOption, fail, opened, out, print_json, read_settings, show_progress
from app.clock import now
from app.hpkp.findings import Severity

if TYPE_CHECKING:
    from app.hpkp.readiness import Readiness
    from app.service import Service

_FILES = Path("data/demo")
"""What the files are named after where the store is none."""


def demo(
    database: Annotated[
        str, typer.Option(help="The SQLite file to fill, or the URL of a store; it must be empty or not exist.")
    ] = "data/demo.sqlite3",
    scenario: Annotated[
        ScenarioName | None, typer.Option(help="A rollout with a known right answer for every day, instead.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rollout, with other keys.")] = 7,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it when it is filled.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for --serve; 0 takes a free one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fill a new database with sample data.

    Without --scenario, three months of a company with six hosts. Everything in it is invented. Its roots, and what is
    known of its keys, go into files next to it, because no public store and no catalog knows them. With --serve, the
    pages are then at the address that is printed, until you press Ctrl-C.
    """
    from app.cli.demo_fleet import play_demo_fleet
    from app.demo.demo_fleet import DAYS
    from app.demo.demo_fleet_hosts import make_demo_fleet
    from app.demo.rollout import make_keys
    from app.store.read.filters import Filter

    if serve and as_json:
        fail("--serve and --json exclude each other")
    at = now()
    url, beside = (database, _FILES) if "://" in database else (f"sqlite:///{database}", Path(database))
    with opened(read_settings(database_url=url), creates=True) as service:
        _refuse_a_full_one(service, url)
    fleet, keys = make_demo_fleet(at=at, seed=seed), make_keys(HOST, at=at - timedelta(days=10))
    made = keys if scenario else fleet
    roots, catalog = beside.with_suffix(".roots.pem"), beside.with_suffix(".catalog.toml")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        for file, text in ((roots, made.roots_pem), (catalog, made.catalog)):
            file.touch(mode=0o600)
            file.write_text(text)
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}")
    days: list[tuple[datetime, Readiness]] = []
    with opened(read_settings(database_url=url, trust_anchors=roots, catalog=catalog), creates=True) as service:
        service.rejudging.run_if_knowledge_changed(at=at)
        if scenario:
            chosen = scenario_named(scenario.value)
            days = list(_shown(play(service, chosen, keys, until=at), chosen.days))
        else:
            list(_shown(play_demo_fleet(service, fleet), DAYS))
        hosts = _hosts(service)
        summary = service.hosts.summarise(Filter())
        assert summary is not None  # of all hosts
    if as_json:
        print_json(
            {
                "database": database,
                "roots": roots,
                "catalog": catalog,
                "host": HOST,
                "hosts": hosts,
                "reports": summary.reports,
                "violations": summary.violations,
                "by_cause": summary.by_cause,
                "verdicts": [{"at": evening, "verdict": answer.verdict} for evening, answer in days],
            }
        )
        return
    _print_days(days)
    for host in hosts:
        out.print(f"{host['host']:20} {host['reports']:6} reports  {host['verdict'] or 'no policy'}", markup=False)
    look = {"HPKP_DATABASE_URL": url, "HPKP_TRUST_ANCHORS": str(roots), "HPKP_CATALOG": str(catalog)}
    if serve:
        _serve(look, port)
    else:
        command = " ".join([*(f"{name}={value}" for name, value in look.items()), _own_name()])
        out.print(f"\nNext:\n  {command} readiness {HOST}\n  {command} serve --port 0", markup=False)


def _serve(look: dict[str, str], port: int) -> None:
    """Serve as the printed command would; the environment is what a service and its processes read."""
    from app.cli.serve import serve

    os.environ.update(look)
    serve(port=port)


def _own_name() -> str:
    """Return how this program was called, which works where ``hpkp`` is not on the PATH."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "hpkp" else "hpkp"


def _refuse_a_full_one(service: Service, url: str) -> None:
    from app.store.engine import without_password

    if service.hosts.list(limit=1):
        fail(f"{without_password(url)} is not empty. Choose another --database.")


def _shown(days: Iterable[Any], total: int) -> Iterator[Any]:
    with show_progress() as progress:
        yield from progress.track(days, total=total, description="Filling the database")


def _hosts(service: Service) -> list[dict[str, Any]]:
    hosts = service.hosts.list(limit=100)
    verdicts = service.hosts.last_verdicts([host.name for host in hosts])
    return [
        {
            "host": host.name,
            "reports": host.reports,
            "violations": host.violations,
            "verdict": None if (last := verdicts[host.name]) is None else last.verdict,
        }
        for host in hosts
    ]


def _print_days(days: list[tuple[datetime, Readiness]]) -> None:
    for evening, answer in days:
        why = [f.code for f in answer.findings if f.severity is Severity.BLOCKER or f.withholds]
        out.print(f"  {evening:%Y-%m-%d}  {answer.verdict:16} {', '.join(why)}", markup=False)
