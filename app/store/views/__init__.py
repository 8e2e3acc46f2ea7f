"""The reporting views: the contract with dashboards, defined once for both databases.

::

    dialect.py   what the databases write differently
    hosts.py, decisions.py, violations.py, reports.py, records.py, apps.py
                 a function for each view, which returns its SELECT

In PostgreSQL they stand in the schema ``grafana``, in SQLite beside the tables under the same names. Columns are added
to a view and never changed or removed; what breaks that needs a view of the next version next to it. docs/views.md says
what the columns mean. Each change of the schema takes the views away before and makes them again after, so that they
are never in its way.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from app.store.views import apps, decisions, hosts, records, reports, violations
from app.store.views.dialect import DIALECTS, Dialect

SCHEMA = "grafana"
"""The schema of the views in PostgreSQL."""

VIEWS: dict[str, Callable[[Dialect], str]] = {
    "hosts_v1": hosts.hosts,
    "policies_v1": hosts.policies,
    "pins_v1": hosts.pins,
    "live_chain_v1": hosts.live_chain,
    "exposure_v1": hosts.exposure,
    "canaries_v1": hosts.canaries,
    "verdicts_v1": hosts.verdicts,
    "findings_v1": hosts.findings,
    "decisions_daily_v1": decisions.decisions_daily,
    "criteria_daily_v1": decisions.criteria_daily,
    "violations_v1": violations.violations,
    "chain_certificates_v1": violations.chain_certificates,
    "known_pins_v1": violations.known_pins,
    "issuers_v1": violations.issuers,
    "certificates_v1": violations.certificates,
    "reports_hourly_v1": reports.reports_hourly,
    "reports_daily_v1": reports.reports_daily,
    "clients_daily_v1": reports.clients_daily,
    "violation_daily_v1": reports.violation_daily,
    "sources_hourly_v1": reports.sources_hourly,
    "sources_daily_v1": reports.sources_daily,
    "service_v1": records.service,
    "events_v1": records.events,
    "status_changes_v1": records.status_changes,
    "alerts_v1": records.alerts,
    "rejections_v1": records.rejections,
    "overflow_daily_v1": records.overflow_daily,
    "app_releases_v1": apps.app_releases,
}
"""Every view by its name; what a view reads of others stands before it."""


def create_views(connection: Connection) -> None:
    """Make the views."""
    sql = DIALECTS[connection.dialect.name]
    for name, write in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {sql.prefix}{name} AS {write(sql)}")


def drop_views(connection: Connection) -> None:
    """Take the views away, whichever there are."""
    if connection.dialect.name == "postgresql":
        found = f"SELECT '{SCHEMA}.' || quote_ident(viewname) FROM pg_views WHERE schemaname = '{SCHEMA}'"
    else:
        found = "SELECT name FROM sqlite_master WHERE type = 'view'"
    names = connection.exec_driver_sql(found).scalars().all()
    if connection.dialect.name == "postgresql" and names:
        names = [", ".join(names)]  # together, because one reads another
    for name in names:
        connection.exec_driver_sql(f"DROP VIEW {name}")
