"""What tests of the API ask of every answer, and requests that no ordinary client sends."""

import re
from collections.abc import Iterable
from typing import Any

from app.outcomes import Outcome
from tests.support.application import LOOPBACK, TestClient, service_of
from tests.support.reports import report_body

_COUNTER = re.compile(r'hpkp_submissions_total\{outcome="(\w+)"\} (\S+)')

Message = dict[str, Any]


def problem_of(response: Any, status: int) -> dict[str, Any]:
    """Return the problem that an answer is, by RFC 9457."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"]
    return problem


def counted(client: TestClient) -> dict[Outcome, int]:
    """Return the counter of every outcome, as the metrics show it."""
    exposition = service_of(client).metrics.exposition().decode()
    return {Outcome(name): int(float(value)) for name, value in _COUNTER.findall(exposition)}


def metric_of(client: TestClient, name: str) -> float:
    """Return a metric, with its labels, as it is shown; 0 for one that is not there."""
    lines = service_of(client).metrics.exposition().decode().splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} ")), 0.0)


def moved(before: dict[Outcome, int], after: dict[Outcome, int]) -> dict[Outcome, int]:
    """Return by how much counters moved, those alone that did."""
    return {outcome: after[outcome] - before[outcome] for outcome in after if after[outcome] != before[outcome]}


def rejections(client: TestClient, **query: str | int) -> list[dict[str, Any]]:
    """Return the samples of what was rejected, the newest first.

    Nobody waits for a sample to be written, but it is written no later than a report that comes after it.
    """
    assert client.post("/report", content=report_body(host="afterwards.example")).status_code == 204
    items: list[dict[str, Any]] = client.get("/api/v1/rejections", params=query).json()["items"]
    return items


def exchange(
    client: TestClient, messages: Iterable[Message], *, headers: Iterable[tuple[bytes, bytes]] = ()
) -> list[Message]:
    """Post to ``/report`` in messages of ASGI, such as a server makes of chunks; return those of the answer."""
    waiting, answered = list(messages), list[Message]()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/report", "raw_path": b"/report", "query_string": b"", "root_path": "",
        "headers": list(headers), "client": (LOOPBACK, 50000), "server": ("testserver", 80), "state": {},
    }  # fmt: skip

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        answered.append(dict(message))

    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    return answered


def chunks(*parts: bytes) -> list[Message]:
    """Make the messages of a body that comes in parts."""
    last = len(parts) - 1
    return [{"type": "http.request", "body": part, "more_body": position < last} for position, part in enumerate(parts)]


DISCONNECT: Message = {"type": "http.disconnect"}
