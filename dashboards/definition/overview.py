"""The rollout at a glance: every host, its verdict, its trend, and what to do next."""

from dashboards.definition.asked import (
    ALARMING,
    ESTIMATED,
    HOST,
    HOSTS,
    LOWER,
    OPEN,
    VERDICT,
    VIOLATION,
    choose_host,
    events,
    moment,
    number,
    panel,
    reports_by,
    verdict_timeline,
)
from dashboards.definition.boards import HOST_ANNOTATIONS, Board
from dashboards.definition.panels import BLUE, CAUSES, GREEN, ORANGE, RED, Column, Panel, Row, Series, Stat, Table


def _hosts(title: str, about: str, condition: str, color: str) -> Panel:
    return panel(
        Stat(unit="short", steps=((None, "text"), (1, color))),
        title,
        about,
        f"SELECT COUNT(*) AS value FROM hosts_v1 WHERE {HOSTS} AND {condition}",
        width=3,
        height=4,
    )


_ALARMS = panel(
    Stat(unit="short", steps=((None, GREEN), (1, RED))),
    "Open alarms",
    "Open violations whose cause may mean an attack: a CA vouches for a stranger's key, or a key known to be bad "
    "stands in between.",
    f"SELECT COUNT(*) AS value FROM violations_v1 WHERE {HOSTS} AND cause IN ({ALARMING}) AND {OPEN}",
    width=3,
    height=4,
)
_REPORTS = panel(
    Stat(unit="short"),
    "Reports",
    f"Reports received in the time range. {LOWER}",
    f"SELECT SUM(reports) AS value FROM reports_${{per}}_v1 WHERE <within> AND {HOSTS}",
    width=3,
    height=4,
)
_CLIENTS = panel(
    Stat(unit="short"),
    "Clients on the busiest day",
    "The most distinct clients that reported one host on one day of the time range: a lower bound of those affected. "
    f"{ESTIMATED}",
    f"SELECT MAX(clients) AS value FROM clients_daily_v1 WHERE <within> AND {HOSTS}",
    width=3,
    height=4,
)
_TABLE = panel(
    Table(
        (
            HOST,
            VERDICT,
            moment("verdict_since", "Since"),
            Column("mode", "Mode", width=100),
            number("observed_days", "Days observed", width=115),
            Column("next_step", "Next step", width=330),
            number("open_violations", "Open violations", width=120),
            number("reports", "Reports in all", width=110),
            number("clients_of_busiest_day", "Most clients a day", width=130),
            moment("last_report_at", "Last report"),
            moment("last_canary_at", "Last canary"),
            moment("last_probe_at", "Last look"),
            moment("leaf_expires_at", "Leaf expires"),
        )
    ),
    "Hosts",
    f"Every host with its verdict and what it needs next, the worst first. {LOWER}",
    f"""
        SELECT host, verdict, verdict_since, mode, observed_days, next_step, open_violations, reports,
            clients_of_busiest_day, last_report_at, last_canary_at, last_probe_at, leaf_expires_at
        FROM hosts_v1 WHERE {HOSTS} ORDER BY COALESCE(verdict_rank, 3), host
    """,
    width=24,
    height=9,
)
_CLIENTS_BY_DAY = panel(
    Series(calc="max"),
    "Clients by host and day",
    f"Distinct clients that reported a host on a day. {LOWER} {ESTIMATED}",
    f"""
        SELECT time, host AS metric, clients AS "Value" FROM clients_daily_v1
        WHERE <within> AND {HOSTS} ORDER BY time, host
    """,
    width=12,
)
_EXPOSURE = panel(
    Series(calc="max"),
    "Exposure by host and day",
    "Clients that were served the pins on a day, browsers and installs together, as far as it was told. A day of which "
    "nothing is known is missing, not zero.",
    f"""
        SELECT time, host AS metric, SUM(COALESCE(clients, sessions)) AS "Value" FROM exposure_v1
        WHERE <within> AND {HOSTS} GROUP BY time, host ORDER BY time, host
    """,
    width=12,
)
_BLOCKING = panel(
    Table(
        (
            VIOLATION,
            HOST,
            Column("cause", "Cause", width=190),
            Column("sender", "Sender", width=140),
            number("reports", "Reports"),
            number("clients", "Clients"),
            moment("last_received_at", "Last report"),
            Column("why", "Why"),
        )
    ),
    "Open violations that block or alarm",
    f"Violations of our own keys and paths, and of strangers' keys, the latest first. {LOWER}",
    f"""
        SELECT violation_id, host, cause, sender, reports, clients, last_received_at, why FROM violations_v1
        WHERE {HOSTS} AND {OPEN} AND cause IN ('own_key_not_pinned', 'other_trust_path', {ALARMING})
        ORDER BY last_received_at DESC, violation_id LIMIT 50
    """,
    width=24,
)
_TOLD = panel(
    Table(
        (
            moment("time", "Since"),
            moment("resolved_at", "Over"),
            moment("sent_at", "Told"),
            Column("host", "Host", width=170),
            Column("kind", "Kind", width=170),
            Column("text", "In words"),
        )
    ),
    "Alerts of the service's own",
    "What the service tells the receivers of alerts, open ones first; Told is empty where there is no receiver.",
    f"""
        SELECT time, resolved_at, sent_at, host, kind, text FROM alerts_v1
        WHERE <within> AND (host = '' OR {HOSTS})
        ORDER BY CASE WHEN open THEN 0 ELSE 1 END, time DESC, host, kind LIMIT 100
    """,
    width=12,
)
_REFUSED = panel(
    Series(bars=True),
    "Refused submissions",
    "Submissions that were not taken, by outcome, as far as they are kept: the answer to why a report is not here. For "
    "any host, because what cannot be read names none.",
    """
        SELECT time, outcome AS metric, SUM(submissions) AS "Value" FROM rejections_v1
        WHERE <within> GROUP BY time, outcome ORDER BY time, outcome
    """,
    width=12,
)

OVERVIEW = Board(
    uid="hpkp-overview",
    file="overview",
    title="HPKP: rollout overview",
    about="All hosts: may their pins be enforced, what stands in the way, and who is affected.",
    since="now-90d",
    choices=(choose_host(many=True),),
    annotations=HOST_ANNOTATIONS,
    rows=(
        Row(
            "Where the rollout stands",
            (
                _hosts("Ready", "Hosts whose verdict is ready, now.", "verdict = 'ready'", GREEN),
                _hosts(
                    "Not enough data", "Hosts of which it cannot be told, now.", "verdict = 'not_enough_data'", ORANGE
                ),
                _hosts("Not ready", "Hosts that have a blocker, now.", "verdict = 'not_ready'", RED),
                _hosts("Enforcing", "Hosts whose policy in force is enforced.", "mode = 'enforce'", BLUE),
                _hosts("No policy", "Hosts that reports come for without a policy in force.", "NOT registered", ORANGE),
                _ALARMS,
                _REPORTS,
                _CLIENTS,
                _TABLE,
                verdict_timeline(width=24),
            ),
        ),
        Row(
            "Who is affected",
            (
                reports_by("cause", "Reports by cause", "Why pins did not match.", width=12, colors=CAUSES),
                reports_by("host", "Reports by host", "For which host reports came.", width=12),
                _CLIENTS_BY_DAY,
                _EXPOSURE,
            ),
        ),
        Row("What to look at", (_BLOCKING, _TOLD, _REFUSED, events(width=24))),
    ),
)
