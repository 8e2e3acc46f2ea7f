"""Views of apps: installs, reports and refused connections of their releases, by day."""

from app.store.views.dialect import Dialect

_DAY_MS = 86_400_000


def app_releases(sql: Dialect) -> str:
    """Select a row for each day and version of an app of which installs are known or from which reports came.

    A count by build is that of the release with the build. Where counts by version and by build cover the same day,
    the larger one is shown, because they count the same.
    """
    builds = f"""
        SELECT r.app, r.platform, r.version, b.value AS build
        FROM registered_releases r JOIN {sql.walk_texts("r.builds", "b")} ON TRUE
    """
    counted = f"""
        SELECT i.day, i.app, i.platform, i.version, i.total, 0 AS by_build FROM installs i WHERE i.version <> ''
        UNION ALL
        SELECT i.day, i.app, i.platform, b.version, i.total, 1 AS by_build
        FROM installs i JOIN ({builds}) b ON b.app = i.app AND b.platform = i.platform AND b.build = i.build
        WHERE i.version = ''
    """
    installs = f"""
        SELECT day, app, platform, version, MAX(total) AS installs, NULL AS reports, NULL AS refused
        FROM (
            SELECT day, app, platform, version, by_build, SUM(total) AS total FROM ({counted}) c
            GROUP BY day, app, platform, version, by_build
        ) t
        GROUP BY day, app, platform, version
    """
    day = f"(h.hour / {_DAY_MS} * {_DAY_MS})"
    refused = "CASE WHEN v.mode = 'enforce' AND v.locks_out THEN h.reports ELSE 0 END"
    reports = f"""
        SELECT {day} AS day, s.app, LOWER(s.platform) AS platform, s.app_version AS version,
            NULL AS installs, SUM(h.reports) AS reports, SUM({refused}) AS refused
        FROM rollup_hours h
        JOIN violations v ON v.id = h.violation_id
        JOIN sources s ON s.id = h.source_id
        WHERE s.app <> '' AND v.cause NOT IN ('control', 'implausible')
        GROUP BY {day}, s.app, LOWER(s.platform), s.app_version
    """
    number = "CAST(MAX(x.{}) AS BIGINT)".format
    return f"""
        SELECT {sql.at("x.day")} AS time, x.day AS time_ms, x.app, x.platform, x.version,
            MAX(CASE WHEN r.id IS NULL THEN 0 ELSE 1 END) = 1 AS registered,
            {number("installs")} AS installs,
            COALESCE({number("reports")}, 0) AS reports,
            COALESCE({number("refused")}, 0) AS refused_connections
        FROM (
            SELECT day, app, platform, version, CAST(installs AS BIGINT) AS installs,
                CAST(reports AS BIGINT) AS reports, CAST(refused AS BIGINT) AS refused
            FROM ({installs}) a
            UNION ALL
            SELECT day, app, platform, version, CAST(installs AS BIGINT) AS installs,
                CAST(reports AS BIGINT) AS reports, CAST(refused AS BIGINT) AS refused
            FROM ({reports}) p
        ) x
        LEFT JOIN registered_releases r ON r.app = x.app AND r.platform = x.platform AND r.version = x.version
        GROUP BY x.day, x.app, x.platform, x.version
    """
