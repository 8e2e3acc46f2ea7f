"""Grafana's alert rules: each query gives one number with labels, as the reading role, and fires where it should."""

import json
import operator
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.store.engine import open_engine
from app.store.service_facts import record_public_url
from tests.support.dashboards.boards import FILES, FOLDER
from tests.support.dashboards.grafana import Range
from tests.support.dashboards.stores import Answer, PostgresStore, postgres_store
from tests.support.demo import demo_store

[GROUP] = json.loads((FOLDER / "provisioning/alerting/hpkp.json").read_text())["groups"]
RULES: dict[str, dict[str, Any]] = {rule["uid"]: rule for rule in GROUP["rules"]}


@pytest.fixture(scope="module")
def store() -> Iterator[PostgresStore]:
    """Return the demo's store."""
    with postgres_store(demo_store().database) as made:
        owner = open_engine(f"postgresql://postgres@/{made.connection.info.dbname}?host={made.connection.info.host}")
        record_public_url(owner, "https://collector.example.net")
        owner.dispose()
        yield made


@pytest.fixture(scope="module")
def empty() -> Iterator[PostgresStore]:
    """Return an empty one."""
    with postgres_store() as made:
        yield made


def _ask(store: PostgresStore, rule: dict[str, Any], *, back: timedelta | None = None) -> Answer:
    query, now = rule["data"][0], datetime.now(UTC)
    return store.ask(
        query["model"]["rawSql"], Range(now - (back or timedelta(seconds=query["relativeTimeRange"]["from"])), now)
    )


def _firing(rule: dict[str, Any], answer: Answer) -> set[str]:
    """Return the hosts for which the rule's threshold is passed."""
    condition = rule["data"][1]["model"]["conditions"][0]["evaluator"]
    [limit] = condition["params"]
    over = {"gt": operator.gt, "lt": operator.lt}[condition["type"]]
    numbers = zip(answer.column("host"), answer.column("value"), strict=True)
    return {host for host, value in numbers if over(value, limit)}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_asks_the_store_for_one_number_with_labels(
    store: PostgresStore, empty: PostgresStore, rule: dict[str, Any]
) -> None:
    query, threshold = rule["data"]
    assert (rule["condition"], threshold["model"]["expression"]) == (threshold["refId"], query["refId"])
    assert threshold["datasourceUid"] == "__expr__"
    assert "${" not in query["model"]["rawSql"], "variables are not replaced in rules"
    for answer in (_ask(store, rule, back=timedelta(days=400)), _ask(empty, rule)):
        labels = [name for name in answer.columns if name != "value"]
        assert all(isinstance(value, float) for value in answer.column("value"))
        assert all(isinstance(text, str) for name in labels for text in answer.column(name))
        assert len({tuple(row[:-1]) for row in answer.rows}) == len(answer.rows), "labels tell the rows apart"
        assert answer.columns[-1] == "value"
    told = rule["annotations"]["summary"] + rule["annotations"]["description"]
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= set(labels)
    assert set(re.findall(r"\$values\.(\w+)\.Value", told)) <= {query["refId"]}


def test_the_rules_fire_for_the_hosts_of_the_demo_that_they_are_about(store: PostgresStore) -> None:
    now = {uid: _firing(rule, _ask(store, rule)) for uid, rule in RULES.items()}
    assert now["hpkp-strangers-key"] == {"api.example.net"}
    assert now["hpkp-not-ready"] == {"api.example.net", "www.example.com"}
    assert now["hpkp-leaf-expires"] == set()
    assert now["hpkp-no-canary"] == set()
    lately = timedelta(days=10)
    assert _firing(RULES["hpkp-surge"], _ask(store, RULES["hpkp-surge"], back=lately)) == {"www.example.com"}
    assert _firing(RULES["hpkp-new-issuer"], _ask(store, RULES["hpkp-new-issuer"], back=lately)) == {
        "api.example.net",
    }


def test_a_rule_leads_to_the_panel_that_shows_it_and_to_the_page_that_says_what_to_do(store: PostgresStore) -> None:
    [board] = [file for file in FILES if (file.engine, file.name) == ("postgres", "host")]
    panels = {str(panel["id"]): panel["title"] for panel in board.panels()}
    shown = {}
    for uid, rule in RULES.items():
        annotations = rule["annotations"]
        assert annotations["runbook_url"] == "{{ $labels.service }}/hosts/{{ $labels.host }}"
        assert annotations["__dashboardUid__"] == board.model["uid"]
        shown[uid] = panels[annotations["__panelId__"]]
        assert set(_ask(store, rule, back=timedelta(days=400)).column("service")) <= {"https://collector.example.net"}
        told = annotations["summary"] + annotations["description"]
        assert not re.search(r"\{\{ \$values", told), "a number with all its digits"
    assert shown["hpkp-no-canary"] == "Last canary"


def test_rules_have_names_that_stay_and_say_how_bad_it_is() -> None:
    assert len(RULES) == len(GROUP["rules"]) == len({rule["title"] for rule in RULES.values()})
    assert max(map(len, RULES)) <= 40
    assert {rule["labels"]["severity"] for rule in RULES.values()} == {"critical", "warning"}
    assert {rule["data"][0]["datasourceUid"] for rule in RULES.values()} == {"hpkp-postgres"}
