"""One host: may it enforce, what stands in the way, and what clients meet with."""

from dashboards.definition.asked import (
    DAYS,
    ESTIMATED,
    HOSTS,
    LOCKS_OUT,
    LOWER,
    PAGES,
    VIOLATION,
    ago,
    choose_host,
    days_known,
    events,
    in_range,
    number,
    over_time,
    panel,
    reports_by,
    reports_of,
    text,
    verdict_timeline,
    yes_no,
)
from dashboards.definition.boards import HOST_ANNOTATIONS, Board
from dashboards.definition.decision import AUDIENCES, BOUND, CRITERIA, SHARE
from dashboards.definition.engines import DAY_MS
from dashboards.definition.panels import (
    BLUE,
    CAUSES,
    COUNT,
    GREEN,
    ORANGE,
    RANKS,
    RED,
    Column,
    Panel,
    Row,
    Series,
    Shown,
    Stat,
    Table,
    Timeline,
    words,
)


def _stat(title: str, about: str, column: str, kind: Stat) -> Panel:
    return panel(kind, title, about, f"SELECT {column} AS value FROM hosts_v1 WHERE {HOSTS}", width=4, height=4)


_STATS = (
    _stat("Verdict", "The last verdict recorded.", "verdict_rank", Stat(mapped=RANKS, link="${service}/hosts/${host}")),
    _stat("Days observed", "For how long the revision in force has been observed.", "observed_days", Stat(unit="none")),
    _stat("Open violations", "Violations that are open or acknowledged.", "open_violations", Stat(unit=COUNT)),
    _stat(
        "Most clients a day",
        f"The most distinct clients that reported this host on one day: a lower bound. {ESTIMATED}",
        "clients_of_busiest_day",
        Stat(unit=COUNT),
    ),
    _stat(
        "Last canary",
        "When a canary last arrived: the proof that reports do.",
        "last_canary_at",
        Stat(unit="dateTimeFromNow"),
    ),
    _stat(
        "Leaf expires",
        "The end of the first leaf to expire, of those that the last probe found.",
        "leaf_expires_at",
        Stat(unit="dateTimeFromNow"),
    ),
)
_HEADLINE = panel(
    Table((text("headline", "Headline"), text("next_step", "Next step", width=420), ago("verdict_since", "Since"))),
    "Headline",
    "Latest verdict and next step.",
    f"SELECT headline, next_step, verdict_since FROM hosts_v1 WHERE {HOSTS}",
    width=24,
    height=5,
)
_FINDINGS = panel(
    Table(
        (
            Column("severity", "Severity", mapped=words(blocker=RED, caution=ORANGE, info=BLUE), width=110),
            Column("code", "Finding"),
            ago("time", "Since"),
        )
    ),
    "Findings",
    "What the last verdict rests on; docs/causes.md says what each means. The host's page explains them, with what "
    "to do.",
    f"SELECT severity, code, time FROM findings_v1 WHERE {HOSTS} AND in_last_verdict ORDER BY severity_rank, code",
    width=10,
)
_CLIENTS = panel(
    Series(calc="max", points="always"),
    "Clients by day",
    f"Distinct clients that reported this host on a day. {LOWER} {ESTIMATED}",
    over_time(
        f"(SELECT time_ms AS slot, host AS name, clients AS amount FROM clients_daily_v1 WHERE {DAYS} AND {HOSTS})",
        step=str(DAY_MS),
        line=True,
    ),
    width=8,
)
_PER_THOUSAND = panel(
    Series(calc="max", points="always"),
    "Reports per 1,000 exposed",
    "Reports of a day for each 1,000 clients that received the pins on it: a rise is not mere growth. A day of which "
    f"exposure is unknown is a gap. {LOWER}",
    days_known(
        f"""(
            SELECT e.time_ms AS slot, 'reports per 1,000' AS name,
                ROUND(1000.0 * COALESCE(r.reports, 0) / e.exposed, 3) AS amount
            FROM (
                SELECT time_ms, SUM(COALESCE(clients, sessions)) AS exposed FROM exposure_v1
                WHERE {DAYS} AND {HOSTS} GROUP BY time_ms
            ) e
            LEFT JOIN (
                SELECT time_ms, SUM(reports) AS reports FROM reports_daily_v1 WHERE {DAYS} AND {HOSTS} GROUP BY time_ms
            ) r ON r.time_ms = e.time_ms
            WHERE e.exposed > 0
        )"""
    ),
    width=8,
)
_INSTALLS = panel(
    Table(
        (
            text("app", "App"),
            Column("app_version", "Version", unit="string", width=85),
            number("reports", "Reports", width=85),
            number("installs", "Installs", width=80),
            Column("per_thousand", "Per 1,000", unit=COUNT, decimals=1, width=95),
        )
    ),
    "App versions and their installs",
    "Reports in the time range against the peak of daily installs in it: a share far above that of "
    f"other versions points to the pins in that version. {LOWER}",
    f"""
        SELECT s.app, s.app_version, s.reports, e.installs,
            CASE WHEN e.installs > 0 THEN 1000.0 * s.reports / e.installs END AS per_thousand
        FROM (
            SELECT app, app_version, SUM(reports) AS reports FROM sources_hourly_v1
            WHERE {in_range()} AND {HOSTS} AND app <> '' GROUP BY app, app_version
        ) s
        LEFT JOIN (
            SELECT app, app_version, MAX(clients) AS installs FROM exposure_v1
            WHERE {DAYS} AND {HOSTS} AND app <> '' GROUP BY app, app_version
        ) e ON e.app = s.app AND e.app_version = s.app_version
        ORDER BY s.reports DESC, s.app_version LIMIT 20
    """,
    width=12,
)
_TOP = panel(
    Table(
        (
            VIOLATION,
            Column("host"),
            Column("cause", "Cause", width=175),
            Column("status", "Status", width=118),
            Column("counts", "Counts", width=110),
            Column("sender", "Sender", width=120),
            number("reports", "Reports", width=80),
            number("clients", "Clients", width=75),
            Column("locks_out", "Locks out", width=95, mapped=LOCKS_OUT),
            text("failing_name", "Certificate to look at"),
            ago("last_received_at", "Last report"),
        )
    ),
    "Top violations",
    "Reported in the time range, the most frequent first, with the certificate to look at. Reports are those of the "
    f"time range, clients those of the violation's whole life. {LOWER} {ESTIMATED}",
    f"""
        SELECT t.violation_id, v.host, v.cause, v.status,
            {yes_no("v.counts", unknown="not assessed")} AS counts, v.sender, t.reports, v.clients,
            {yes_no("v.locks_out", unknown="unknown")} AS locks_out,
            c.subject_name AS failing_name, v.last_received_at
        FROM (
            SELECT violation_id, SUM(reports) AS reports FROM sources_hourly_v1
            WHERE {in_range()} AND {HOSTS} GROUP BY violation_id ORDER BY 2 DESC, 1 LIMIT 30
        ) t
        JOIN violations_v1 v ON v.violation_id = t.violation_id
        LEFT JOIN chain_certificates_v1 c ON c.violation_id = t.violation_id AND c.failing
        ORDER BY t.reports DESC, t.violation_id
    """,
    width=24,
    height=10,
)
_ISSUERS = panel(
    Table(
        (
            text("issuer_name", "Issuer"),
            Column("cause", "Cause", width=175),
            number("networks", "Networks", width=95),
            number("violations", "Violations", width=95),
            number("reports", "Reports", width=80),
            ago("first_received_at", "First report"),
            ago("last_received_at", "Last report"),
        )
    ),
    "Issuers seen",
    "Who issued the leaves that were judged, as these write it: a name can be forged. An issuer in many networks is "
    f"more likely a product, in one network a single operator. Networks are the first few of each violation. {LOWER}",
    f"""
        SELECT issuer_name, cause, networks, violations, reports, first_received_at, last_received_at FROM issuers_v1
        WHERE {HOSTS} ORDER BY reports DESC, issuer, cause LIMIT 50
    """,
    width=24,
)
_PINS = panel(
    Table(
        (
            text("label", "Key"),
            Column("pin", "Pin", width=425),
            Column("served", "Served", mapped=words(yes=GREEN, no=ORANGE), width=80),
        )
    ),
    "Pins",
    "Expected pins of the revision in force. A Backup Pin is in no served chain. Pins of roots that the "
    "server does not send count as not served; before the first probe the column is empty.",
    f"""
        SELECT label, pin, {yes_no("in_live_chain")} AS served FROM pins_v1
        WHERE {HOSTS} AND in_force ORDER BY position
    """,
    width=24,
    height=6,
)
_LIVE = panel(
    Table(
        (
            text("address", "Address", width=120),
            number("position", "No.", width=50),
            text("subject_name", "Subject"),
            text("issuer_name", "Issuer"),
            ago("not_after", "Ends"),
            ago("seen_at", "Seen"),
        )
    ),
    "Served chain",
    "The certificates that the last probe found, address by address.",
    f"""
        SELECT address, position, subject_name, issuer_name, not_after, seen_at FROM live_chain_v1
        WHERE {HOSTS} ORDER BY address, position
    """,
    width=24,
    height=6,
)
_EXPOSURE = panel(
    Series(calc="max", points="always"),
    "Exposure",
    "How many received the pins on a day: sessions of the site, its distinct clients, installs of apps. A day of which "
    "data is missing is a gap, not zero.",
    days_known(
        f"""(
            SELECT time_ms AS slot, 'sessions' AS name, sessions AS amount FROM exposure_v1
            WHERE {DAYS} AND {HOSTS} AND sessions IS NOT NULL
            UNION ALL
            SELECT time_ms, CASE app WHEN '' THEN 'clients' ELSE 'installs' END, clients FROM exposure_v1
            WHERE {DAYS} AND {HOSTS} AND clients IS NOT NULL
        )"""
    ),
    width=12,
)
_CANARIES = panel(
    Timeline(mapped={"1": Shown("arrived", GREEN), "0": Shown("lost", RED)}),
    "Canaries",
    "Each canary until the next, by whether it arrived. Without one nothing proves that reports arrive.",
    f"""
        SELECT time, host AS metric, MIN(CASE WHEN arrived THEN 1 ELSE 0 END) AS "Value" FROM canaries_v1
        WHERE <within> AND {HOSTS} GROUP BY time, host ORDER BY time, host
    """,
    width=12,
)

HOST_DETAIL = Board(
    uid="hpkp-host",
    file="host",
    title="HPKP: host",
    about="May this host enforce its pins, and if not, what has to be fixed first?",
    since="now-90d",
    choices=(choose_host(many=False), PAGES),
    annotations=HOST_ANNOTATIONS,
    rows=(
        Row(
            "May ${host} enforce its pins, and if not, what has to be fixed first?",
            (*_STATS, _HEADLINE, _FINDINGS, verdict_timeline(width=14)),
        ),
        Row("The decision as numbers", (AUDIENCES, SHARE, BOUND, CRITERIA)),
        Row(
            "What clients report",
            (
                reports_by("cause", "Reports by cause", "Why pins did not match.", width=24, colors=CAUSES),
                _CLIENTS,
                _PER_THOUSAND,
                reports_by(
                    "sender", "Reports by sender", "The sender that the form of a report points to: a claim.", width=8
                ),
                reports_of("platform", "not named", "Systems", HOSTS, width=12),
                _INSTALLS,
            ),
        ),
        Row("Violations", (_TOP, _ISSUERS)),
        Row("What is expected and what is served", (_PINS, _LIVE, _EXPOSURE, _CANARIES, events(width=24))),
    ),
)
