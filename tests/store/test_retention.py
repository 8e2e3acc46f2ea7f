"""What is forgotten after its time, and what is not: each kind by itself, and the space with it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.application import StartApp, TestClient, send_in_order, service_of
from tests.reports import HOST, distinct_bodies, report_body, site

pytestmark = pytest.mark.sqlite_file

DAY = 86_400_000
KINDS = ("keep_bodies_days", "keep_rows_days", "keep_rollups_days", "keep_rejections_days", "keep_unknown_hosts_days")


def _keeping(start: StartApp, **days: float) -> TestClient:
    """Start a service that keeps for ever what is not named, and forgets only when told to."""
    return start(**(dict.fromkeys(KINDS, 0) | days), prune_interval_hours=0)


def _prune(client: TestClient, *, days_later: float = 0) -> dict[str, int]:
    at = datetime.now(UTC) + timedelta(days=days_later)
    service_of(client).clock.confirm(at=at)
    removed = service_of(client).retention.prune(at=at)
    return {what: count for what, count in removed.items() if count}


def _count(client: TestClient, table: str, condition: str = "1=1") -> Any:
    with service_of(client).engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {condition}").scalar()


def test_nothing_is_forgotten_before_its_time(start: StartApp) -> None:
    client = start(prune_interval_hours=0)
    send_in_order(client, *distinct_bodies(3))
    assert _prune(client, days_later=29) == {}


@pytest.mark.parametrize(
    ("kind", "removed"),
    [
        ("keep_bodies_days", {"bodies": 3}),
        ("keep_rows_days", {"rows": 3}),
        ("keep_rejections_days", {"rejections": 1}),
        ("keep_rollups_days", {"rollups": 1, "violations": 1, "sources": 1, "overflow": 1}),
    ],
)
def test_each_kind_is_forgotten_by_itself(start: StartApp, kind: str, removed: dict[str, int]) -> None:
    client = _keeping(start, **{kind: 10})
    client.post("/report", content=b"no report")
    send_in_order(client, *distinct_bodies(3))
    assert _prune(client, days_later=9) == {}
    assert _prune(client, days_later=12) == removed
    assert _prune(client, days_later=12) == {}
    assert _count(client, "reports") == (0 if kind in ("keep_rows_days", "keep_rollups_days") else 3)
    assert client.get(f"/api/v1/hosts/{HOST}/summary").status_code == 200


def test_counts_outlive_the_single_reports(start: StartApp) -> None:
    client = _keeping(start, keep_rows_days=1, keep_bodies_days=1)
    send_in_order(client, *distinct_bodies(3))
    _prune(client, days_later=3)
    summary = client.get(f"/api/v1/hosts/{HOST}/summary").json()
    assert summary["totals"]["reports"] == 3


_COUNTS = (
    ("rollup_hours", "hour"), ("rollup_days", "day"), ("host_hours", "hour"), ("host_days", "day"),
    ("host_clients", "day"),
)  # fmt: skip


def test_a_violation_that_is_still_reported_keeps_its_place_and_loses_its_old_counts(start: StartApp) -> None:
    client = _keeping(start, keep_rollups_days=10)
    send_in_order(client, *distinct_bodies(2))
    with service_of(client).engine.begin() as connection:
        for table, column in _COUNTS:
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = {column} - {20 * DAY}")
        connection.exec_driver_sql(f"UPDATE violations SET first_received_at = first_received_at - {20 * DAY}")
    send_in_order(client, *distinct_bodies(5)[2:])
    client.patch("/api/v1/violations/1", json={"status": "expected", "note": "known"})
    assert _prune(client) == {"rollups": 1}
    violation = client.get("/api/v1/violations/1").json()
    assert (violation["reports"], violation["status"], violation["note"]) == (5, "expected", "known")
    assert client.get(f"/api/v1/hosts/{HOST}/summary").json()["totals"]["reports"] == 3


def test_policies_and_events_stay_and_forgetting_is_an_event(start: StartApp) -> None:
    client = _keeping(start, keep_rows_days=1)
    client.put(f"/api/v1/hosts/{HOST}/policy", json={"pins": [{"sha256": site().root.pin}]})
    send_in_order(client, report_body())
    _prune(client, days_later=2000)
    events = client.get("/api/v1/events").json()["items"]
    assert [event["text"] for event in events if event["kind"] == "pruned"] == ["Deleted: 1 rows"]
    assert client.get(f"/api/v1/hosts/{HOST}/policy").status_code == 200


def test_the_file_gives_its_space_back(start: StartApp, tmp_path: Path) -> None:
    client = _keeping(start, keep_rejections_days=1)
    for number in range(300):
        client.post("/report", content=b"%d " % number + b"x" * 4000)
    send_in_order(client, report_body())
    with service_of(client).engine.connect() as connection:
        before = connection.exec_driver_sql("PRAGMA page_count").scalar()
    assert _prune(client, days_later=3) == {"rejections": 300}
    with service_of(client).engine.connect() as connection:
        after = connection.exec_driver_sql("PRAGMA page_count").scalar()
        assert connection.exec_driver_sql("PRAGMA freelist_count").scalar() == 0
    assert after is not None
    assert before is not None
    assert after < before


def test_reports_are_taken_while_much_is_forgotten(start: StartApp) -> None:
    client = _keeping(start, keep_rows_days=1)
    send_in_order(client, *distinct_bodies(40))
    taken: list[int] = []

    def take_one(what: str, count: int) -> None:
        taken.append(client.post("/report", content=report_body(port=len(taken) + 1)).status_code)

    service_of(client).retention.prune(at=datetime.now(UTC) + timedelta(days=3), progress=take_one)
    assert taken
    assert set(taken) == {204}
