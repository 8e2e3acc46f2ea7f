"""Exactly one outcome for every request to ``/report``: each is driven for real, and moves its one counter by one."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import event

from app.api.problems import STATUS
from app.canary import make_canary
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.ingest.collector import Collector
from app.ingest.entry import Entry
from app.ingest.keyed_hashes import KeyedHashes
from app.ingest.log_directory import find_logs
from app.ingest.log_values import AppendResult
from app.outcomes import Outcome
from app.service import now
from app.store import tables
from app.store.canaries import add_canary
from app.store.engine import writing
from app.store.secrets import canary_key
from app.store.upsert import insert_missing
from tests.support.api.answers import DISCONNECT, chunks, counted, exchange, metric_of, moved, problem_of, rejections
from tests.support.application import StartApp, TestClient, app_of, service_of
from tests.support.reports import distinct_bodies, report_body, site

_SCOPE = {
    "type": "http", "method": "POST", "path": "/report", "query_string": b"", "headers": [], "client": ("127.0.0.1", 1),
}  # fmt: skip


@contextmanager
def locked(client: TestClient) -> Iterator[None]:
    """Hold the store's write lock from outside, and let nobody wait for it."""
    service = service_of(client)

    @event.listens_for(service.engine, "connect")
    def _impatient(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=0")

    service.engine.dispose()
    with closing(sqlite3.connect(str(service.engine.url.database))) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def without_log(client: TestClient) -> Iterator[None]:
    """Move the ingest log's directory away, as a disk that is unmounted does."""
    root = service_of(client).settings.log_root
    (log,) = find_logs(root)
    aside = root.with_name("aside")
    log.path.rename(aside)
    yield
    aside.rename(log.path)


class _BrokenCommit:
    """A group commit with a mistake in it."""

    def submit(self, entry: Entry) -> "asyncio.Future[AppendResult]":
        raise ZeroDivisionError


def _break_the_collector(client: TestClient) -> None:
    metrics = service_of(client).metrics
    app = app_of(client)
    app.state.ingest = replace(app.state.ingest, collector=Collector(_BrokenCommit(), metrics, KeyedHashes(bytes(32))))


def _post(body: bytes = b"", **headers: str) -> Callable[[TestClient], int]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: int(client.post("/report", content=body, headers=named).status_code)


def _send_without_log(client: TestClient) -> int:
    with without_log(client):
        return _post(report_body())(client)


def _send_to_a_broken_collector(client: TestClient) -> int:
    _break_the_collector(client)
    return _post(report_body())(client)


def _go_away(client: TestClient) -> int:
    assert exchange(client, [*chunks(b"{", b"")[:1], DISCONNECT]) == []
    return 0


def _stay_amid_the_body(client: TestClient) -> int:
    """Send half a body and then nothing, without going away."""

    async def post() -> int:
        answered: list[int] = []
        messages = chunks(b"{", b"")[:1]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            answered.append(message.get("status", 0))

        await client.app(_SCOPE, receive, send)
        return answered[0]

    assert client.portal is not None
    return client.portal.call(post)


def _canary(client: TestClient) -> bytes:
    """Return the body of a canary that the service is about to send."""
    service, at, nonce = service_of(client), now(), bytes(16)
    policy = PinningPolicy(Host("www.example.com"), (ExpectedPin(parse_pin(site().root.pin)),))
    with writing(service.engine) as connection:
        insert_missing(connection, tables.hosts, [{"name": policy.host, "first_seen_at": 0}])
        add_canary(connection, policy.host, nonce, report_uri="https://reports.example.net/report", at=at)
    return make_canary(policy, nonce, key=canary_key(service.engine), at=at)


def _send_a_canary(client: TestClient) -> int:
    return _post(_canary(client))(client)


def _send_a_canary_signed_by_another(client: TestClient) -> int:
    body = json.loads(_canary(client))
    body["hpkp-canary"]["signature"] = "00" * 32
    return _post(json.dumps(body).encode())(client)


@dataclass(frozen=True)
class Case:
    """What is sent, to a service with which settings, after what."""

    send: Callable[[TestClient], int]
    settings: dict[str, Any] = field(default_factory=dict)
    before: bytes | None = None


CASES = {
    "accepted": Case(_post(report_body())),
    "foreign_type": Case(_post(json.dumps([{"type": "deprecation", "body": {}}]).encode())),
    "canary": Case(_send_a_canary),
    "canary_refused": Case(_send_a_canary_signed_by_another),
    "unreadable": Case(_post(b"pin-sha256")),
    "not_a_report": Case(_post(b'{"csp-report": {}}')),
    "too_large": Case(_post(b"x" * 101), {"max_body_bytes": 100}),
    "too_slow": Case(_stay_amid_the_body, {"max_body_seconds": 0.2}),
    "content_encoding": Case(_post(report_body(), content_encoding="gzip")),
    "unknown_host": Case(_post(report_body()), {"unknown_hosts": "reject"}),
    "store_unavailable": Case(_send_without_log),
    "method_not_allowed": Case(lambda client: int(client.get("/report").status_code)),
    "bad_request": Case(lambda client: int(client.post("/report/a/b").status_code)),
    "disconnected": Case(_go_away),
    "preflight": Case(lambda client: int(client.options("/report").status_code)),
    "fault": Case(_send_to_a_broken_collector),
}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_moves_its_own_counter_by_one_and_no_other(start: StartApp, outcome: Outcome) -> None:
    case = CASES[outcome.value]
    client = start(**case.settings)
    if case.before is not None:
        assert client.post("/report", content=case.before).status_code == 204
    before = counted(client)
    status = case.send(client)
    assert moved(before, counted(client)) == {outcome: 1}
    no_answer = outcome is Outcome.DISCONNECTED
    assert status == (0 if no_answer else STATUS.get(outcome, (204, ""))[0])


def test_every_outcome_has_a_counter_from_the_start(client: TestClient) -> None:
    assert counted(client) == dict.fromkeys(Outcome, 0)


def test_requests_to_other_paths_are_no_submissions(client: TestClient) -> None:
    for path in ("/reports", "/livez", "/api/v1/violations", "/nowhere"):
        client.post(path, content=report_body())
    assert counted(client) == dict.fromkeys(Outcome, 0)


def test_a_fault_is_answered_as_a_problem_that_tells_nothing_of_the_inside(client: TestClient) -> None:
    _break_the_collector(client)
    problem = problem_of(client.post("/report", content=report_body()), 500)
    assert "ZeroDivision" not in json.dumps(problem)


def test_a_locked_store_delays_no_report_and_is_caught_up_with(client: TestClient) -> None:
    with locked(client):
        sent = [client.post("/report", content=body).status_code for body in distinct_bodies(5)]
        assert sent == [204] * 5
        readyz = client.get("/readyz").json()
        assert readyz["status"] == "ready"
    assert _reports_once_counted(client, 5) == 5
    assert counted(client)[Outcome.ACCEPTED] == 5


def _reports_once_counted(client: TestClient, wanted: int) -> int:
    """Return how many reports are counted, once there are as many as wanted; fail with fewer after a while."""
    deadline = time.monotonic() + 30
    while (found := int(metric_of(client, 'hpkp_folded_reports_total{result="accepted"}'))) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_without_its_log_a_report_is_503_and_is_taken_as_soon_as_that_is_back(client: TestClient) -> None:
    assert client.post("/report", content=report_body()).status_code == 204
    with without_log(client):
        response = client.post("/report", content=report_body(port=1))
        problem_of(response, 503)
        assert int(response.headers["retry-after"]) > 0
        problem_of(client.get("/readyz"), 503)
    time.sleep(0.3)  # for so long it does not try again
    assert client.post("/report", content=report_body(port=1)).status_code == 204
    assert client.get("/readyz").status_code == 200
    assert _reports_once_counted(client, 2) == 2
    assert [one["outcome"] for one in rejections(client)] == ["store_unavailable"]


def test_what_waits_for_the_disk_is_bounded_and_more_is_503(start: StartApp) -> None:
    client = start(max_waiting_bytes=1000)
    problem_of(client.post("/report", content=report_body()), 503)
    assert counted(client)[Outcome.STORE_UNAVAILABLE] == 1
