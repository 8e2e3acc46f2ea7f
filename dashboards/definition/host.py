"""One host: may it enforce, what stands in the way, and what clients meet with."""

from dashboards.definition.asked import (
    ESTIMATED,
    HOSTS,
    LOCKS_OUT,
    LOWER,
    VIOLATION,
    choose_host,
    events,
    moment,
    number,
    panel,
    reports_by,
    reports_of,
    verdict_timeline,
    versions_over_time,
    yes_no,
)
from dashboards.definition.boards import HOST_ANNOTATIONS, Board
from dashboards.definition.panels import (
    BLUE,
    CAUSES,
    GREEN,
    ORANGE,
    RANKS,
    RED,
    Column,
    Panel,
    Row,
    Series,
    Stat,
    Table,
    words,
)


def _stat(title: str, about: str, column: str, look: Stat) -> Panel:
    return panel(look, title, about, f"SELECT {column} AS value FROM hosts_v1 WHERE {HOSTS}", width=4, height=4)


_STATS = (
    _stat("Verdict", "The last verdict recorded.", "verdict_rank", Stat(mapped=RANKS, link="${service}/hosts/${host}")),
    _stat("Days observed", "For how long the revision in force has been observed.", "observed_days", Stat(unit="d")),
    _stat("Open violations", "Violations that nobody closed.", "open_violations", Stat(unit="short")),
    _stat(
        "Clients on the busiest day",
        f"The most distinct clients that reported this host on one day: a lower bound. {ESTIMATED}",
        "clients_of_busiest_day",
        Stat(unit="short"),
    ),
    _stat(
        "Last canary",
        "When a canary last arrived: the proof that reports do.",
        "last_canary_at",
        Stat(unit="dateTimeFromNow"),
    ),
    _stat(
        "Leaf expires",
        "The end of the first leaf to expire, of those that the last look saw.",
        "leaf_expires_at",
        Stat(unit="dateTimeFromNow"),
    ),
)
_HEADLINE = panel(
    Table(
        (Column("headline", "Headline"), Column("next_step", "Next step", width=380), moment("verdict_since", "Since"))
    ),
    "In one sentence",
    "The last verdict in words, with the numbers of the last assessment, and the next step.",
    f"SELECT headline, next_step, verdict_since FROM hosts_v1 WHERE {HOSTS}",
    width=24,
    height=4,
)
_FINDINGS = panel(
    Table(
        (
            Column("severity", "Severity", mapped=words(blocker=RED, caution=ORANGE, info=BLUE), width=110),
            Column("code", "Finding"),
            moment("time", "Told"),
        )
    ),
    "Findings",
    "What the last verdict rests on; docs/causes.md says what each means. The host's page has them in words, with what "
    "to do.",
    f"SELECT severity, code, time FROM findings_v1 WHERE {HOSTS} AND in_last_verdict ORDER BY severity_rank, code",
    width=10,
)
_CLIENTS = panel(
    Series(calc="max"),
    "Clients by day",
    f"Distinct clients that reported this host on a day. {LOWER} {ESTIMATED}",
    f"""
        SELECT time, host AS metric, clients AS "Value" FROM clients_daily_v1
        WHERE <within> AND {HOSTS} ORDER BY time, host
    """,
    width=8,
)
_INSTALLS = panel(
    Table(
        (
            Column("app", "App"),
            Column("app_version", "Version", unit="string", width=80),
            number("reports", "Reports"),
            number("installs", "Installs"),
            number("per_thousand", "Per 1000"),
        )
    ),
    "App versions and their installs",
    "Reports in the time range beside the most installs that were told for a day of it: a share far above that of "
    f"other versions points to the pins in that version. {LOWER}",
    f"""
        SELECT s.app, s.app_version, s.reports, e.installs,
            CASE WHEN e.installs > 0 THEN 1000.0 * s.reports / e.installs END AS per_thousand
        FROM (
            SELECT app, app_version, SUM(reports) AS reports FROM sources_${{per}}_v1
            WHERE <within> AND {HOSTS} AND app <> '' GROUP BY app, app_version
        ) s
        LEFT JOIN (
            SELECT app, app_version, MAX(clients) AS installs FROM exposure_v1
            WHERE <within> AND {HOSTS} AND app <> '' GROUP BY app, app_version
        ) e ON e.app = s.app AND e.app_version = s.app_version
        ORDER BY s.reports DESC, s.app_version LIMIT 20
    """,
    width=8,
)
_TOP = panel(
    Table(
        (
            VIOLATION,
            Column("host"),
            Column("cause", "Cause", width=180),
            Column("status", "Status", width=110),
            Column("sender", "Sender", width=140),
            number("reports", "Reports"),
            number("clients", "Clients"),
            Column("locks_out", "Locks out", width=100, mapped=LOCKS_OUT),
            Column("failing_subject", "Certificate to look at"),
            Column("failing_issuer", "Its issuer"),
            Column("failing_pin", "Its pin", width=160),
            moment("first_received_at", "First report"),
            moment("last_received_at", "Last report"),
        )
    ),
    "Top violations",
    "Reported in the time range, the most frequent first, with the certificate to look at. Reports are those of the "
    f"time range, clients those of the violation's whole life. {LOWER} {ESTIMATED}",
    f"""
        SELECT t.violation_id, v.host, v.cause, v.status, v.sender, t.reports, v.clients,
            {yes_no("v.locks_out", unknown="cannot tell")} AS locks_out,
            c.subject AS failing_subject, c.issuer AS failing_issuer, c.pin AS failing_pin,
            v.first_received_at, v.last_received_at
        FROM (
            SELECT violation_id, SUM(reports) AS reports FROM violation_daily_v1
            WHERE <within> AND {HOSTS} GROUP BY violation_id ORDER BY 2 DESC, 1 LIMIT 30
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
            Column("issuer", "Issuer"),
            Column("cause", "Cause", width=180),
            number("violations", "Violations"),
            number("reports", "Reports"),
            moment("first_received_at", "First report"),
            moment("last_received_at", "Last report"),
        )
    ),
    "Issuers seen",
    f"Who issued the leaves that were judged, as these write it: a name can be forged. {LOWER}",
    f"""
        SELECT issuer, cause, violations, reports, first_received_at, last_received_at FROM issuers_v1
        WHERE {HOSTS} ORDER BY reports DESC, issuer, cause LIMIT 50
    """,
    width=24,
)
_PINS = panel(
    Table(
        (
            Column("label", "Key"),
            Column("pin", "Pin", width=390),
            number("revision", "Revision", width=80),
            Column("served", "Served", mapped=words(yes=GREEN, no=ORANGE), width=80),
        )
    ),
    "Pins",
    "Expected pins of the revision in force. A Backup Pin stands in no chain that is served. Pins of roots that the "
    "server does not send count as not served; where nobody looked yet nothing is said.",
    f"""
        SELECT label, pin, revision, {yes_no("in_live_chain")} AS served FROM pins_v1
        WHERE {HOSTS} AND in_force ORDER BY position
    """,
    width=12,
)
_LIVE = panel(
    Table(
        (
            Column("address", "Address", width=120),
            number("position", "No.", width=50),
            Column("subject", "Subject"),
            Column("issuer", "Issuer"),
            Column("pin", "Pin", width=160),
            moment("not_after", "Ends"),
            moment("seen_at", "Seen"),
        )
    ),
    "Served chain",
    "The certificates that the last look saw, address by address.",
    f"""
        SELECT address, position, subject, issuer, pin, not_after, seen_at FROM live_chain_v1
        WHERE {HOSTS} ORDER BY address, position
    """,
    width=12,
)
_EXPOSURE = panel(
    Series(calc="max"),
    "Exposure",
    "How many were served the pins on a day: sessions of the site, its distinct clients, installs of apps. A day of "
    "which nothing is known is missing, not zero.",
    f"""
        SELECT time, 'sessions' AS metric, SUM(sessions) AS "Value" FROM exposure_v1
        WHERE <within> AND {HOSTS} AND sessions IS NOT NULL GROUP BY time
        UNION ALL
        SELECT time, CASE app WHEN '' THEN 'clients' ELSE 'installs' END, SUM(clients) FROM exposure_v1
        WHERE <within> AND {HOSTS} AND clients IS NOT NULL
        GROUP BY time, CASE app WHEN '' THEN 'clients' ELSE 'installs' END
        ORDER BY 1, 2
    """,
    width=12,
)
_CANARIES = panel(
    Series(bars=True, colors={"arrived": GREEN, "lost": RED}),
    "Canaries",
    "Canaries, by whether they arrived. Without one nothing proves that reports arrive.",
    f"""
        SELECT time, CASE WHEN arrived THEN 'arrived' ELSE 'lost' END AS metric, COUNT(*) AS "Value" FROM canaries_v1
        WHERE <within> AND {HOSTS} GROUP BY 1, 2 ORDER BY 1, 2
    """,
    width=12,
)

HOST_DETAIL = Board(
    uid="hpkp-host",
    file="host",
    title="HPKP: host",
    about="One host: its verdict with the findings, what clients report and with which certificates, what is served.",
    since="now-90d",
    choices=(choose_host(many=False),),
    annotations=HOST_ANNOTATIONS,
    rows=(
        Row("May it be enforced?", (*_STATS, _HEADLINE, _FINDINGS, verdict_timeline(width=14))),
        Row(
            "What clients report",
            (
                reports_by("cause", "Reports by cause", "Why pins did not match.", width=24, colors=CAUSES),
                _CLIENTS,
                reports_by("sender", "Reports by sender", "What the form of a report points to: a claim.", width=8),
                reports_by("mode", "Reports by mode", "Whether clients report only, or end the connection.", width=8),
                versions_over_time(HOSTS, width=12),
                reports_of("platform", "not named", "Systems", HOSTS, width=4),
                _INSTALLS,
            ),
        ),
        Row("Violations", (_TOP, _ISSUERS)),
        Row("What is expected and what is served", (_PINS, _LIVE, _EXPOSURE, _CANARIES, events(width=24))),
    ),
)
