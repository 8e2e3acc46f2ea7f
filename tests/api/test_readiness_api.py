"""The verdict over HTTP: what it rests on is entered with care, and answers about the past say what they are."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.hpkp.test_readiness import BACKUP, LIVE
from tests.support.application import TestClient

HOST = "/api/v1/hosts/www.example.com"
POLICY = {"pins": [{"sha256": str(LIVE)}, {"sha256": str(BACKUP)}], "report_uri": "https://reports.example.net/report"}


@pytest.mark.parametrize(
    ("day", "body", "pointer"),
    [
        ("2026-11-02", {"sessions": 3, "clients": 4}, "/sessions"),
        ("2026-11-02", {}, "/sessions"),
        ("2026-11-02", {"sessions": -1}, "/sessions"),
        ("2026-11-31", {"sessions": 1}, "/path/date"),
        ("1969-11-02", {"sessions": 1}, "/path/date"),
        (f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}", {"sessions": 1}, "/path/date"),
    ],
)
def test_exposure_that_cannot_be_is_refused(client: TestClient, day: str, body: dict[str, int], pointer: str) -> None:
    answer = client.put(f"{HOST}/exposure/{day}", json=body)
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    assert client.get(f"{HOST}/exposure").json()["items"] == []


def test_an_answer_for_a_past_moment_says_so_and_there_is_none_for_the_future(client: TestClient) -> None:
    before = datetime.now(UTC)
    assert client.put(f"{HOST}/policy", json=POLICY).status_code == 200
    assert client.get(f"{HOST}/readiness").json()["as_of"] is None
    past = client.get(f"{HOST}/readiness", params={"at": datetime.now(UTC).isoformat()})
    assert "known at that time" in past.json()["as_of"]
    assert client.get(f"{HOST}/readiness", params={"at": before.isoformat()}).status_code == 404
    tomorrow = (before + timedelta(days=1)).isoformat()
    assert client.get(f"{HOST}/readiness", params={"at": tomorrow}).status_code == 422
