"""``hpkp demo``: fill an empty store with a believable rollout."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from app.cli.season import play_season
from app.cli.story import HOST, StoryName, play, story_named
from app.cli.terminal import JsonOption, err, fail, opened, out, print_json, read_settings
from app.hpkp.findings import Severity
from app.hpkp.readiness import Readiness
from app.samples.rollout import make_keys
from app.samples.season import DAYS
from app.samples.season_hosts import make_season
from app.service import Service, now
from app.store.engine import without_password
from app.store.read.filters import Filter

_FILES = Path("data/demo")
"""What the files are named after where the store is none."""


def demo(
    database: Annotated[
        str, typer.Option(help="The SQLite file to fill, or the URL of a store; it must be empty or not exist.")
    ] = "data/demo.sqlite3",
    scenario: Annotated[
        StoryName | None, typer.Option(help="A rollout with a known right answer for every day, instead.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rollout, with other keys.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Fill a store with a made-up rollout, and say how to look at it.

    Without --scenario, three months of a company with six hosts. Everything in it is invented. Its roots, and what is
    known of its keys, go into files beside it, because no public store and no catalog knows them.
    """
    at = now()
    url, beside = (database, _FILES) if "://" in database else (f"sqlite:///{database}", Path(database))
    with opened(read_settings(database_url=url)) as service:
        _refuse_a_full_one(service, url)
    season, keys = make_season(at=at, seed=seed), make_keys(HOST, at=at - timedelta(days=10))
    made = keys if scenario else season
    roots, catalog = beside.with_suffix(".roots.pem"), beside.with_suffix(".catalog.toml")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        roots.write_text(made.roots_pem)
        catalog.write_text(made.catalog)
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}")
    days: list[tuple[datetime, Readiness]] = []
    with opened(read_settings(database_url=url, trust_anchors=roots, catalog=catalog)) as service:
        service.rejudging.run_if_knowledge_changed(at=at)
        if scenario:
            story = story_named(scenario.value)
            days = list(_shown(play(service, story, keys, until=at), story.days))
        else:
            list(_shown(play_season(service, season), DAYS))
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
    look = f"HPKP_DATABASE_URL={url} HPKP_TRUST_ANCHORS={roots} HPKP_CATALOG={catalog}"
    out.print(f"\nLook at it:\n  {look} hpkp readiness {HOST}\n  {look} hpkp serve", markup=False)


def _refuse_a_full_one(service: Service, url: str) -> None:
    if service.hosts.list(limit=1):
        fail(f"{without_password(url)} is not empty; the demo would mix with what is there. Name another --database.")


def _shown(days: Iterator[Any], total: int) -> Iterator[Any]:
    return iter(track(days, "Filling the store", total=total, console=err, transient=True))


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
