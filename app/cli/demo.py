"""``hpkp demo``: fill an empty store with a believable rollout."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from app.cli.story import StoryName, play, story_named
from app.cli.terminal import JsonOption, err, fail, opened, out, print_json, read_settings
from app.collector import Envelope
from app.hpkp.findings import Severity
from app.hpkp.hosts import Host
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.hpkp.readiness import Readiness
from app.hpkp.report import Sender
from app.samples import SampleApp, SampleSite, Scenario, make_site
from app.samples.rollout import make_keys
from app.service import Service, now
from app.store.engine import to_ms, writing
from app.store.submissions import Submission
from app.store.summaries import list_hosts, summarise
from app.store.violations import Filter

HOST = Host("www.example.com")
DAYS = 20
_BATCH = 200
_DAILY = {
    Scenario.OTHER_TRUST_PATH: 6,
    Scenario.PRIVATE_ROOT: 14,
    Scenario.STALE_KNOWN_PINS: 8,
    Scenario.CLOCK: 3,
    Scenario.NO_EVIDENCE: 1,
    Scenario.MATCHES_EXPECTED: 2,
}
"""About how many reports of each scenario arrive in a day."""
_APPS_ONLY = frozenset({Scenario.PRIVATE_ROOT, Scenario.CLOCK})
"""Chromium does not report chains that end at a root which the user installed."""
_STRAY_DAYS = range(11, 14)
"""Days of the rollout on which a server was deployed with a key that nobody pinned."""


def demo(
    database: Annotated[Path, typer.Option(help="The SQLite file to fill; it must be empty or not exist.")] = Path(
        "data/demo.sqlite3"
    ),
    scenario: Annotated[
        StoryName | None, typer.Option(help="A rollout with a known right answer for every day, instead.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rollout, with other keys.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Fill a store with a made-up rollout, and say how to look at it.

    Without --scenario, twenty days of mixed reports. Everything in it is invented. Its roots go into a file beside it,
    because no public store knows them.
    """
    at = now()
    site, keys = make_site(HOST, at=at), make_keys(HOST, at=at - timedelta(days=10))
    roots, catalog = database.with_suffix(".roots.pem"), database.with_suffix(".catalog.toml")
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        if not database.exists():
            roots.write_text(site.public_roots_pem if scenario is None else keys.roots_pem)
            catalog.write_text("" if scenario is None else keys.catalog)
    except OSError as error:
        fail(f"{database} cannot be written: {error.strerror}")
    url = f"sqlite:///{database}"
    files = {"trust_anchors": roots, "catalog": catalog}
    given = {name: path for name, path in files.items() if path.exists()}
    with opened(read_settings(database_url=url, **given)) as service:
        with service.engine.connect() as connection:
            if list_hosts(connection, limit=1):
                fail(f"{database} is not empty; the demo would mix with what is there. Name another --database.")
        days = []
        if scenario is None:
            _set_policies(service, site, at)
            _write(service, sorted(_submissions(service, site, at, random.Random(seed)), key=lambda s: s.received_at))
        else:
            story = story_named(scenario.value)
            played = play(service, story, keys, until=at)
            days = list(track(played, "Playing", total=story.days, console=err, transient=True))
        with service.engine.connect() as connection:
            summary = summarise(connection, Filter(host=HOST))
    look = f"HPKP_DATABASE_URL={url} HPKP_TRUST_ANCHORS={roots} HPKP_CATALOG={catalog}"
    if as_json:
        print_json(
            {
                "database": database,
                "roots": roots,
                "catalog": catalog,
                "host": HOST,
                "reports": summary.reports,
                "violations": summary.violations,
                "by_cause": summary.by_cause,
                "verdicts": [{"at": evening, "verdict": answer.verdict} for evening, answer in days],
            }
        )
        return
    _print_days(days)
    out.print(f"{summary.reports} reports of {summary.violations} violations for {HOST}:", markup=False)
    for cause, reports in summary.by_cause.items():
        out.print(f"  {reports:6}  {cause}", markup=False)
    out.print(f"\nLook at it:\n  {look} hpkp readiness {HOST}\n  {look} hpkp serve", markup=False)


def _print_days(days: list[tuple[datetime, Readiness]]) -> None:
    for evening, answer in days:
        why = [f.code for f in answer.findings if f.severity is Severity.BLOCKER or f.withholds]
        out.print(f"  {evening:%Y-%m-%d}  {answer.verdict:16} {', '.join(why)}", markup=False)


def _set_policies(service: Service, site: SampleSite, at: datetime) -> None:
    """Publish a former key 80 days ago, the pins of now when the rollout began."""
    former = (ExpectedPin(site.former, "former key"), ExpectedPin(site.backup, "backup key, offline"))
    current = (ExpectedPin(site.old_root.pin, "our CA's root"), ExpectedPin(site.backup, "backup key, offline"))
    for pins, days in ((former, 80), (current, DAYS)):
        service.set_policy(
            PinningPolicy(
                host=site.host,
                pins=pins,
                max_age=5_184_000,
                report_uri="https://reports.example.net/report",
                own_keys=frozenset({site.leaf.pin, site.stray.pin}),
                effective_from=at - timedelta(days=days),
            ),
            at=at,
        )


def _submissions(service: Service, site: SampleSite, at: datetime, dice: random.Random) -> Iterator[Submission]:
    """Invent reports over the days of the rollout, from browsers and from an app."""
    apps = [
        SampleApp("com.example.shop", dice.choice(("4.1.0", "4.2.0")), f"00000000-0000-4000-8000-{number:012}")
        for number in range(60)
    ]
    for day in range(DAYS):
        start = at - timedelta(days=DAYS - day)
        expected = dict(_DAILY)
        if day in _STRAY_DAYS:
            expected[Scenario.OWN_KEY_NOT_PINNED] = 25
        for scenario, mean in expected.items():
            for _ in range(dice.randint(mean // 2, mean + mean // 2)):
                moment = min(start + timedelta(seconds=dice.randrange(86_400)), at)
                app = dice.choice(apps) if scenario in _APPS_ONLY or dice.random() < 0.4 else None
                sender = Sender.TRUSTKIT_APPLE if app else Sender.CHROMIUM
                body = site.report(scenario, at=moment, sender=sender, app=app)
                envelope = Envelope(address=f"203.0.113.{dice.randrange(1, 255)}")
                [submission] = service.collector.read(body, envelope, received_at=to_ms(moment))
                assert isinstance(submission, Submission)  # our own samples are readable
                yield submission


def _write(service: Service, submissions: list[Submission]) -> None:
    batches = [submissions[start : start + _BATCH] for start in range(0, len(submissions), _BATCH)]
    for batch in track(batches, description="Filling the store", console=err, transient=True):
        with writing(service.engine) as connection:
            service.intake.write(connection, batch)
