"""Views of counts: reports and clients by hour and day."""

from app.store.views.dialect import Dialect, instant

_DAY_MS = 86_400_000


def reports_hourly(sql: Dialect) -> str:
    """Select a row for each host, hour, cause, sender and mode."""
    return f"SELECT {instant(sql, 'hour', 'time')}, host, cause, sender, mode, reports FROM host_hours"


def reports_daily(sql: Dialect) -> str:
    """Select the same by day."""
    return f"SELECT {instant(sql, 'day', 'time')}, host, cause, sender, mode, reports FROM host_days"


def clients_daily(sql: Dialect) -> str:
    """Select a row for each host and day."""
    return f"SELECT {instant(sql, 'day', 'time')}, host, clients FROM host_clients"


def violation_daily(sql: Dialect) -> str:
    """Select a row for each violation and day."""
    return f"""
        SELECT {instant(sql, "d.day", "time")}, d.violation_id, v.host, v.cause, v.sender, COALESCE(v.mode, '') AS mode,
            d.reports, d.clients
        FROM rollup_days d JOIN violations v ON v.id = d.violation_id
    """


_SOURCE = "s.app, s.app_version, s.platform, s.label"


def sources_hourly(sql: Dialect) -> str:
    """Select a row for each violation, hour and source."""
    return f"""
        SELECT {instant(sql, "r.hour", "time")}, r.violation_id, v.host, v.cause, v.sender, {_SOURCE}, r.reports
        FROM rollup_hours r
        JOIN violations v ON v.id = r.violation_id
        JOIN sources s ON s.id = r.source_id
    """


def sources_daily(sql: Dialect) -> str:
    """Select the same by day; grouped by all that is shown, so that a condition on it narrows what is grouped."""
    day = f"(r.hour / {_DAY_MS} * {_DAY_MS})"
    shown = f"r.violation_id, v.host, v.cause, v.sender, {_SOURCE}"
    return f"""
        SELECT {instant(sql, day, "time")}, {shown}, CAST(SUM(r.reports) AS BIGINT) AS reports
        FROM rollup_hours r
        JOIN violations v ON v.id = r.violation_id
        JOIN sources s ON s.id = r.source_id
        GROUP BY {day}, {shown}
    """
