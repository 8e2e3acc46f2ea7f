"""One violation: what it is, both chains with the pins, and how it spreads."""

from dashboards.definition.asked import (
    ESTIMATED,
    HOSTS,
    LOCKS_OUT,
    LOWER,
    choose_host,
    moment,
    number,
    panel,
    reports_of,
    versions_over_time,
    yes_no,
)
from dashboards.definition.boards import HOST_ANNOTATIONS, Board, Choice
from dashboards.definition.panels import GREEN, GREY, ORANGE, RED, Column, Panel, Row, Series, Stat, Table, words

_IT = "violation_id = CAST('0' || ${violation:sqlstring} AS BIGINT)"
"""An empty choice is violation 0, which there is none of."""


def _stat(title: str, about: str, column: str, look: Stat) -> Panel:
    return panel(look, title, about, f"SELECT {column} AS value FROM violations_v1 WHERE {_IT}", width=4, height=4)


_STATS = (
    _stat("Cause", "Why the pins did not match.", "cause", Stat(text=True, link="${service}/violations/${violation}")),
    _stat(
        "Status",
        "What somebody made of it.",
        "status",
        Stat(text=True, mapped=words(open=ORANGE, acknowledged=ORANGE, expected=GREEN, ignored=GREY, resolved=GREEN)),
    ),
    _stat(
        "Locks out",
        "Whether a client that enforced the expected pins now would lose this connection to them.",
        yes_no("locks_out", unknown="cannot tell"),
        Stat(text=True, mapped=LOCKS_OUT),
    ),
    _stat("Reports", f"All that were counted. {LOWER}", "reports", Stat(unit="short")),
    _stat("Clients", f"Distinct clients that reported it. {LOWER} {ESTIMATED}", "clients", Stat(unit="short")),
    _stat("Last report", "When it was last reported.", "last_received_at", Stat(unit="dateTimeFromNow")),
)
_WHY = panel(
    Table(
        (
            Column("why", "Why", width=420),
            Column("side", "Whose matter"),
            Column("anchor", "Path ends at"),
            Column("anchor_subject", "Its name"),
            Column("product", "Product"),
            Column("judged_chain", "Judged chain"),
            Column("sender", "Sender"),
            Column("sender_result", "Its own result"),
            Column("mode", "Mode"),
            Column("hostname", "Host name"),
            Column("port", "Port", unit="string"),
            Column("policy_revision", "Revision"),
            moment("first_received_at", "First report"),
            Column("note", "Note"),
        )
    ),
    "Why",
    "The rule that names the cause, whose matter it is, and where the path ends.",
    f"""
        SELECT why, side, anchor, anchor_subject, product, judged_chain, sender, sender_result, mode, hostname, port,
            policy_revision, first_received_at, note
        FROM violations_v1 WHERE {_IT}
    """,
    width=24,
    height=4,
)


def _chain(kind: str, about: str) -> Panel:
    return panel(
        Table(
            (
                number("position", "No.", width=50),
                Column("mark", "Look here", mapped=words(here=RED), width=90),
                Column("subject", "Subject"),
                Column("issuer", "Issuer"),
                Column("pin", "Pin", width=390),
                Column("known", "Known", width=70),
                Column("expected", "Expected", width=80),
                Column("own", "Own key", width=75),
                Column("path", "On the path", width=90),
                moment("not_before", "From"),
                moment("not_after", "To"),
                Column("unreadable", "Cannot be read", width=120),
            )
        ),
        f"{kind.capitalize()} chain",
        about,
        f"""
            SELECT position, CASE WHEN failing THEN 'here' ELSE '' END AS mark, subject, issuer, pin,
                {yes_no("in_known_pins")} AS known, {yes_no("in_expected_pins")} AS expected,
                {yes_no("own_key")} AS own, {yes_no("on_path")} AS path, not_before, not_after,
                COALESCE(unreadable, '') AS unreadable
            FROM chain_certificates_v1 WHERE {_IT} AND chain = '{kind}' ORDER BY position
        """,
        width=24,
        height=6,
    )


_KNOWN = panel(
    Table(
        (
            Column("pin", "Pin", width=390),
            Column("standing", "Of the policy", mapped=words(expected=GREEN, former=ORANGE, never_ours=RED), width=120),
            Column("label", "Key"),
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
    width=12,
    height=6,
)
_EXPECTED = panel(
    Table((Column("pin", "Pin", width=390), Column("label", "Key"), number("revision", "Revision", width=80))),
    "Expected pins",
    "The pins of the host's policy in force.",
    f"SELECT pin, label, revision FROM pins_v1 WHERE {HOSTS} AND in_force ORDER BY position",
    width=12,
    height=6,
)
_DECIDED = panel(
    Table(
        (
            moment("time", "At"),
            Column("was", "Was", width=120),
            Column("status", "Status", width=120),
            Column("note", "Note"),
        )
    ),
    "What was decided",
    "Each time that somebody made something else of this violation, the latest first.",
    f"SELECT time, was, status, note FROM status_changes_v1 WHERE {_IT} ORDER BY time DESC, status",
    width=24,
    height=5,
)
_DAYS = panel(
    Series(calc="max"),
    "Reports and clients by day",
    f"Reports and distinct clients of each day. {LOWER} {ESTIMATED}",
    f"""
        SELECT time, 'reports' AS metric, reports AS "Value" FROM violation_daily_v1 WHERE <within> AND {_IT}
        UNION ALL
        SELECT time, 'clients', clients FROM violation_daily_v1 WHERE <within> AND {_IT} ORDER BY 1, 2
    """,
    width=12,
)

VIOLATION_DETAIL = Board(
    uid="hpkp-violation",
    file="violation",
    title="HPKP: violation",
    about="One violation: its chains beside the pins that clients knew and that are expected, and how it spreads.",
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
    ),
    annotations=HOST_ANNOTATIONS,
    rows=(
        Row("What it is", (*_STATS, _WHY, _DECIDED)),
        Row(
            "Chains and pins",
            (
                _chain("served", "What the server sent, as the report has it; some senders leave it out."),
                _chain(
                    "validated",
                    "The path that the client built, which the pins are held against (RFC 7469 section 2.6).",
                ),
                _KNOWN,
                _EXPECTED,
            ),
        ),
        Row(
            "How it spreads",
            (
                _DAYS,
                versions_over_time(_IT, width=12),
                reports_of("app_version", "no version", "By app version", _IT, width=8),
                reports_of("platform", "not named", "By system", _IT, width=8),
                reports_of("label", "no label", "By label of the report-uri", _IT, width=8),
            ),
        ),
    ),
)
