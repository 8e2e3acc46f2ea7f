"""Every 204 is durable: a real service is killed with SIGKILL under load and started again."""

import asyncio
import itertools
import signal
from collections import Counter
from pathlib import Path

from app.demo import make_site
from app.hpkp.hosts import Host
from app.service import now
from tests.support.load import bodies_of, moment_of, post_all, stored
from tests.support.server import RunningService, running_service


async def _post_and_kill(service: RunningService, bodies: dict[int, bytes]) -> dict[int, int]:
    killed = asyncio.Event()
    posting = asyncio.create_task(post_all(service.url, bodies, killed))
    await killed.wait()
    await asyncio.to_thread(service.kill)
    return await posting


def test_every_acknowledged_report_survives_kill_nine_exactly_once(tmp_path: Path) -> None:
    site = make_site(Host("www.example.com"), at=now())
    bodies = dict(enumerate(itertools.islice(bodies_of(site), 2200)))
    first = {number: bodies[number] for number in range(200)}
    rest = {number: bodies[number] for number in range(200, 2200)}
    rows = {"HPKP_MAX_REPORT_ROWS_PER_DAY": "10000"}

    with running_service(tmp_path, **rows) as service:
        pins = [{"sha256": str(pin)} for pin in site.pins]
        service.client.put("/api/v1/hosts/www.example.com/policy", json={"pins": pins}).raise_for_status()
        answered = asyncio.run(post_all(service.url, first))
        assert Counter(answered.values()) == {204: 200}
        answered |= asyncio.run(_post_and_kill(service, rest))

    assert set(answered.values()) == {204}
    assert 200 < len(answered) < 2200, "the kill has to fall amid the posts"

    with running_service(tmp_path, **rows) as service:
        total, moments = stored(service.url)
        assert set(moments.values()) == {1}
        assert {moment_of(number) for number in answered} <= set(moments)
        assert total == len(moments)

        # The senders that got no answer try again; what was taken without an answer is not counted twice.
        unanswered = {number: body for number, body in rest.items() if number not in answered}
        assert set(asyncio.run(post_all(service.url, unanswered)).values()) == {204}
        total, moments = stored(service.url)
        assert total == 2200
        assert set(moments.values()) == {1}


def test_a_terminated_service_answers_what_it_has_taken(tmp_path: Path) -> None:
    site = make_site(Host("www.example.com"), at=now())
    bodies = dict(enumerate(itertools.islice(bodies_of(site), 1000)))

    async def post_and_terminate(service: RunningService) -> tuple[dict[int, int], int]:
        third = asyncio.Event()
        posting = asyncio.create_task(post_all(service.url, bodies, third))
        await third.wait()
        code = await asyncio.to_thread(service.stop)
        return await posting, code

    with running_service(tmp_path, HPKP_MAX_REPORT_ROWS_PER_DAY="10000") as service:
        answered, code = asyncio.run(post_and_terminate(service))
    assert code in (0, -signal.SIGTERM)
    assert set(answered.values()) <= {204, 503}
    acknowledged = {number for number, status in answered.items() if status == 204}

    with running_service(tmp_path) as service:
        total = service.client.get("/api/v1/hosts/www.example.com/summary").json()["totals"]["reports"]
    assert total == len(acknowledged)
