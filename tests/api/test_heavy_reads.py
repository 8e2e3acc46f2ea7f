"""Costly reads: few at once, the others are told when to try again."""

import anyio
import pytest

from tests.support.api.answers import problem_of
from tests.support.application import TestClient, app_of, service_of
from tests.support.reports import HOST, report_body, site

WHAT_IF, EXPORT = f"/api/v1/hosts/{HOST}/what-if", "/api/v1/export"


@pytest.fixture
def reported(client: TestClient) -> TestClient:
    """Let a host have a policy and a report."""
    body = {"pins": [{"sha256": pin} for pin in (site().leaf.pin, site().root.pin)]}
    assert client.put(f"/api/v1/hosts/{HOST}/policy", json=body).status_code == 200
    assert client.post("/report", content=report_body()).status_code == 204
    return client


def _ask(client: TestClient) -> list[int]:
    pins = {"pins": [site().root.pin]}
    return [client.post(WHAT_IF, json=pins).status_code, client.get(EXPORT).status_code]


def test_a_third_costly_read_at_once_is_told_to_try_again(reported: TestClient) -> None:
    reads = service_of(reported).heavy_reads
    first, second = reads.take_slot(), reads.take_slot()
    for answer in (reported.post(WHAT_IF, json={"pins": [site().root.pin]}), reported.get(EXPORT)):
        assert problem_of(answer, 503)["title"] == "Too many costly reads"
        assert answer.headers["retry-after"] == "5"
    assert reported.get("/api/v1/violations").status_code == 200
    first()
    assert _ask(reported) == [200, 200]
    second()


def test_every_costly_read_gives_its_slot_back(reported: TestClient) -> None:
    for _ in range(3):
        assert _ask(reported) == [200, 200]
    assert reported.post(WHAT_IF, json={"pins": []}).status_code == 422
    assert reported.post(WHAT_IF.replace(HOST, "other.example"), json={"pins": [site().root.pin]}).status_code == 404
    assert _ask(reported) == [200, 200]


def test_an_export_whose_reader_went_away_gives_its_slot_back(reported: TestClient) -> None:
    app = app_of(reported)
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": EXPORT, "raw_path": EXPORT.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    begun = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        begun.append(message)
        raise OSError("the reader went away")

    async def read() -> None:
        with pytest.raises(Exception, match=r"^$|went away"):
            await app(scope, receive, send)

    for _ in range(3):
        anyio.run(read)
    assert len(begun) == 3
    assert _ask(reported) == [200, 200]
