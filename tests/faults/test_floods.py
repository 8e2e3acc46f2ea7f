"""Senders in great numbers, slow, rude or inventive: others are served, and what they can make grow has its limit."""

import asyncio
import contextlib
import socket
import sqlite3
import struct
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.faults.flood import flood
from tests.support.reports import distinct_bodies, report_body, site
from tests.support.server import RunningService, running_service

_SLOW = 200
_SETTINGS = {
    "HPKP_MAX_BODY_SECONDS": "12",
    "HPKP_MAX_NEW_VIOLATIONS_PER_DAY": "40",
    "HPKP_MAX_UNKNOWN_HOSTS": "10",
    "HPKP_MAX_REJECTIONS": "30",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("floods")


@pytest.fixture(scope="module")
def service(directory: Path) -> Iterator[RunningService]:
    with running_service(directory, **_SETTINGS) as running:
        yield running


def _address(service: RunningService) -> tuple[str, int]:
    where = urlsplit(service.url)
    assert where.hostname is not None
    assert where.port is not None
    return where.hostname, where.port


def _counted(service: RunningService) -> Counter[str]:
    """Return the counters of the outcomes."""
    lines = service.client.get("/metrics", timeout=60).text.splitlines()
    counters = (line.partition('_submissions_total{outcome="')[2].partition('"} ') for line in lines)
    return Counter({name: int(float(value)) for name, _, value in counters if name})


def _reports(service: RunningService, host: str) -> int:
    return int(service.client.get(f"/api/v1/hosts/{host}/summary").json()["totals"]["reports"])


async def _post_all(service: RunningService, bodies: list[bytes]) -> list[int]:
    gate = asyncio.Semaphore(16)

    async def post(client: httpx.AsyncClient, body: bytes) -> int:
        async with gate:
            return (await client.post(f"{service.url}/report", content=body)).status_code

    async with httpx.AsyncClient(timeout=60) as client:
        return list(await asyncio.gather(*(post(client, body) for body in bodies)))


async def _send_slowly(service: RunningService, body: bytes, *, silent: bool) -> bytes:
    """Send a byte a second, or none, until there is an answer and the end; return the first line."""
    reader, writer = await asyncio.open_connection(*_address(service))
    writer.write(b"POST /report HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
    answer = asyncio.create_task(reader.readline())
    for byte in body:
        if (await asyncio.wait([answer], timeout=1))[0]:
            break
        if not silent:
            writer.write(bytes([byte]))
    line = await answer
    with contextlib.suppress(ConnectionResetError):  # a byte was still on its way when it was closed
        await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return line


async def _slow_and_others(service: RunningService, bodies: list[bytes]) -> tuple[list[int], list[bytes]]:
    slow = [
        asyncio.create_task(_send_slowly(service, body, silent=n % 2 == 1)) for n, body in enumerate(bodies[:_SLOW])
    ]
    await asyncio.sleep(1)
    others = await _post_all(service, bodies[_SLOW:])
    assert not any(task.done() for task in slow), "the others have to be served while the slow ones send"
    return others, await asyncio.gather(*slow)


def test_two_hundred_slow_senders_keep_nobody_waiting_and_are_told_so(service: RunningService) -> None:
    """Sent: 200 reports of which a byte comes each second, or none at all, and 50 whole ones meanwhile.

    Acknowledged: the 50, before any of the 200 has its answer, which is 408 after twelve seconds. Found: 50.
    """
    before = _counted(service)
    bodies = distinct_bodies(_SLOW + 50, host="slow.example")
    others, slow = asyncio.run(_slow_and_others(service, bodies))
    assert others == [204] * 50
    assert Counter(slow) == {b"HTTP/1.1 408 Request Timeout\r\n": _SLOW}
    assert _counted(service) - before == {"too_slow": _SLOW, "accepted": 50}
    assert _reports(service, "slow.example") == 50


def _cut(service: RunningService, body: bytes) -> None:
    """Send half a report and reset the connection."""
    with socket.create_connection(_address(service), timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        head = b"POST /report HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body[: len(body) // 2])


def test_connections_cut_amid_the_body_leave_nothing_behind(service: RunningService) -> None:
    """Sent: 60 halves of reports on connections that are then reset, and 60 whole ones between them.

    Acknowledged and found: the 60 whole ones.
    """
    before = _counted(service)
    bodies = distinct_bodies(120, host="cut.example")
    for half, whole in zip(bodies[:60], bodies[60:], strict=True):
        _cut(service, half)
        assert service.client.post("/report", content=whole).status_code == 204
    while (counted := _counted(service) - before).total() < 120:
        assert counted.keys() <= {"accepted", "disconnected"}
    assert counted == {"accepted": 60, "disconnected": 60}
    assert _reports(service, "cut.example") == 60


def _rows(directory: Path, table: str) -> int:
    with closing(sqlite3.connect(directory / "hpkp.sqlite3")) as store:
        return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _overflow(service: RunningService, host: str) -> list[dict[str, Any]]:
    found = service.client.get("/api/v1/overflow", params={"host": host}).json()["items"]
    return list(found)


def _pem(number: int) -> str:
    """Return the first certificate of the site with one byte of its signature changed, and so another one."""
    der = bytearray(b64decode("".join(site().served[0].splitlines()[1:-1])))
    der[-3:-1] = number.to_bytes(2, "big")
    return f"-----BEGIN CERTIFICATE-----\n{b64encode(der).decode()}\n-----END CERTIFICATE-----\n"


def test_a_flood_of_distinct_chains_stops_at_the_limit_and_what_is_known_still_counts(
    service: RunningService, directory: Path
) -> None:
    """Sent: 300 reports with a chain of their own each, then those of the first violation again from elsewhere.

    Acknowledged: all. Found: 20 violations and overflow of 280 reports, no more chains than those; the first counts on.
    """
    chains = _rows(directory, "chains")
    flood = [report_body(host="chains.example", served=[_pem(number)]) for number in range(300)]
    assert asyncio.run(_post_all(service, flood[:1])) == [204]
    assert _reports(service, "chains.example") == 1  # folded, before the others come in whichever order
    assert set(asyncio.run(_post_all(service, flood[1:]))) == {204}
    known = flood[0].replace(b"12:00:00.000Z", b"12:00:01.000Z")
    assert asyncio.run(_post_all(service, [known])) == [204]
    assert _reports(service, "chains.example") == 21
    assert _rows(directory, "violations WHERE host = 'chains.example'") == 20
    assert _rows(directory, "chains") - chains <= 20 + 1  # all have the same validated one
    (overflow,) = _overflow(service, "chains.example")
    assert (overflow["reason"], overflow["reports"], overflow["networks"]) == ("host_and_day", 280, 1)


def test_a_flood_of_distinct_hosts_stops_at_the_limit(service: RunningService, directory: Path) -> None:
    """Sent: 200 reports for a host of their own each. Found: ten hosts in all, which are counted on, and overflow."""
    before = service.client.get("/api/v1/hosts").json()["items"]
    assert len(before) < 10
    flood = [report_body(host=f"h{number}.example") for number in range(200)]
    assert set(asyncio.run(_post_all(service, flood))) == {204}
    hosts = service.client.get("/api/v1/hosts").json()["items"]
    assert len(hosts) == 10
    host = next(found["host"] for found in hosts if found not in before)
    again = report_body(host=host).replace(b"12:00:00.000Z", b"12:00:01.000Z")
    assert asyncio.run(_post_all(service, [again])) == [204]
    assert _reports(service, host) == 2
    hosts_left_out = [day["reports"] for day in _overflow(service, "") if day["reason"] == "unregistered_hosts"]
    assert sum(hosts_left_out) == 190 + len(before)


def test_after_a_flood_of_junk_every_honest_client_is_heard_and_the_disk_is_within_its_bound(tmp_path: Path) -> None:
    """Sent: 10,000 pieces of distinct junk from five networks, then 500 reports of a leaf whose key is not pinned.

    Acknowledged: all. Found: the 500 in violations that are judged, also of those clients that sit in the networks of
    the flood; the store below its limit, with what the flood left of it gone first, and every report counted.
    """
    found = flood(tmp_path, junk=10_000, limit=2_500_000)
    assert (found.junk_answers, found.honest_answers) == ({204: 10_000}, {204: 500})
    assert (found.honest_reports, found.honest_causes) == (500, ["unknown_key_public_ca"])
    assert found.violations <= 5 * 50 + 10 + 5  # the networks' room, a copied leaf's, and the honest
    assert found.overflow.keys() <= {"network_and_host", "network_and_day", "unregistered_hosts_of_network"}
    assert found.store_bytes_before > found.limit > found.store_bytes
    assert found.honest_reports_after_shrinking == 500
    assert found.reports_after_shrinking == 10_500
