"""The collector itself, by its metrics: are reports taken, how fast, and would anybody notice if not."""

from dashboards.definition.boards import Board, Choice
from dashboards.definition.engines import Query
from dashboards.definition.panels import GREEN, ORANGE, RED, Panel, Row, Series, Stat, Steps

_JOB = 'job=~"$job"'
_TAKEN = "accepted|foreign_type|canary|preflight"
_OWN = "store_unavailable|fault"
_RATE = "[$__rate_interval]"


def _submissions(match: str = "") -> str:
    return f"rate(hpkp_submissions_total{{{_JOB}{match}}}{_RATE})"


def _quantile(quantile: str, metric: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket{{{_JOB}}}{_RATE})))"


def _now(title: str, about: str, query: str, *, unit: str, steps: Steps) -> Panel:
    return Panel(
        title=title,
        about=about,
        look=Stat(unit=unit, steps=steps),
        queries=(Query(query, instant=True),),
        width=4,
        height=4,
    )


def _over_time(look: Series, title: str, about: str, *queries: tuple[str, str], width: int) -> Panel:
    """Make a panel of queries, each with the name of its series."""
    return Panel(
        title=title, about=about, look=look, queries=tuple(Query(text, legend) for text, legend in queries), width=width
    )


_NOW = (
    _now(
        "Collectors up",
        "Scrape targets of the job that answer.",
        f"sum(up{{{_JOB}}})",
        unit="short",
        steps=((None, RED), (1, GREEN)),
    ),
    _now(
        "Reports taken",
        "Submissions a second that were accepted, retries among them.",
        f"""sum({_submissions(',outcome="accepted"')})""",
        unit="reqps",
        steps=((None, "text"),),
    ),
    _now(
        "Refused by us",
        "The share of requests that were refused for a reason of the service's own: the ingest log, a fault.",
        f"""sum({_submissions(f',outcome=~"{_OWN}"')}) / sum({_submissions()})""",
        unit="percentunit",
        steps=((None, GREEN), (0.001, ORANGE), (0.01, RED)),
    ),
    _now(
        "Longest waits",
        "99 % of commits answered even the submission that waited longest within this time.",
        _quantile("0.99", "hpkp_commit_wait_seconds"),
        unit="s",
        steps=((None, GREEN), (0.25, ORANGE), (1, RED)),
    ),
    _now(
        "Waiting for the store",
        "Submissions that wait for the next commit, of all collectors. Above HPKP_MAX_WAITING more are refused.",
        f"sum(hpkp_waiting_submissions{{{_JOB}}})",
        unit="short",
        steps=((None, GREEN), (500, ORANGE), (1500, RED)),
    ),
    _now(
        "Since the last canary",
        "How long ago a canary of any host last arrived: the proof that reports can. Large where none is known.",
        f"time() - max(hpkp_last_canary_timestamp_seconds{{{_JOB}}})",
        unit="s",
        steps=((None, GREEN), (86_400, ORANGE), (172_800, RED)),
    ),
)
_INTAKE = (
    _over_time(
        Series(unit="reqps", bars=True, calc="mean"),
        "Taken, by outcome",
        "Requests to /report a second that were answered with 204, by outcome.",
        (f"""sum by (outcome) ({_submissions(f',outcome=~"{_TAKEN}"')})""", "{{outcome}}"),
        width=12,
    ),
    _over_time(
        Series(unit="reqps", bars=True, calc="mean"),
        "Refused, by outcome",
        "Requests to /report a second that were not taken, by outcome. docs/api.md says what each means, and "
        "/api/v1/rejections shows samples.",
        (f"""sum by (outcome) ({_submissions(f',outcome!~"{_TAKEN}"')})""", "{{outcome}}"),
        width=12,
    ),
    _over_time(
        Series(unit="s", calc="lastNotNull"),
        "Waits",
        "Of each commit the submission that waited longest, the commit included: what senders wait at most, without "
        "the network. Half of the commits, and 99 % of them, stayed below.",
        (_quantile("0.5", "hpkp_commit_wait_seconds"), "median"),
        (_quantile("0.99", "hpkp_commit_wait_seconds"), "99 %"),
        width=12,
    ),
    _over_time(
        Series(calc="max"),
        "Waiting submissions",
        "Submissions that wait for the next commit, by collector.",
        (f"sum by (instance) (hpkp_waiting_submissions{{{_JOB}}})", "{{instance}}"),
        width=12,
    ),
)
_STORE = (
    _over_time(
        Series(unit="s", calc="lastNotNull"),
        "Commits",
        "How long writes of the ingest log took: half of them, and 99 % of them, at most so long.",
        (_quantile("0.5", "hpkp_commit_seconds"), "median"),
        (_quantile("0.99", "hpkp_commit_seconds"), "99 %"),
        width=8,
    ),
    _over_time(
        Series(calc="lastNotNull"),
        "Commit size",
        "Submissions in a commit on average. It grows with the load: all that wait go into the next one.",
        (
            f"sum(rate(hpkp_commit_submissions_sum{{{_JOB}}}{_RATE})) "
            f"/ sum(rate(hpkp_commit_submissions_count{{{_JOB}}}{_RATE}))",
            "submissions",
        ),
        width=8,
    ),
    _over_time(
        Series(unit="reqps", bars=True, calc="max"),
        "Store errors",
        "Requests a second that were refused because the ingest log was full, or for a fault.",
        (f"""sum by (outcome) ({_submissions(',outcome=~"store_unavailable|fault"')})""", "{{outcome}}"),
        width=8,
    ),
)
_UPKEEP = (
    _over_time(
        Series(bars=True),
        "Looks at hosts",
        "Looks at what hosts serve, by whether any chain was seen, in an hour.",
        (f"sum by (reached) (increase(hpkp_probes_total{{{_JOB}}}[1h]))", "reached: {{reached}}"),
        width=12,
    ),
    _over_time(
        Series(bars=True),
        "Messages with alerts",
        "Messages of the service's own alerts, by whether the receiver took them, in an hour.",
        (f"sum by (taken) (increase(hpkp_alerts_total{{{_JOB}}}[1h]))", "taken: {{taken}}"),
        width=12,
    ),
)

HEALTH = Board(
    uid="hpkp-health",
    file="collector-health",
    title="HPKP: collector health",
    about="The service itself: what it takes and refuses, how fast, and whether reports arrive at all.",
    since="now-24h",
    choices=(
        Choice(
            name="job",
            label="Job",
            query="label_values(hpkp_submissions_total, job)",
            about="The scrape job of the collectors.",
        ),
    ),
    by_day_or_hour=False,
    refresh="1m",
    rows=(Row("Now", _NOW), Row("Intake", _INTAKE), Row("Store", _STORE), Row("What it does by itself", _UPKEEP)),
)
