"""What several boards ask and show in the same way."""

from dashboards.definition.boards import SERVICE, Choice
from dashboards.definition.engines import DAY_MS, HOUR_MS, Query
from dashboards.definition.panels import (
    COUNT,
    GREEN,
    ORANGE,
    RANKS,
    RED,
    VERDICTS,
    Bars,
    Column,
    Panel,
    PanelKind,
    Series,
    Table,
    Timeline,
    words,
)

LOWER = "Counts are lower bounds: senders suppress repetitions, and reports get lost."
ESTIMATED = "Distinct clients are estimated above 300."
BY = "By the hour up to four days, by the day above (UTC)."
HOSTS = "host IN (${host:sqlstring})"
POSSIBLE_ATTACKS = "'unknown_key_public_ca', 'known_bad_key'"
OPEN = "status IN ('open', 'acknowledged')"
LOCKS_OUT = words(yes=RED, no=GREEN, unknown=ORANGE)
TOP = 8
"""Series of a panel; what is left is summed up as another."""
REST = "all others"

# Parameters are written one by one: those of this board, such as all hosts, mostly do not fit the other.
_HOST_BOARD = "<board:hpkp-host>?var-host=${__data.fields.host}&${__url_time_range}&${datasource:queryparam}"
_VIOLATION_BOARD = (
    "<board:hpkp-violation>?var-host=${__data.fields.host}&var-violation=${__data.fields.violation_id}"
    "&${__url_time_range}&${datasource:queryparam}"
)
HOST = Column(
    "host",
    "Host",
    wrap=True,
    links=(("Host board", _HOST_BOARD), ("Host page", "${service}/hosts/${__data.fields.host}")),
)
VIOLATION = Column(
    "violation_id",
    "No.",
    unit="string",
    width=70,
    links=(
        ("Violation board", _VIOLATION_BOARD),
        ("Violation page", "${service}/violations/${__data.fields.violation_id}"),
    ),
)
VERDICT = Column("verdict", "Verdict", mapped=VERDICTS, width=145)
PAGES = Choice(
    name="service",
    label="Service",
    query=SERVICE,
    about="Where the collector's own pages are, for links: its setting HPKP_PUBLIC_URL.",
    many=False,
    hidden=True,
)


def panel(kind: PanelKind, title: str, about: str, *queries: str, width: int, height: int = 8) -> Panel:
    """Make a panel that asks one of the databases."""
    return Panel(title=title, about=about, kind=kind, queries=tuple(map(Query, queries)), width=width, height=height)


def moment(name: str, title: str) -> Column:
    """Make a column that holds an instant."""
    return Column(name, title, unit="dateTimeAsIso", width=165)


def ago(name: str, title: str) -> Column:
    """Make a column that holds an instant, shown by how far it is from now."""
    return Column(name, title, unit="dateTimeFromNow", width=120, wrap=True)


def number(name: str, title: str, *, width: int = 90) -> Column:
    """Make a column that holds a count."""
    return Column(name, title, unit=COUNT, width=width)


def text(name: str, title: str, *, width: int = 0) -> Column:
    """Make a column of texts that are longer than a line."""
    return Column(name, title, width=width, wrap=True)


def yes_no(condition: str, *, unknown: str = "") -> str:
    """Write a truth as a word, the same from both databases, with another where it is not known."""
    return f"CASE WHEN {condition} THEN 'yes' WHEN NOT ({condition}) THEN 'no' ELSE '{unknown}' END"


def or_else(column: str, word: str) -> str:
    """Write a text, or a word in place of an empty one."""
    return f"CASE {column} WHEN '' THEN '{word}' ELSE {column} END"


def choose_host(*, many: bool) -> Choice:
    """Make the variable that chooses hosts."""
    return Choice(
        name="host",
        label="Host",
        query="SELECT host FROM hosts_v1 ORDER BY host",
        about="Hosts for which a policy or a report was ever taken.",
        many=many,
        every="SELECT host FROM hosts_v1" if many else "",
    )


# Counts over time. A bar counts what was received in the part of its hour or day within the time range, which is
# widened to whole hours as the API's are: so what a panel adds up is what the API answers for the same range.

_FIRST_HOUR = f"<from> / {HOUR_MS} * {HOUR_MS}"
_FIRST_DAY = f"(<from> + {DAY_MS - 1}) / {DAY_MS} * {DAY_MS}"
_LAST_DAY = f"<to> / {DAY_MS} * {DAY_MS}"
DAYS = f"time_ms > <from> - {DAY_MS} AND time_ms <= <to>"
"""The days that the time range touches."""


def counted(column: str) -> str:
    """Write a row source: the reports of each slot, by a column. Whole days are read from the counts by day."""
    slot = "time_ms / <step> * <step> AS slot"
    return f"""(
        SELECT {slot}, {column} AS name, reports AS amount FROM reports_daily_v1
        WHERE <step> > {HOUR_MS} AND time_ms >= {_FIRST_DAY} AND time_ms < {_LAST_DAY} AND {HOSTS}
        UNION ALL
        SELECT {slot}, {column}, reports FROM reports_hourly_v1
        WHERE time_ms >= {_FIRST_HOUR} AND {HOSTS}
            AND time_ms < CASE <step> WHEN {HOUR_MS} THEN <to> + 1 ELSE {_FIRST_DAY} END
        UNION ALL
        SELECT {slot}, {column}, reports FROM reports_hourly_v1
        WHERE <step> > {HOUR_MS} AND time_ms >= {_LAST_DAY} AND time_ms <= <to> AND {HOSTS}
    )"""


def sources_counted(column: str, where: str) -> str:
    """Write the same of the counts by source."""
    return f"""(
        SELECT time_ms / <step> * <step> AS slot, {column} AS name, reports AS amount FROM sources_hourly_v1
        WHERE {in_range()} AND {where}
    )"""


def in_range() -> str:
    """Write that an hour of counts lies in the time range."""
    return f"time_ms >= {_FIRST_HOUR} AND time_ms <= <to>"


def over_time(rows: str, *, step: str = "<step>", line: bool = False) -> str:
    """Write a query of a row source with ``slot``, ``name`` and ``amount``: the largest names, and the rest summed up.

    Each has a value for each slot, 0 where nothing was counted. A line begins within the time range, a bar may before.
    """
    slot = "CASE WHEN s.slot < <from> THEN <from> ELSE s.slot END" if line else "s.slot"
    return f"""
        WITH RECURSIVE slots(slot) AS (
            SELECT <from> / {step} * {step} UNION ALL SELECT slot + {step} FROM slots WHERE slot + {step} <= <to>
        ),
        counted AS (SELECT slot, name, SUM(amount) AS amount FROM {rows} counts GROUP BY slot, name),
        ranked AS (
            SELECT name, CASE WHEN ROW_NUMBER() OVER (ORDER BY SUM(amount) DESC, name) <= {TOP}
                THEN name ELSE '{REST}' END AS metric
            FROM counted GROUP BY name
        ),
        summed AS (
            SELECT c.slot, r.metric, SUM(c.amount) AS amount FROM counted c JOIN ranked r ON r.name = c.name
            GROUP BY c.slot, r.metric
        ),
        metrics AS (SELECT DISTINCT metric FROM ranked)
        SELECT at[[{slot}]] AS time, m.metric, COALESCE(a.amount, 0) AS "Value"
        FROM slots s CROSS JOIN metrics m LEFT JOIN summed a ON a.slot = s.slot AND a.metric = m.metric
        ORDER BY s.slot, m.metric
    """


def days_known(rows: str) -> str:
    """Write a query of a row source by day as in `over_time`; a day of which nothing is known has no value."""
    return f"""
        WITH RECURSIVE slots(slot) AS (
            SELECT <from> / {DAY_MS} * {DAY_MS} UNION ALL
            SELECT slot + {DAY_MS} FROM slots WHERE slot + {DAY_MS} <= <to>
        ),
        known AS (SELECT slot, name, SUM(amount) AS amount FROM {rows} counts GROUP BY slot, name),
        ranked AS (
            SELECT name, ROW_NUMBER() OVER (ORDER BY MAX(amount) DESC, name) AS place FROM known GROUP BY name
        )
        SELECT at[[CASE WHEN s.slot < <from> THEN <from> ELSE s.slot END]] AS time, r.name AS metric,
            k.amount AS "Value"
        FROM slots s CROSS JOIN ranked r LEFT JOIN known k ON k.slot = s.slot AND k.name = r.name
        WHERE r.place <= {TOP} ORDER BY s.slot, r.name
    """


def verdict_timeline(*, width: int, height: int = 8) -> Panel:
    """Make the panel of how verdicts went; one that began before the time range stands at its beginning."""
    return panel(
        Timeline(mapped=RANKS),
        "Verdict over time",
        "Each verdict until the next, as it was recorded; the 20 hosts that are worst now. Nothing is drawn before the "
        "first verdict.",
        f"""
            SELECT at[[CASE WHEN v.time_ms < <from> THEN <from> ELSE v.time_ms END]] AS time, v.host AS metric,
                v.verdict_rank AS "Value"
            FROM verdicts_v1 v
            JOIN (
                SELECT host FROM hosts_v1 WHERE {HOSTS} AND verdict IS NOT NULL
                ORDER BY verdict_rank, host LIMIT 20
            ) h ON h.host = v.host
            WHERE v.time_ms <= <to> AND (v.until_ms IS NULL OR v.until_ms > <from> AND v.until_ms > v.time_ms)
            ORDER BY 1, 2
        """,
        width=width,
        height=height,
    )


def reports_by(column: str, title: str, about: str, *, width: int, colors: dict[str, str] | None = None) -> Panel:
    """Make a panel of reports by hour or day, and by a column of the counts."""
    return panel(
        Series(bars=True, colors=colors),
        title,
        f"{about} {BY} {LOWER}",
        over_time(counted(column)),
        width=width,
    )


def reports_of(column: str, unnamed: str, title: str, where: str, *, width: int, height: int = 8) -> Panel:
    """Make a panel of the reports of the time range by a column of their sources: the largest, and the rest."""
    return panel(
        Bars(),
        title,
        f"Reports of the time range, as their senders name it; the {TOP} largest and the rest. {LOWER}",
        f"""
            SELECT name AS {column}, SUM(reports) AS reports FROM (
                SELECT reports, CASE WHEN place <= {TOP} THEN name ELSE '{REST}' END AS name FROM (
                    SELECT {or_else(column, unnamed)} AS name, SUM(reports) AS reports,
                        ROW_NUMBER() OVER (ORDER BY SUM(reports) DESC, {or_else(column, unnamed)}) AS place
                    FROM sources_hourly_v1 WHERE {in_range()} AND {where} GROUP BY 1
                ) ranked
            ) named
            GROUP BY name ORDER BY CASE name WHEN '{REST}' THEN 1 ELSE 0 END, 2 DESC, 1
        """,
        width=width,
        height=height,
    )


def events(*, width: int) -> Panel:
    """Make the table of what happened."""
    return panel(
        Table((ago("time", "When"), Column("host", "Host", width=170), Column("title", "What", width=160),
               text("text", "Text"))),
        "Events",
        "What was changed, deployed, seen and judged, the newest first; at most 100.",
        f"""
            SELECT time, host, title, text FROM events_v1
            WHERE <within> AND kind <> 'rejudged' AND (host IS NULL OR {HOSTS})
            ORDER BY time_ms DESC, host, title LIMIT 100
        """,
        width=width,
    )  # fmt: skip
