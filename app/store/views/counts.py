"""What is counted, where it stands in the tables. Of the views only this file knows how counts are kept."""

HOST_HOURS = """
    SELECT v.host, r.hour, v.cause, v.sender, COALESCE(v.mode, '') AS mode, CAST(SUM(r.reports) AS BIGINT) AS reports
    FROM rollup_hours r JOIN violations v ON v.id = r.violation_id
    GROUP BY v.host, r.hour, v.cause, v.sender, COALESCE(v.mode, '')
"""
HOST_DAYS = """
    SELECT v.host, r.day, v.cause, v.sender, COALESCE(v.mode, '') AS mode, CAST(SUM(r.reports) AS BIGINT) AS reports
    FROM rollup_days r JOIN violations v ON v.id = r.violation_id
    GROUP BY v.host, r.day, v.cause, v.sender, COALESCE(v.mode, '')
"""
HOST_CLIENTS = """
    SELECT v.host, c.day, COUNT(DISTINCT c.client) AS clients
    FROM violation_clients c JOIN violations v ON v.id = c.violation_id
    GROUP BY v.host, c.day
"""
VIOLATION_DAYS = "SELECT violation_id, day, reports, clients_kept AS clients FROM rollup_days"
CLIENTS_OF_VIOLATION = "(SELECT COUNT(DISTINCT c.client) FROM violation_clients c WHERE c.violation_id = v.id)"
