"""Exactly one outcome for every request to ``/report``: each is driven for real, and moves its one counter by one."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from app.collector import Collector
from app.store.writer import GroupWriter
from sqlalchemy import event

from app.api.problems import STATUS
from app.canary import make_canary
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.outcomes import Outcome
from app.service import now
from app.store import tables
from app.store.canaries import add_canary
from app.store.engine import writing
from app.store.secrets import canary_key
from app.store.submissions import Submission
from app.store.upsert import insert_missing
from tests.api.answers import DISCONNECT, chunks, counted, exchange, moved, problem_of
from tests.application import StartApp, TestClient, app_of, service_of
from tests.reports import distinct_bodies, report_body, site

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


class _BrokenWriter(GroupWriter):
    """A writer with a mistake in it."""

    async def submit(self, submission: Submission) -> Outcome:
        raise ZeroDivisionError


def _break_the_collector(client: TestClient) -> None:
    service = service_of(client)
    writer = _BrokenWriter(service.engine, service.intake, max_waiting=1)
    broken = replace(service, collector=Collector(writer, service.metrics, client_key=bytes(32)))
    app_of(client).state.service = broken


def _post(body: bytes = b"", **headers: str) -> Callable[[TestClient], int]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: int(client.post("/report", content=body, headers=named).status_code)


def _send_while_locked(client: TestClient) -> int:
    with locked(client):
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
    "duplicate": Case(_post(report_body()), before=report_body()),
    "foreign_type": Case(_post(json.dumps([{"type": "deprecation", "body": {}}]).encode())),
    "canary": Case(_send_a_canary),
    "canary_refused": Case(_send_a_canary_signed_by_another),
    "unreadable": Case(_post(b"pin-sha256")),
    "not_a_report": Case(_post(b'{"csp-report": {}}')),
    "too_large": Case(_post(b"x" * 101), {"max_body_bytes": 100}),
    "too_slow": Case(_stay_amid_the_body, {"max_body_seconds": 0.2}),
    "content_encoding": Case(_post(report_body(), content_encoding="gzip")),
    "unknown_host": Case(_post(report_body()), {"unknown_hosts": "reject"}),
    "over_limit": Case(_post(report_body(port=8443)), {"max_new_violations_per_day": 1}, before=report_body()),
    "store_unavailable": Case(_send_while_locked),
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


def test_a_locked_store_is_503_and_a_report_is_taken_as_soon_as_it_is_free(client: TestClient) -> None:
    with locked(client):
        response = client.post("/report", content=report_body())
        problem_of(response, 503)
        assert int(response.headers["retry-after"]) > 0
    assert client.post("/report", content=report_body()).status_code == 204
    assert counted(client)[Outcome.ACCEPTED] == 1


def test_too_many_that_wait_are_503_and_those_who_wait_are_answered(start: StartApp, tmp_path: Path) -> None:
    client = start(max_waiting=1)
    with closing(sqlite3.connect(tmp_path / "hpkp.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        sent = [_post_aside(client, body) for body in distinct_bodies(5)]
        refused, waiting = set[Future[int]](), set(sent)
        while len(refused) < 3:  # one is being written, one waits
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            refused |= done
        assert {future.result() for future in refused} == {503}
    statuses = sorted(future.result() for future in sent)
    taken = statuses.count(204)
    assert statuses == [204] * taken + [503] * (5 - taken)
    assert 1 <= taken <= 2
    assert counted(client)[Outcome.ACCEPTED] == taken
    assert counted(client)[Outcome.STORE_UNAVAILABLE] == 5 - taken


def _post_aside(client: TestClient, body: bytes) -> "Future[int]":
    """Post without waiting for the answer; a future of its status."""

    async def post() -> int:
        answered: list[int] = []
        messages = chunks(body)

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answered.append(message["status"])

        await client.app(_SCOPE, receive, send)
        return answered[0]

    assert client.portal is not None
    future: Future[int] = client.portal.start_task_soon(post)
    return future
