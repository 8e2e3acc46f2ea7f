"""Every 204 is durable: a real service is killed with SIGKILL under load and started again."""

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx

from app.hpkp.hosts import Host
from app.samples import SampleSite, Scenario, make_site
from app.service import now
from tests.authority import NOW
from tests.server import RunningService, running_service

_CONNECTIONS = 64


def _bodies(site: SampleSite) -> Iterator[bytes]:
    """Make reports of one violation that differ in their dates alone, so that each is a report of its own."""
    template = site.report(Scenario.OTHER_TRUST_PATH, at=NOW)
    for number in itertools.count():
        yield template.replace(b"2026-06-01T12:00:00.000Z", _moment(number).encode())


def _moment(number: int) -> str:
    minutes, milliseconds = divmod(number, 1000)
    return f"2026-06-01T12:{minutes:02}:00.{milliseconds:03}Z"


async def _post_all(url: str, bodies: dict[int, bytes], killed: asyncio.Event | None = None) -> dict[int, int]:
    """Post bodies over 64 connections; return the statuses of those that were answered."""
    answered: dict[int, int] = {}
    gate = asyncio.Semaphore(_CONNECTIONS)
    limits = httpx.Limits(max_connections=_CONNECTIONS)

    async def post(client: httpx.AsyncClient, number: int, body: bytes) -> None:
        async with gate:
            try:
                response = await client.post(f"{url}/report", content=body)
            except httpx.TransportError:
                return
            answered[number] = response.status_code
            if killed is not None and len(answered) == len(bodies) // 3:
                killed.set()

    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        await asyncio.gather(*(post(client, number, body) for number, body in bodies.items()))
    return answered


async def _post_and_kill(service: RunningService, bodies: dict[int, bytes]) -> dict[int, int]:
    killed = asyncio.Event()
    posting = asyncio.create_task(_post_all(service.url, bodies, killed))
    await killed.wait()
    await asyncio.to_thread(service.kill)
    return await posting


def _stored(url: str) -> tuple[int, Counter[str]]:
    """Return the summary's count, and how often each date-time stands among the single reports."""
    with httpx.Client(base_url=url) as client:
        total = client.get("/api/v1/hosts/www.example.com/summary").json()["totals"]["reports"]
        violations = client.get("/api/v1/violations").json()["items"]
        assert [violation["cause"] for violation in violations] == ["other_trust_path"]
        moments: Counter[str] = Counter()
        query: dict[str, str | int] = {"limit": 500}
        while True:
            page = client.get(f"/api/v1/violations/{violations[0]['id']}/reports", params=query).json()
            moments.update(item["date_time_text"] for item in page["items"])
            if page["next"] is None:
                return total, moments
            query["cursor"] = page["next"]


def test_every_acknowledged_report_survives_kill_nine_exactly_once(tmp_path: Path) -> None:
    site = make_site(Host("www.example.com"), at=now())
    bodies = dict(enumerate(itertools.islice(_bodies(site), 2200)))
    first = {number: bodies[number] for number in range(200)}
    rest = {number: bodies[number] for number in range(200, 2200)}
    rows = {"HPKP_MAX_REPORT_ROWS_PER_DAY": "10000"}

    with running_service(tmp_path, **rows) as service:
        pins = [{"sha256": str(pin)} for pin in site.pins]
        httpx.put(f"{service.url}/api/v1/hosts/www.example.com/policy", json={"pins": pins}).raise_for_status()
        answered = asyncio.run(_post_all(service.url, first))
        assert Counter(answered.values()) == {204: 200}
        answered |= asyncio.run(_post_and_kill(service, rest))

    assert set(answered.values()) == {204}
    assert 200 < len(answered) < 2200, "the kill has to fall amid the posts"

    with running_service(tmp_path, **rows) as service:
        total, moments = _stored(service.url)
        assert set(moments.values()) == {1}
        assert {_moment(number) for number in answered} <= set(moments)
        assert total == len(moments)

        # The senders that got no answer try again; what was taken without an answer is not counted twice.
        unanswered = {number: body for number, body in rest.items() if number not in answered}
        assert set(asyncio.run(_post_all(service.url, unanswered)).values()) == {204}
        total, moments = _stored(service.url)
        assert total == 2200
        assert set(moments.values()) == {1}


def test_a_terminated_service_answers_what_it_has_taken(tmp_path: Path) -> None:
    site = make_site(Host("www.example.com"), at=now())
    bodies = dict(enumerate(itertools.islice(_bodies(site), 1000)))

    async def post_and_terminate(service: RunningService) -> tuple[dict[int, int], int]:
        third = asyncio.Event()
        posting = asyncio.create_task(_post_all(service.url, bodies, third))
        await third.wait()
        code = await asyncio.to_thread(service.stop)
        return await posting, code

    with running_service(tmp_path, HPKP_MAX_REPORT_ROWS_PER_DAY="10000") as service:
        answered, code = asyncio.run(post_and_terminate(service))
    assert code in (0, -signal.SIGTERM)
    assert set(answered.values()) <= {204, 503}
    acknowledged = {number for number, status in answered.items() if status == 204}

    with running_service(tmp_path) as service:
        total = httpx.get(f"{service.url}/api/v1/hosts/www.example.com/summary").json()["totals"]["reports"]
    assert total == len(acknowledged)
