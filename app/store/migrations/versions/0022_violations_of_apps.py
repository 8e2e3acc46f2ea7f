"""The app whose pins a violation is about, as a part of its identity.

Revision 0022, after 0021.
"""

import sqlalchemy as sa
from alembic import op

from app.hpkp.audience import CARRIES_PINS
from app.hpkp.violation import with_app

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_violations = sa.table("violations", *map(sa.column, ("id", "identity", "sender", "app")))
_hours = sa.table("rollup_hours", *map(sa.column, ("violation_id", "source_id", "reports")))
_sources = sa.table("sources", *map(sa.column, ("id", "app")))


def upgrade() -> None:
    """Make the change."""
    op.add_column("violations", sa.Column("app", sa.String(), nullable=True))
    _set_apps(op.get_bind())


def _set_apps(connection: sa.Connection) -> None:
    """Give each violation the app that most of its reports name, so that further reports of that app are counted there.

    Equal numbers of reports: the first app by name, so that every copy of a store is upgraded alike.
    """
    total = sa.func.sum(_hours.c.reports)
    rows = connection.execute(
        sa.select(_violations.c.id, _violations.c.identity, _sources.c.app, total)
        .join(_hours, _hours.c.violation_id == _violations.c.id)
        .join(_sources, _sources.c.id == _hours.c.source_id)
        .where(_violations.c.sender.in_([sender.value for sender in CARRIES_PINS]), _sources.c.app != "")
        .group_by(_violations.c.id, _violations.c.identity, _sources.c.app)
        .order_by(_violations.c.id, total.desc(), _sources.c.app)
    ).all()
    last = None
    for id_, identity, app, _ in rows:
        if id_ != last:
            values = {"app": app, "identity": with_app(bytes(identity), app)}
            connection.execute(sa.update(_violations).where(_violations.c.id == id_).values(values))
        last = id_


def downgrade() -> None:
    """Take the change back. Identities stay: an older version counts further reports of apps as new violations."""
    op.drop_column("violations", "app")
