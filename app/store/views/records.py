"""Views of what happened: events, decisions, alerts, and what was refused or not kept."""

from app.store.views.dialect import Dialect, instant

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
    "status_changed": "Status changed",
    "refusals_decided": "Refusals decided",
    "log_skipped": "Log skipped",
    "note": "Note",
}


def service(sql: Dialect) -> str:
    """Select one row: what boards have to know of the service; nothing before it started on this store."""
    return "SELECT value AS public_url FROM service_facts WHERE name = 'public_url'"


def events(sql: Dialect) -> str:
    """Select a row for each event, as an annotation."""
    titles = " ".join(f"WHEN '{kind}' THEN '{title}'" for kind, title in _TITLES.items())
    return f"""
        SELECT {instant(sql, "at", "time")}, {instant(sql, "at", "timeend")}, host, kind,
            CASE kind {titles} ELSE kind END AS title, text,
            kind || COALESCE(',' || host, '') AS tags
        FROM events
    """


def status_changes(sql: Dialect) -> str:
    """Select a row for each time that somebody made something else of a violation."""
    return f"""
        SELECT {instant(sql, "c.at", "time")}, c.violation_id, v.host, v.cause, c.was, c.status, c.note
        FROM status_changes c JOIN violations v ON v.id = c.violation_id
    """


def alerts(sql: Dialect) -> str:
    """Select a row for each alert of the service's own."""
    return f"""
        SELECT {instant(sql, "first_at", "time")}, {instant(sql, "resolved_at", "resolved_at")},
            {instant(sql, "sent_at", "sent_at")}, host, kind, text, resolved_at IS NULL AS open
        FROM alerts
    """


def rejections(sql: Dialect) -> str:
    """Select a row for each hour, outcome and label of what is kept of what was refused."""
    hour = f"received_at / {_HOUR_MS} * {_HOUR_MS}"
    return f"""
        SELECT {instant(sql, "hour", "time")}, outcome, label, submissions
        FROM (
            SELECT {hour} AS hour, outcome, label, COUNT(*) AS submissions
            FROM rejections GROUP BY {hour}, outcome, label
        ) r
    """


def overflow_daily(sql: Dialect) -> str:
    """Select a row for each host, day and reason of what was acknowledged and not kept."""
    return f"""
        SELECT {instant(sql, "day", "time")}, host, reason, reports, networks, {instant(sql, "last_at", "last_at")}
        FROM overflow_days
    """
