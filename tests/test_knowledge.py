"""When roots, catalogs or rules have changed, the service judges everything again from its start on."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.demo import SampleKind, make_site
from app.hpkp.hosts import Host
from app.main import create_app
from app.settings import Settings
from app.usecases.rejudging import PIECE, go_on
from tests.support.application import TestClient, caller, settings_for
from tests.support.authority import NOW


def _events(client: TestClient, kind: str) -> list[str]:
    return [event["text"] for event in client.get("/api/v1/events", params={"kind": kind}).json()["items"]]


def test_a_catalog_of_the_operators_own_gives_violations_another_cause(tmp_path: Path) -> None:
    site = make_site(Host("www.example.com"), at=NOW)
    body = json.loads(site.report(SampleKind.PRIVATE_ROOT, at=NOW))
    body["date-time"] = "2026-06-01T12:00:00+00:00"  # no more Chromium's form: it reports no private roots
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"

    with caller(create_app(Settings(database_url=url))) as client:
        pins = [{"sha256": str(pin)} for pin in site.pins]
        client.put("/api/v1/hosts/www.example.com/policy", json={"pins": pins}).raise_for_status()
        client.post("/report", json=body).raise_for_status()
        assert client.get("/api/v1/violations/1").json()["cause"] == "private_root"
        assert len(_events(client, "knowledge_changed")) == 1

    with caller(create_app(Settings(database_url=url))) as client:
        assert len(_events(client, "knowledge_changed")) == 1, "nothing changed, nothing is judged again"

    catalog = tmp_path / "own.toml"
    catalog.write_text(
        '[[interception_products]]\nname = "Sample Proxy"\nissuer_common_name = "Sample Interception Proxy"\n'
        'basis = "observed"\nsource = "our own network"\ncollected = 2026-11-23\n'
    )
    with caller(create_app(Settings(database_url=url, catalog=catalog))) as client:
        violation = client.get("/api/v1/violations/1").json()
        assert (violation["cause"], violation["product"]) == ("interception_product", "Sample Proxy")
        assert len(_events(client, "knowledge_changed")) == 2
        assert "1 violation re-evaluated: 1 private_root -> interception_product" in _events(client, "rejudged")


def test_what_is_left_after_the_first_second_is_judged_beside_the_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A piece ends by its number alone, however slow the machine is.
    assert go_on.__kwdefaults__ is not None
    monkeypatch.setitem(go_on.__kwdefaults__, "piece", replace(PIECE, seconds=60.0))
    monkeypatch.setattr("app.usecases.rejudging_queue._AT_ONCE", 0.0)
    monkeypatch.setattr("app.main._AT_THE_START", 0.0)
    monkeypatch.setattr("app.background_jobs._REJUDGING_PAUSE", 0.1)
    settings = settings_for(tmp_path)
    site = make_site(Host("www.example.com"), at=NOW)
    body = json.loads(site.report(SampleKind.PRIVATE_ROOT, at=NOW))
    pins = {"pins": [{"sha256": str(pin)} for pin in site.pins]}
    with caller(create_app(settings)) as client:
        for port in range(PIECE.violations + 5):
            client.post("/report", json=body | {"port": port + 1}).raise_for_status()
        answer = client.put("/api/v1/hosts/www.example.com/policy", json=pins).raise_for_status().json()
        assert answer["violations_to_reevaluate"] == 5
        _wait_for(lambda: len(_events(client, "rejudged")) == 1)
        assert _events(client, "rejudged")[0].startswith("69 violations re-evaluated: ")
        again = client.put("/api/v1/hosts/www.example.com/policy", json=pins).raise_for_status().json()
        assert again["violations_to_reevaluate"] == 0

    monkeypatch.setattr("app.usecases.rejudging_queue.RULES_VERSION", 10_000)
    with caller(create_app(settings)) as client:
        client.post("/report", json=body | {"port": 9000}).raise_for_status()
        _wait_for(lambda: len(_events(client, "knowledge_changed")) == 2)
        assert "69 violations re-evaluated: no cause changed" in _events(client, "rejudged")


def _wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_events_are_paged_and_filtered(tmp_path: Path) -> None:
    site = make_site(Host("www.example.com"), at=NOW)
    with caller(create_app(Settings(database_url=f"sqlite:///{tmp_path}/x.sqlite3"))) as client:
        for host in ("a.example", "b.example", "c.example"):
            pins = [{"sha256": str(pin)} for pin in site.pins]
            client.put(f"/api/v1/hosts/{host}/policy", json={"pins": pins}).raise_for_status()
        seen: list[str] = []
        query: dict[str, str | int] = {"kind": "policy_changed", "limit": 2}
        while True:
            page = client.get("/api/v1/events", params=query).json()
            seen.extend(event["host"] for event in page["items"])
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert seen == ["c.example", "b.example", "a.example"]
        only = client.get("/api/v1/events", params={"host": "B.example."}).json()["items"]
        assert {event["host"] for event in only} == {"b.example"}
        assert [event["kind"] for event in only] == ["verdict_changed", "policy_changed"]
