"""Odd host names through every door: no fault, and what is stored is plain, on both stores, behind the fold too."""

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select

from app.store import tables
from tests.support.api.answers import metric_of
from tests.support.application import TestClient, service_of
from tests.support.odd_hosts import PLAIN_HOST, odd_hosts
from tests.support.reports import HOST, report_body, site

pytestmark = pytest.mark.both_databases

_POLICY = {"pins": [{"sha256": site().root.pin}]}
_REFUSALS = {307, 400, 404, 405, 422}
_NAMED = [
    tables.hosts.c.name,
    *(
        column
        for table in tables.hosts.metadata.tables.values()
        for column in table.columns
        if column.name in ("host", "hostname", "noted_hostname")
    ),
]
"""Every column that holds a host which somebody named."""


def _ask(client: TestClient, text: str) -> None:
    """Name a host wherever one can be named."""
    path = f"/api/v1/hosts/{quote(text.encode('utf-8', 'surrogatepass'), safe='')}"
    query = {"host": text.encode("utf-8", "surrogatepass")}
    body = report_body(served=[], validated=[])
    named = report_body(host=text, noted=HOST, served=[], validated=[])
    noted = report_body(host=HOST, noted=text, served=[], validated=[])
    event = json.dumps({"kind": "note", "text": "x", "host": text}).encode()
    for answer in (
        client.post("/report", content=named),
        client.post("/report", content=noted),
        client.post("/report", content=named[:-1]),
        client.post("/report", content=body.replace(HOST.encode(), text.encode("utf-8", "surrogatepass"))),
        client.put(f"{path}/policy", json=_POLICY),
        client.put(f"{path}/exposure/2026-11-01", json={"sessions": 1}),
        client.get(f"{path}/summary"),
        client.get(f"{path}/readiness"),
        client.get(f"/hosts/{path.rpartition('/')[2]}"),
        client.get("/api/v1/violations", params=query),
        client.get("/api/v1/overflow", params=query),
        client.get("/api/v1/export", params=query),
        client.post("/api/v1/events", content=event, headers={"content-type": "application/json"}),
    ):
        assert answer.status_code < 300 or answer.status_code in _REFUSALS, (text, answer.request, answer.text)


def test_every_host_that_is_stored_is_plain_and_none_is_a_fault(client: TestClient) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(odd_hosts())
    def ask(text: str) -> None:
        _ask(client, text)

    for text in (
        "::1%" + "x" * 300,
        "::1%\r\nx",
        "[fe80::1%<script>alert(1)</script>]",
        "<b>",
        "a\x00b",
        "\ud800",
        HOST,
    ):
        _ask(client, text)
    ask()
    shown = client.get("/").text + client.get("/rejections").text
    assert "<script>alert" not in shown
    assert metric_of(client, "hpkp_fold_fails") == 0
    with service_of(client).engine.connect() as connection:
        for column in _NAMED:
            for name in connection.scalars(select(column).distinct()):
                assert not name or re.fullmatch(PLAIN_HOST, name), (column, name)
        assert HOST in set(connection.scalars(select(tables.violations.c.hostname)))
