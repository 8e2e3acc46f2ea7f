"""The decision as numbers: how large a share would be locked out, against the limit, and how each criterion stood."""

from dashboards.definition.asked import DAYS, HOSTS, days_known, number, panel
from dashboards.definition.engines import DAY_MS
from dashboards.definition.panels import GREEN, ORANGE, RED, VERDICTS, Column, Panel, Series, Shown, Table, Timeline

_STATES = {
    "2": Shown("met", GREEN),
    "1": Shown("missing evidence", ORANGE),
    "0": Shown("blocked", RED),
}
_SHARE = "percentunit"
_UNKNOWN = "A day without a covered day, or without an assessment, is a gap."
_LIMIT = days_known(
    f"""(
        SELECT time_ms AS slot, 'limit' AS name, MIN(share_limit) AS amount FROM decisions_daily_v1
        WHERE {DAYS} AND {HOSTS} GROUP BY time_ms
    )"""
)


def _by_day(title: str, about: str, column: str, name: str, *, width: int, height: int = 8) -> Panel:
    """Make a panel of the largest value of a column by day and name, with the limit."""
    return panel(
        Series(unit=_SHARE, calc="lastNotNull", points="always", colors={"limit": RED}),
        title,
        f"{about} {_UNKNOWN}",
        days_known(
            f"""(
                SELECT time_ms AS slot, {name} AS name, MAX({column}) AS amount FROM decisions_daily_v1
                WHERE {DAYS} AND {HOSTS} AND {column} IS NOT NULL GROUP BY time_ms, {name}
            )"""
        ),
        _LIMIT,
        width=width,
        height=height,
    )


def bound_by_host(*, width: int) -> Panel:
    """Make the panel of each host's bound."""
    return _by_day(
        "Upper bound of the locked-out share",
        "The most clients that configuration errors may lock out, as a share with 95% confidence, of the audience for "
        "which it is largest; and the limit below which a host can be ready.",
        "bound",
        "host",
        width=width,
        height=10,
    )


SHARE = _by_day(
    "Locked-out share, at least",
    "Clients of each audience that reported a configuration error and would be locked out, as a share of the clients "
    "of "
    "its busiest covered day.",
    "share",
    "audience",
    width=12,
)
BOUND = _by_day(
    "Locked-out share, at most",
    "The upper bound of the same share with 95% confidence, divided by the delivery rate where control pins measured "
    "it. "
    "An audience is ready below the limit only.",
    "bound",
    "audience",
    width=12,
)
CRITERIA = panel(
    Timeline(mapped=_STATES),
    "Criteria over time",
    "How each criterion of the verdict stood on each day, for the audience for which it stood worst. A day without an "
    "assessment is a gap.",
    f"""
        WITH RECURSIVE slots(slot) AS (
            SELECT <from> / {DAY_MS} * {DAY_MS} UNION ALL
            SELECT slot + {DAY_MS} FROM slots WHERE slot + {DAY_MS} <= <to>
        ),
        known AS (
            SELECT time_ms, criterion, MIN(state_rank) AS state_rank FROM criteria_daily_v1
            WHERE {DAYS} AND {HOSTS} GROUP BY time_ms, criterion
        ),
        criteria AS (SELECT DISTINCT criterion FROM known)
        SELECT at[[CASE WHEN s.slot < <from> THEN <from> ELSE s.slot END]] AS time,
            REPLACE(c.criterion, '_', ' ') AS metric, k.state_rank AS "Value"
        FROM slots s CROSS JOIN criteria c
        LEFT JOIN known k ON k.time_ms = s.slot AND k.criterion = c.criterion
        ORDER BY s.slot, c.criterion
    """,
    width=24,
    height=12,
)
AUDIENCES = panel(
    Table(
        (
            Column("audience", "Audience", wrap=True),
            Column("verdict", "Verdict", mapped=VERDICTS, width=140),
            number("locked_out", "Locked out", width=95),
            number("exposed", "Exposed"),
            Column("share", "At least", unit=_SHARE, decimals=2, width=90),
            Column("bound", "At most", unit=_SHARE, decimals=2, width=90),
            Column("share_limit", "Limit", unit=_SHARE, decimals=2, width=80),
            Column("delivery_rate", "Delivery", unit=_SHARE, decimals=0, width=90),
            Column("days", "Covered days", unit="string", width=120),
        )
    ),
    "Audiences",
    "The last assessment of each audience: clients that configuration errors would lock out (a lower bound), of how "
    "many "
    "exposed, the upper bound of the share and its limit, the share of clients that report if it was measured, and "
    "covered days of those needed.",
    f"""
        SELECT d.audience, d.verdict, d.locked_out, d.exposed, d.share, d.bound, d.share_limit, d.delivery_rate,
            d.covered_days || '/' || d.needed_days AS days
        FROM decisions_daily_v1 d
        WHERE {HOSTS} AND d.time_ms = (SELECT MAX(n.time_ms) FROM decisions_daily_v1 n WHERE n.host = d.host)
        ORDER BY d.verdict_rank, d.locked_out DESC, d.audience
    """,
    width=24,
    height=7,
)
