"""The page, the command line, the API and the boards of every host of the demo say the same.

The last days of the scenarios are compared where these are played (`tests.test_scenarios`).
"""

from datetime import UTC, datetime
from pathlib import Path

import time_machine

from app.main import create_app
from tests.support.application import caller as client_of
from tests.support.application import service_of, settings_for
from tests.support.dashboards.stores import whole_demo
from tests.support.demo import demo_store
from tests.support.same_answers import check_that_all_say_the_same


def test_all_say_the_same_of_every_host_of_the_demo(tmp_path: Path) -> None:
    demo = demo_store().copy_to(tmp_path)
    at = datetime.now(UTC)
    settings = settings_for(
        tmp_path, database_url=f"sqlite:///{demo.database}", trust_anchors=demo.roots, catalog=demo.catalog,
        verdict_interval_minutes=0, prune_interval_hours=0,
    )  # fmt: skip
    with time_machine.travel(at, tick=False), client_of(create_app(settings)) as client:
        service = service_of(client)
        hosts = [item["host"] for item in client.get("/api/v1/hosts").json()["items"] if item["registered"]]
        assert len(hosts) >= 5
        said = []
        for host in hosts:
            service.readiness.record(host, at=at)
            said.append(check_that_all_say_the_same(client, settings, host, shown=whole_demo(at)))
    assert {one.verdict for one in said} == {"ready", "not_ready", "not_enough_data"}
    counting = [counts for one in said for counts in one.counts.values()]
    assert True in counting
    assert False in counting
