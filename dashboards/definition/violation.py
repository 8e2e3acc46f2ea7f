"""One violation: what it is, both chains with the pins, and how it spreads."""

from dashboards.definition.asked import (
    BY,
    DAYS,
    ESTIMATED,
    HOSTS,
    LOCKS_OUT,
    LOWER,
    PAGES,
    ago,
    choose_host,
    number,
    or_else,
    over_time,
    panel,
    reports_of,
    sources_counted,
    text,
    yes_no,
)
from dashboards.definition.boards import HOST_ANNOTATIONS, Board, Choice
from dashboards.definition.engines import DAY_MS
from dashboards.definition.panels import COUNT, GREEN, GREY, ORANGE, RED, Column, Panel, Row, Series, Stat, Table, words

_IT = "violation_id = CAST('0' || ${violation:sqlstring} AS BIGINT)"
"""An empty choice is violation 0, which there is none of."""


def _stat(title: str, about: str, column: str, kind: Stat) -> Panel:
    return panel(kind, title, about, f"SELECT {column} AS value FROM violations_v1 WHERE {_IT}", width=4, height=4)


_STATS = (
    _stat("Cause", "Why the pins did not match.", "cause", Stat(text=True, link="${service}/violations/${violation}")),
    _stat(
        "Status",
        "The status that was set.",
        "status",
        Stat(text=True, mapped=words(open=ORANGE, acknowledged=ORANGE, expected=GREEN, ignored=GREY, resolved=GREEN)),
    ),
    _stat(
        "Locks out",
        "Whether a client that enforced the expected pins now would lose this connection to them.",
        yes_no("locks_out", unknown="unknown"),
        Stat(text=True, mapped=LOCKS_OUT),
    ),
    _stat("Reports", f"All that were counted. {LOWER}", "reports", Stat(unit=COUNT)),
    _stat("Clients", f"Distinct clients that reported it. {LOWER} {ESTIMATED}", "clients", Stat(unit=COUNT)),
    _stat("Last report", "When it was last reported.", "last_received_at", Stat(unit="dateTimeFromNow")),
)
_FACTS = (
    ("Why", "why"),
    ("Attributed to", "side"),
    ("Path ends at", "anchor"),
    ("Its name", "anchor_subject"),
    ("Product", "product"),
    ("Judged chain", "judged_chain"),
    ("Sender", "sender"),
    ("Its own result", "sender_result"),
    ("Mode", "mode"),
    ("Host name", "hostname"),
    ("Note", "note"),
)
_WHY = panel(
    Table((Column("fact", "Fact", width=130), text("value", "Value"))),
    "Why",
    "The rule that names the cause, to whom it is attributed, and where the path ends.",
    f"""
        WITH it AS (SELECT {", ".join(column for _, column in _FACTS)} FROM violations_v1 WHERE {_IT})
        SELECT fact, value FROM (
            {
        " UNION ALL ".join(
            f"SELECT {place} AS place, '{title}' AS fact, {column} AS value FROM it"
            for place, (title, column) in enumerate(_FACTS)
        )
    }
        ) facts
        WHERE value <> '' ORDER BY place
    """,
    width=12,
    height=9,
)


def _chain(kind: str, about: str) -> Panel:
    return panel(
        Table(
            (
                number("position", "No.", width=50),
                Column("mark", "Look", mapped=words(here=RED), width=65),
                text("name", "Subject"),
                text("issuer_name", "Issuer"),
                Column("pin", "Pin", width=425),
                Column("matches", "Matches pins", width=118),
                Column("own", "Your key", width=82),
                Column("path", "On path", width=75),
                Column("not_after", "Ends", unit="dateTimeFromNow", width=105),
            )
        ),
        f"{kind.capitalize()} chain",
        about,
        f"""
            SELECT position, CASE WHEN failing THEN 'here' ELSE '' END AS mark,
                COALESCE(subject_name, unreadable, '') AS name, issuer_name, pin,
                CASE WHEN in_known_pins AND in_expected_pins THEN 'known, expected' WHEN in_known_pins THEN 'known'
                    WHEN in_expected_pins THEN 'expected' ELSE 'none' END AS matches,
                {yes_no("own_key")} AS own, {yes_no("on_path")} AS path, not_after
            FROM chain_certificates_v1 WHERE {_IT} AND chain = '{kind}' ORDER BY position
        """,
        width=24,
        height=6,
    )


_KNOWN = panel(
    Table(
        (
            Column("pin", "Pin", width=425),
            Column("standing", "Of the policy", mapped=words(expected=GREEN, former=ORANGE, never_ours=RED), width=120),
            text("label", "Key"),
        )
    ),
    "Known pins",
    "What the clients remembered or brought along, and whether the policy expects it now, did before, or never.",
    f"""
        SELECT pin,
            CASE WHEN expected THEN 'expected' WHEN ever_expected THEN 'former' ELSE 'never ours' END AS standing,
            COALESCE(label, '') AS label
        FROM known_pins_v1 WHERE {_IT} ORDER BY position
    """,
    width=24,
    height=5,
)
_EXPECTED = panel(
    Table((Column("pin", "Pin", width=425), text("label", "Key"), number("revision", "Revision", width=80))),
    "Expected pins",
    "The pins of the host's policy in force.",
    f"SELECT pin, label, revision FROM pins_v1 WHERE {HOSTS} AND in_force ORDER BY position",
    width=24,
    height=5,
)
_DECIDED = panel(
    Table(
        (
            ago("time", "When"),
            Column("was", "Was", width=120),
            Column("status", "Status", width=120),
            text("note", "Note"),
        )
    ),
    "Status history",
    "Each change of this violation's status, the latest first.",
    f"SELECT time, was, status, note FROM status_changes_v1 WHERE {_IT} ORDER BY time_ms DESC, status",
    width=12,
    height=9,
)
_DAYS = panel(
    Series(calc="max", points="always"),
    "Reports and clients by day",
    f"Reports and distinct clients of each day. {LOWER} {ESTIMATED}",
    over_time(
        f"""(
            SELECT time_ms AS slot, 'reports' AS name, reports AS amount FROM violation_daily_v1
            WHERE {DAYS} AND {_IT}
            UNION ALL
            SELECT time_ms, 'clients', clients FROM violation_daily_v1 WHERE {DAYS} AND {_IT}
        )""",
        step=str(DAY_MS),
        line=True,
    ),
    width=12,
)
_VERSIONS = panel(
    Series(bars=True),
    "Reports by app version",
    f"Reports by the app version that the sender names. {BY} {LOWER}",
    over_time(sources_counted(or_else("app_version", "no version"), _IT)),
    width=12,
)

VIOLATION_DETAIL = Board(
    uid="hpkp-violation",
    file="violation",
    title="HPKP: violation",
    about="What is this violation, which certificate matches no pin, and how does it spread?",
    since="now-90d",
    choices=(
        choose_host(many=False),
        Choice(
            name="violation",
            label="Violation",
            query=f"""
                SELECT violation_id || ' ' || cause || ', ' || sender AS __text, violation_id AS __value
                FROM violations_v1 WHERE {HOSTS} ORDER BY last_received_at DESC, violation_id LIMIT 500
            """,
            about="Violations of the host, the latest reported first; at most 500.",
            many=False,
        ),
        PAGES,
    ),
    annotations=HOST_ANNOTATIONS,
    rows=(
        Row(
            "What is violation ${violation:raw} of ${host}, which certificate matches no pin, and how does it spread?",
            (*_STATS, _WHY, _DECIDED),
        ),
        Row(
            "Chains and pins",
            (
                _chain("served", "What the server sent, as the report has it; some senders leave it out."),
                _chain(
                    "validated",
                    "The path that the client built, which the pins are compared with (RFC 7469 section 2.6).",
                ),
                _KNOWN,
                _EXPECTED,
            ),
        ),
        Row(
            "How it spreads",
            (
                _DAYS,
                _VERSIONS,
                reports_of("platform", "not named", "By system", _IT, width=12, height=6),
                reports_of("label", "no label", "By label of the report-uri", _IT, width=12, height=6),
            ),
        ),
    ),
)
