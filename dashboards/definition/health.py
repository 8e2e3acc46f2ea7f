"""The collector itself, by its metrics: are reports accepted and counted, and what runs full."""

from dashboards.definition.boards import Board, Choice
from dashboards.definition.engines import Query
from dashboards.definition.panels import COUNT, GREEN, ORANGE, RED, Panel, Row, Series, Stat, Steps

_JOB = 'job=~"$job",instance=~"$instance"'
_TARGETS = 'job=~"$job"'
"""For metrics of Prometheus itself: a collector that never answered has no instance to choose."""
_TAKEN = "accepted|foreign_type|canary|preflight"
_OWN = "store_unavailable|fault"
_RATE = "[$__rate_interval]"
_INTERVAL = "[$__interval]"
_LEAST = "1m"
"""Shortest time that a bar of counts covers: four scrapes, and short enough for bars in a range of 5 minutes."""


def _quantile(quantile: str, metric: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket{{{_JOB}}}{_RATE})))"


def _increase(match: str) -> str:
    """Count submissions in the time that a bar covers, so that bars add up."""
    return f"increase(hpkp_submissions_total{{{_JOB}{match}}}{_INTERVAL})"


def _now(title: str, about: str, query: str, *, unit: str, steps: Steps, decimals: int | None = None) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Stat(unit=unit, steps=steps, decimals=decimals),
        queries=(Query(query, instant=True),),
        width=6,
        height=4,
    )


def _over_time(kind: Series, title: str, about: str, *queries: tuple[str, str], width: int, height: int = 8) -> Panel:
    """Make a panel of queries, each with the name of its series."""
    asked = tuple(Query(text, legend) for text, legend in queries)
    return Panel(title=title, about=about, kind=kind, queries=asked, width=width, height=height)


_NOW = (
    _now(
        "Targets down",
        "Scrape targets of the job that do not answer.",
        f"count(up{{{_TARGETS}}}) - sum(up{{{_TARGETS}}})",
        unit=COUNT,
        steps=((None, "text"), (0, GREEN), (1, RED)),
    ),
    _now(
        "Targets",
        "Scrape targets of the job, whether they answer or not.",
        f"count(up{{{_TARGETS}}})",
        unit=COUNT,
        steps=((None, RED), (1, "text")),
    ),
    _now(
        "Accepted in 24 hours",
        "Submissions that were accepted in the last 24 hours, retries among them.",
        f"""sum(increase(hpkp_submissions_total{{{_JOB},outcome="accepted"}}[24h]))""",
        unit=COUNT,
        steps=((None, "text"),),
        decimals=0,
    ),
    _now(
        "Server-side rejections",
        "The share of submissions of the last hour that was rejected for a reason on the server: the ingest log is "
        "full, or a fault.",
        f"""
            sum(increase(hpkp_submissions_total{{{_JOB},outcome=~"{_OWN}"}}[1h]))
            / clamp_min(sum(increase(hpkp_submissions_total{{{_JOB}}}[1h])), 1)
        """,
        unit="percentunit",
        steps=((None, "text"), (0, GREEN), (0.001, ORANGE), (0.01, RED)),
    ),
    _now(
        "Fold lag",
        "Age of the oldest accepted report that is not counted yet.",
        f"max(hpkp_fold_lag_seconds{{{_JOB}}})",
        unit="s",
        steps=((None, "text"), (0, GREEN), (10, ORANGE), (60, RED)),
    ),
    _now(
        "Ingest logs",
        "Bytes of all ingest logs. One that reaches HPKP_MAX_LOG_BYTES rejects reports.",
        f"sum(hpkp_ingest_log_bytes{{{_JOB}}})",
        unit="bytes",
        steps=((None, "text"), (0, GREEN), (500_000_000, ORANGE), (900_000_000, RED)),
    ),
    _now(
        "Store growth in a day",
        "Growth of the store's files in the last 24 hours, in bytes. SQLite only.",
        f"max(delta(hpkp_store_bytes{{{_JOB}}}[24h]))",
        unit="bytes",
        steps=((None, "text"),),
    ),
    _now(
        "Since the last canary",
        'Age of the last canary received, of any host: the proof that reports arrive. "none" until the first one.',
        f"time() - max(hpkp_last_canary_timestamp_seconds{{{_JOB}}} > 0)",
        unit="s",
        steps=((None, "text"), (0, GREEN), (86_400, ORANGE), (172_800, RED)),
    ),
)
_INTAKE = (
    _over_time(
        Series(bars=True, interval=_LEAST, decimals=0),
        "Accepted, by outcome",
        "Requests to /report that were answered with 204, by outcome.",
        (f"""sum by (outcome) ({_increase(f',outcome=~"{_TAKEN}"')}) > 0""", "{{outcome}}"),
        width=12,
    ),
    _over_time(
        Series(bars=True, interval=_LEAST, decimals=0),
        "Rejected, by outcome",
        "Requests to /report that were rejected, by outcome. docs/api.md says what each means, and "
        "/api/v1/rejections shows samples.",
        (f"""sum by (outcome) ({_increase(f',outcome!~"{_TAKEN}"')}) > 0""", "{{outcome}}"),
        width=12,
    ),
    _over_time(
        Series(unit="s", calc="lastNotNull"),
        "Waits",
        "Of each commit the submission that waited longest, the commit included: what senders wait at most, without "
        "the network. Half of the commits, and 99% of them, stayed below.",
        (_quantile("0.5", "hpkp_commit_wait_seconds"), "median"),
        (_quantile("0.99", "hpkp_commit_wait_seconds"), "99%"),
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
_GROWTH = (
    _over_time(
        Series(unit="bytes", calc="lastNotNull"),
        "Store size",
        "Bytes of the store's files, by collector: of a store in SQLite. For PostgreSQL, ask the database.",
        (f"max by (instance) (hpkp_store_bytes{{{_JOB}}})", "{{instance}}"),
        width=12,
        height=9,
    ),
    _over_time(
        Series(unit="bytes", calc="lastNotNull"),
        "Ingest log size",
        "Bytes of the ingest logs of each machine. They grow while the fold is behind.",
        (f"max by (instance) (hpkp_ingest_log_bytes{{{_JOB}}})", "{{instance}}"),
        width=12,
        height=9,
    ),
    _over_time(
        Series(unit="s", calc="max"),
        "Fold lag over time",
        "Age of the oldest accepted report that is not counted yet, by collector.",
        (f"max by (instance) (hpkp_fold_lag_seconds{{{_JOB}}})", "{{instance}}"),
        width=8,
    ),
    _over_time(
        Series(unit="percentunit", calc="max"),
        "CPU",
        "Processor time of the process that answers Prometheus, as a share of one core.",
        (f"sum by (instance) (rate(process_cpu_seconds_total{{{_JOB}}}{_RATE}))", "{{instance}}"),
        width=8,
    ),
    _over_time(
        Series(unit="bytes", calc="max"),
        "Memory",
        "Resident memory of the process that answers Prometheus.",
        (f"max by (instance) (process_resident_memory_bytes{{{_JOB}}})", "{{instance}}"),
        width=8,
    ),
)
_DISK = (
    _over_time(
        Series(unit="s", calc="lastNotNull"),
        "Log writes",
        "Duration of ingest log writes: half of them, and 99% of them, took at most this long.",
        (_quantile("0.5", "hpkp_commit_seconds"), "median"),
        (_quantile("0.99", "hpkp_commit_seconds"), "99%"),
        width=12,
    ),
    _over_time(
        Series(calc="lastNotNull"),
        "Submissions in a write",
        "Submissions in a write of the ingest log on average. It grows with the load: all that wait go into the next.",
        (
            f"sum(rate(hpkp_commit_submissions_sum{{{_JOB}}}{_RATE})) "
            f"/ sum(rate(hpkp_commit_submissions_count{{{_JOB}}}{_RATE}))",
            "submissions",
        ),
        width=12,
    ),
)
_UPKEEP = (
    _over_time(
        Series(unit="s", calc="lastNotNull"),
        "Since the last success of each job",
        "How long ago each background job last ended without a failure, of the collector that ran it last. A job that "
        "never succeeded is not shown here, but among those that fail.",
        (
            f"time() - max by (exported_job) (hpkp_upkeep_last_success_timestamp_seconds{{{_JOB}}} > 0)",
            "{{exported_job}}",
        ),
        width=12,
    ),
    _over_time(
        Series(calc="lastNotNull"),
        "Failing jobs",
        "Hosts for which a background job failed when it was last tried, or 1 for the job as a whole; the log names "
        "the errors.",
        (f"max by (exported_job) (hpkp_upkeep_failing{{{_JOB}}})", "{{exported_job}}"),
        width=12,
    ),
    _over_time(
        Series(bars=True, interval=_LEAST, decimals=0),
        "Probes",
        "Probes of what hosts serve, by whether any chain was seen.",
        (f"sum by (reached) (increase(hpkp_probes_total{{{_JOB}}}{_INTERVAL}))", "reached: {{reached}}"),
        width=12,
    ),
    _over_time(
        Series(bars=True, interval=_LEAST, decimals=0),
        "Messages with alerts",
        "Alert messages of the collector, by whether the receiver accepted them.",
        (f"sum by (taken) (increase(hpkp_alerts_total{{{_JOB}}}{_INTERVAL}))", "delivered: {{taken}}"),
        width=12,
    ),
)

HEALTH = Board(
    uid="hpkp-health",
    file="collector-health",
    title="HPKP: collector health",
    about="Are reports accepted and counted, and what is about to run full?",
    since="now-24h",
    choices=(
        Choice(
            name="job",
            label="Job",
            query="label_values(hpkp_submissions_total, job)",
            about="The scrape job of the collectors.",
        ),
        Choice(
            name="instance",
            label="Collector",
            query='label_values(hpkp_submissions_total{job=~"$job"}, instance)',
            about="The collectors of the job.",
        ),
    ),
    refresh="1m",
    rows=(
        Row("Are reports accepted and counted, and what is about to run full?", (*_NOW, *_INTAKE)),
        Row("Size, lag and processes", _GROWTH),
        Row("The ingest log's disk", _DISK),
        Row("Background jobs", _UPKEEP),
    ),
)
