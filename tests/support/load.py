"""Reports that can be told apart, sent over many connections, and what is found of them afterwards."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx

from app.demo import SampleKind, SampleSite
from tests.support.admin import ADMIN

_CONNECTIONS = 64
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
"""Of today: clients validate their path, and the sample site's certificates are valid around today."""


def bodies_of(site: SampleSite) -> Iterator[bytes]:
    """Make reports of one violation that differ in their dates alone, so that each is a report of its own."""
    template = site.report(SampleKind.OTHER_TRUST_PATH, at=NOON)
    for number in itertools.count():
        yield template.replace(moment_of(0).encode(), moment_of(number).encode())


def moment_of(number: int) -> str:
    """Return the date of the report of a number."""
    seconds, milliseconds = divmod(number, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{NOON:%Y-%m-%d}T12:{minutes:02}:{seconds:02}.{milliseconds:03}Z"


async def post_all(url: str, bodies: dict[int, bytes], killed: asyncio.Event | None = None) -> dict[int, int]:
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


def stored(url: str) -> tuple[int, Counter[str]]:
    """Return the summary's count, and how often each date-time stands among the single reports."""
    with httpx.Client(base_url=url, headers=ADMIN) as client:
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
