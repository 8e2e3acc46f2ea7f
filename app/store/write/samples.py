"""Samples of rejected submissions, of which the newest are kept, and arrivals of canaries."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select

from app.store import tables
from app.store.canaries import receive_canary
from app.store.engine import from_ms
from app.store.submissions import RejectedSubmission
from app.store.write.values import CanaryArrival

_REJECTIONS = tables.rejections
_KEPT = tuple(column.name for column in _REJECTIONS.c if column.name != "id")


def record_rejections(connection: Connection, rejected: Sequence[RejectedSubmission], *, limit: int) -> None:
    """Keep rejected submissions, and delete the oldest over the limit."""
    newest = rejected[-limit:] if limit else []
    if newest:
        connection.execute(insert(_REJECTIONS), [{name: getattr(item, name) for name in _KEPT} for item in newest])
    last = connection.scalar(select(func.max(_REJECTIONS.c.id))) or 0
    connection.execute(delete(_REJECTIONS).where(_REJECTIONS.c.id <= last - limit))


def record_canaries(connection: Connection, canaries: Sequence[CanaryArrival]) -> int:
    """Record canaries that arrived; return how many were sent and had not arrived before."""
    ordered = sorted(canaries, key=lambda canary: (canary.host, canary.nonce, canary.received_at))
    return sum(
        receive_canary(connection, canary.host, canary.nonce, at=from_ms(canary.received_at)) for canary in ordered
    )
