"""Several collectors on one PostgreSQL, and one of them killed: what was acknowledged is there once."""

import asyncio
import itertools
from collections import Counter
from pathlib import Path

from app.demo import SampleSite, make_site
from app.hpkp.hosts import Host
from app.service import now
from tests.support.load import bodies_of, moment_of, post_all, stored
from tests.support.postgres import postgres_database
from tests.support.server import RunningService, running_service

_ROWS = {"HPKP_MAX_REPORT_ROWS_PER_DAY": "10000"}


def _bodies(service: RunningService, count: int) -> dict[int, bytes]:
    """Make bodies of one violation, judged by a policy that is set for it."""
    site: SampleSite = make_site(Host("www.example.com"), at=now())
    pins = [{"sha256": str(pin)} for pin in site.pins]
    service.client.put("/api/v1/hosts/www.example.com/policy", json={"pins": pins}).raise_for_status()
    return dict(enumerate(itertools.islice(bodies_of(site), count)))


def _assert_there_once(url: str, acknowledged: set[int], *, total: int) -> None:
    counted, moments = stored(url)
    assert {moment_of(number) for number in acknowledged} <= set(moments)
    assert set(moments.values()) == {1}
    assert counted == len(moments) == total


async def _post_to_both(
    first: RunningService, second: RunningService, bodies: dict[int, bytes]
) -> tuple[dict[int, int], dict[int, int]]:
    """Post the even ones to the first, which is killed amid them, and the odd ones to the second."""
    even = {number: body for number, body in bodies.items() if number % 2 == 0}
    odd = {number: body for number, body in bodies.items() if number % 2}
    third = asyncio.Event()
    posting = asyncio.gather(post_all(first.url, even, third), post_all(second.url, odd))
    await third.wait()
    await asyncio.to_thread(first.kill)
    to_first, to_second = await posting
    return to_first, to_second


def test_one_of_two_collectors_is_killed_under_load(tmp_path: Path) -> None:
    """Sent: 600 reports of one new violation, half to each; the first is killed amid them.

    Acknowledged: all of the second's, some of the first's. Then the second gets what got no answer. Found: every
    report once, and counts of 600.
    """
    with (
        postgres_database() as url,
        running_service(tmp_path / "1", HPKP_DATABASE_URL=url, **_ROWS) as first,
        running_service(tmp_path / "2", HPKP_DATABASE_URL=url, **_ROWS) as second,
    ):
        bodies = _bodies(second, 600)
        to_first, to_second = asyncio.run(_post_to_both(first, second, bodies))
        assert Counter(to_second.values()) == {204: 300}
        assert set(to_first.values()) == {204}
        assert 0 < len(to_first) < 300, "the kill has to fall amid the posts"

        left = {number: body for number, body in bodies.items() if number not in to_first | to_second}
        assert set(asyncio.run(post_all(second.url, left)).values()) == {204}
        _assert_there_once(second.url, set(bodies), total=600)
