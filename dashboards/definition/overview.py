"""The rollout at a glance: every host, its verdict, its trend, and what to do next."""

from dashboards.definition.asked import (
    DAYS,
    ESTIMATED,
    HOST,
    HOSTS,
    LOWER,
    OPEN,
    PAGES,
    POSSIBLE_ATTACKS,
    VERDICT,
    VIOLATION,
    ago,
    choose_host,
    counted,
    days_known,
    events,
    in_range,
    number,
    over_time,
    panel,
    reports_by,
    text,
    verdict_timeline,
)
from dashboards.definition.boards import HOST_ANNOTATIONS, Board
from dashboards.definition.decision import bound_by_host
from dashboards.definition.engines import DAY_MS
from dashboards.definition.panels import (
    CAUSES,
    COUNT,
    GREEN,
    ORANGE,
    RED,
    Column,
    Panel,
    Row,
    Series,
    Stat,
    Table,
)


def _hosts(title: str, about: str, condition: str, color: str) -> Panel:
    return panel(
        Stat(unit=COUNT, steps=((None, "text"), (1, color))),
        title,
        about,
        f"SELECT COUNT(*) AS value FROM hosts_v1 WHERE {HOSTS} AND {condition}",
        width=4,
        height=4,
    )


_ALARMS = panel(
    Stat(unit=COUNT, steps=((None, GREEN), (1, RED))),
    "Possible attacks",
    "Open violations whose cause may mean an attack: a public CA issued for an unknown key, or a compromised key is "
    "on the path.",
    f"SELECT COUNT(*) AS value FROM violations_v1 WHERE {HOSTS} AND cause IN ({POSSIBLE_ATTACKS}) AND {OPEN}",
    width=4,
    height=4,
)
_REPORTS = panel(
    Stat(unit=COUNT),
    "Reports",
    f"Reports received in the time range. {LOWER}",
    f"SELECT SUM(amount) AS value FROM {counted('host')} counts",
    width=4,
    height=4,
)
_CLIENTS = panel(
    Stat(unit=COUNT),
    "Most clients a day",
    "The most distinct clients that reported one host on one day of the time range: a lower bound of those affected. "
    f"{ESTIMATED}",
    f"SELECT MAX(clients) AS value FROM clients_daily_v1 WHERE {DAYS} AND {HOSTS}",
    width=4,
    height=4,
)
_TABLE = panel(
    Table(
        (
            HOST,
            VERDICT,
            ago("verdict_since", "Since"),
            Column("mode", "Mode", width=105),
            text("next_step", "Next step", width=230),
            number("open_violations", "Open", width=65),
            number("reports", "Reports", width=80),
            number("clients_of_busiest_day", "Clients", width=75),
            ago("last_report_at", "Last report"),
            ago("leaf_expires_at", "Leaf expires"),
        )
    ),
    "Hosts",
    "Every host with its verdict and what it needs next, the worst first: open violations, all reports, and the most "
    f"clients that reported it on one day. {LOWER}",
    f"""
        SELECT host, verdict, verdict_since, mode, next_step, open_violations, reports, clients_of_busiest_day,
            last_report_at, leaf_expires_at
        FROM hosts_v1 WHERE {HOSTS} ORDER BY COALESCE(verdict_rank, 3), host
    """,
    width=24,
    height=9,
)
_CLIENTS_BY_DAY = panel(
    Series(calc="max", points="always"),
    "Clients by host and day",
    "Distinct clients that reported a host on a day; of the hosts beyond the largest their sum, in which a client of "
    f"several counts for each. {LOWER} {ESTIMATED}",
    over_time(
        f"(SELECT time_ms AS slot, host AS name, clients AS amount FROM clients_daily_v1 WHERE {DAYS} AND {HOSTS})",
        step=str(DAY_MS),
        line=True,
    ),
    width=12,
    height=10,
)
_EXPOSURE = panel(
    Series(calc="max", points="always"),
    "Exposure by host and day",
    "Clients that received the pins on a day, browsers and installs together, if known; the largest "
    "hosts. A day without data is a gap, not zero.",
    days_known(
        "(SELECT time_ms AS slot, host AS name, COALESCE(clients, sessions) AS amount FROM exposure_v1 "
        f"WHERE {DAYS} AND {HOSTS})"
    ),
    width=12,
    height=10,
)
_BLOCKING = panel(
    Table(
        (
            VIOLATION,
            HOST,
            Column("cause", "Cause", width=180),
            Column("sender", "Sender", width=140),
            number("reports", "Reports"),
            number("clients", "Clients"),
            ago("last_received_at", "Last report"),
            text("why", "Why"),
        )
    ),
    "Open violations that block",
    f"Violations of your keys and paths, and possible attacks, the latest first. {LOWER}",
    f"""
        SELECT violation_id, host, cause, sender, reports, clients, last_received_at, why FROM violations_v1
        WHERE {HOSTS} AND {OPEN} AND cause IN ('own_key_not_pinned', 'other_trust_path', {POSSIBLE_ATTACKS})
        ORDER BY last_received_at DESC, violation_id LIMIT 50
    """,
    width=24,
)
_TOLD = panel(
    Table(
        (
            ago("time", "Since"),
            ago("resolved_at", "Resolved"),
            ago("sent_at", "Sent"),
            text("host", "Host", width=140),
            text("text", "Alert"),
        )
    ),
    "Alerts",
    "Alerts that were active in the time range, open ones first. Sent is empty where there is no receiver.",
    f"""
        SELECT time, resolved_at, sent_at, host, text FROM alerts_v1
        WHERE time_ms <= <to> AND (open OR resolved_at_ms >= <from>) AND (host = '' OR {HOSTS})
        ORDER BY CASE WHEN open THEN 0 ELSE 1 END, time_ms DESC, host, kind LIMIT 100
    """,
    width=14,
)
_REFUSED = panel(
    Series(bars=True),
    "Rejected submissions",
    "Submissions that were rejected, by outcome, until they are deleted: why a report is not here. For "
    "any host, because what cannot be read names none.",
    over_time(
        "(SELECT time_ms / <step> * <step> AS slot, outcome AS name, submissions AS amount FROM rejections_v1 "
        f"WHERE {in_range()})"
    ),
    width=10,
)

OVERVIEW = Board(
    uid="hpkp-overview",
    file="overview",
    title="HPKP: rollout overview",
    about="Which hosts may enforce their pins, and what is in the way of the others?",
    since="now-90d",
    choices=(choose_host(many=True), PAGES),
    annotations=HOST_ANNOTATIONS,
    annotated=False,
    rows=(
        Row(
            "Which hosts may enforce their pins, and what is in the way of the others?",
            (
                _hosts("Ready", "Hosts whose verdict is ready, now.", "verdict = 'ready'", GREEN),
                _hosts("Not enough data", "Hosts without enough evidence, now.", "verdict = 'not_enough_data'", ORANGE),
                _hosts("Not ready", "Hosts that have a blocker, now.", "verdict = 'not_ready'", RED),
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
                reports_by("cause", "Reports by cause", "Why pins did not match.", width=24, colors=CAUSES),
                reports_by("host", "Reports by host", "For which host reports came.", width=24),
                bound_by_host(width=24),
                _CLIENTS_BY_DAY,
                _EXPOSURE,
            ),
        ),
        Row("What to look at", (_BLOCKING, _TOLD, _REFUSED, events(width=24))),
    ),
)
