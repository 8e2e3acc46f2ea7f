"""Views of what happened: events, decisions, alerts, and what was refused or not kept."""

from app.store.views.dialect import Dialect

_HOUR_MS = 3_600_000
_TITLES = {
    "policy_changed": "Policy",
    "certificate_rotated": "Certificate rotated",
    "deployed": "Deployed",
    "served_chain_changed": "Served chain",
    "served_header_changed": "Served header",
    "probe_failed": "Not reached",
    "probe_recovered": "Reached again",
    "verdict_changed": "Verdict",
    "rejudged": "Re-evaluated",
    "knowledge_changed": "Roots or catalogs",
    "pruned": "Pruned",
}


def events(sql: Dialect) -> str:
    """Select a row for each event, as an annotation."""
    titles = " ".join(f"WHEN '{kind}' THEN '{title}'" for kind, title in _TITLES.items())
    return f"""
        SELECT {sql.at("at")} AS time, {sql.at("at")} AS timeend, host, kind,
            CASE kind {titles} ELSE kind END AS title, text,
            kind || COALESCE(',' || host, '') AS tags
        FROM events
    """


def status_changes(sql: Dialect) -> str:
    """Select a row for each time that somebody made something else of a violation."""
    return f"""
        SELECT {sql.at("c.at")} AS time, c.violation_id, v.host, v.cause, c.was, c.status, c.note
        FROM status_changes c JOIN violations v ON v.id = c.violation_id
    """


def alerts(sql: Dialect) -> str:
    """Select a row for each alert of the service's own."""
    return f"""
        SELECT {sql.at("first_at")} AS time, {sql.at("resolved_at")} AS resolved_at, {sql.at("sent_at")} AS sent_at,
            host, kind, text, resolved_at IS NULL AS open
        FROM alerts
    """


def rejections(sql: Dialect) -> str:
    """Select a row for each hour, outcome and label of what is kept of what was refused."""
    hour = f"received_at / {_HOUR_MS} * {_HOUR_MS}"
    return f"""
        SELECT {sql.at("hour")} AS time, outcome, label, submissions
        FROM (
            SELECT {hour} AS hour, outcome, label, COUNT(*) AS submissions
            FROM rejections GROUP BY {hour}, outcome, label
        ) r
    """


def overflow_daily(sql: Dialect) -> str:
    """Select a row for each host, day and reason of what was acknowledged and not kept."""
    return f"""
        SELECT {sql.at("day")} AS time, host, reason, reports, networks, {sql.at("last_at")} AS last_at
        FROM overflow_days
    """
