"""What several boards ask and show in the same way."""

from dashboards.definition.boards import Choice
from dashboards.definition.engines import Query
from dashboards.definition.panels import (
    GREEN,
    ORANGE,
    RANKS,
    RED,
    VERDICTS,
    Bars,
    Column,
    Look,
    Panel,
    Series,
    Table,
    Timeline,
    words,
)

LOWER = "Counts are lower bounds: senders suppress repetitions, and reports get lost."
ESTIMATED = "Distinct clients are estimated above 300."
HOSTS = "host IN (${host:sqlstring})"
ALARMING = "'unknown_key_public_ca', 'known_bad_key'"
OPEN = "status IN ('open', 'acknowledged')"
LOCKS_OUT = words(yes=RED, no=GREEN, cannot_tell=ORANGE)

_HOST_BOARD = "<board:hpkp-host>?var-host=${__data.fields.host}&${__url_time_range}&${datasource:queryparam}"
_VIOLATION_BOARD = (
    "<board:hpkp-violation>?var-host=${__data.fields.host}&var-violation=${__data.fields.violation_id}"
    "&${__url_time_range}&${datasource:queryparam}"
)
HOST = Column(
    "host", "Host", links=(("Host board", _HOST_BOARD), ("Host page", "${service}/hosts/${__data.fields.host}"))
)
VIOLATION = Column(
    "violation_id",
    "Violation",
    unit="string",
    width=90,
    links=(
        ("Violation board", _VIOLATION_BOARD),
        ("Violation page", "${service}/violations/${__data.fields.violation_id}"),
    ),
)
VERDICT = Column("verdict", "Verdict", mapped=VERDICTS, width=130)


def panel(look: Look, title: str, about: str, *queries: str, width: int, height: int = 8) -> Panel:
    """Make a panel that asks one of the databases."""
    return Panel(title=title, about=about, look=look, queries=tuple(map(Query, queries)), width=width, height=height)


def moment(name: str, title: str) -> Column:
    """Make a column that holds an instant."""
    return Column(name, title, unit="dateTimeAsIso", width=165)


def number(name: str, title: str, *, width: int = 90) -> Column:
    """Make a column that holds a count."""
    return Column(name, title, unit="short", width=width)


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
    )


def verdict_timeline(*, width: int) -> Panel:
    """Make the panel of how verdicts went; one that began before the time range stands at its beginning."""
    return panel(
        Timeline(mapped=RANKS),
        "Verdict over time",
        "Each verdict until the next, as it was recorded. Nothing is drawn before the first one.",
        f"""
            SELECT CASE WHEN time < <from> THEN <from> ELSE time END AS time, host AS metric, verdict_rank AS "Value"
            FROM verdicts_v1
            WHERE {HOSTS} AND time <= <to> AND (until IS NULL OR until > <from> AND until > time)
            ORDER BY 1, 2
        """,
        width=width,
    )


def reports_by(column: str, title: str, about: str, *, width: int, colors: dict[str, str] | None = None) -> Panel:
    """Make a panel of reports by hour or day, and by a column of the counts."""
    return panel(
        Series(bars=True, colors=colors),
        title,
        f"{about} {LOWER}",
        f"""
            SELECT time, {column} AS metric, SUM(reports) AS "Value" FROM reports_${{per}}_v1
            WHERE <within> AND {HOSTS} GROUP BY time, {column} ORDER BY time, {column}
        """,
        width=width,
    )


def versions_over_time(where: str, *, width: int) -> Panel:
    """Make a panel of reports by hour or day, and by app version."""
    return panel(
        Series(bars=True),
        "App versions over time",
        f"Reports by the app version that the sender names. {LOWER}",
        f"""
            SELECT time, {or_else("app_version", "no version")} AS metric, SUM(reports) AS "Value"
            FROM sources_${{per}}_v1 WHERE <within> AND {where} GROUP BY 1, 2 ORDER BY 1, 2
        """,
        width=width,
    )


def reports_of(column: str, unnamed: str, title: str, where: str, *, width: int) -> Panel:
    """Make a panel of the reports of the time range by a column of their sources."""
    return panel(
        Bars(),
        title,
        f"Reports of the time range, as their senders name it. {LOWER}",
        f"""
            SELECT {or_else(column, unnamed)} AS {column}, SUM(reports) AS reports FROM sources_${{per}}_v1
            WHERE <within> AND {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20
        """,
        width=width,
    )


def events(*, width: int) -> Panel:
    """Make the table of what happened."""
    return panel(
        Table((moment("time", "At"), Column("host", "Host", width=170), Column("title", "What", width=150),
               Column("text", "In words"))),
        "Events",
        "What was changed, deployed, seen and judged, the newest first; at most 100.",
        f"""
            SELECT time, host, title, text FROM events_v1
            WHERE <within> AND kind <> 'rejudged' AND (host IS NULL OR {HOSTS})
            ORDER BY time DESC, host, title LIMIT 100
        """,
        width=width,
    )  # fmt: skip
