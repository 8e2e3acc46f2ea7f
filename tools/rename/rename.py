"""Rename code of a checkout to the agreed terms; can be run again after a merge.

    python3 tools/rename/rename.py CHECKOUT [--no-format]

What is renamed already is skipped. A name that would collide stops the script before any file is written.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import wrap
from engine import Tree

CODE = ("app/*.py", "bench/*.py", "dashboards/*.py", "tests/*.py", "tools/*.py")
DOCS = ("docs/*.md", "README.md", "CONTRIBUTING.md", "SECURITY.md")


def judgement(t: Tree) -> None:
    causes = "app/hpkp/judgement/causes.py"
    t.sym(causes, "ATTRIBUTION", "ATTRIBUTION_TEXTS")
    t.sym(causes, "Side", "Attribution")
    t.sym(causes, "SIDE", "ATTRIBUTIONS")
    for old, new in (("OURS", "OPERATOR"), ("HOSTILE", "POSSIBLE_ATTACK"), ("NOT_A_PIN_MATTER", "UNRELATED")):
        t.attr(CODE, old, new, bases="Attribution", keywords=False)
        t.member(causes, "Attribution", old, new)
    t.sym(causes, "ALARMING", "POSSIBLE_ATTACKS")
    t.sym("dashboards/definition/asked.py", "ALARMING", "POSSIBLE_ATTACKS")
    t.text(
        "dashboards/definition/alerts.py",
        r'^        sql=(f"SELECT host, COUNT\(\*\) AS value FROM violations_v1 WHERE cause IN \(\{POSSIBLE_ATTACKS\}\) AND \{OPEN\} )GROUP BY host",$',
        r'        sql=(\n            \1"\n            "GROUP BY host"\n        ),',
    )

    t.sym(causes, "Bearing", "Impact")
    t.sym(causes, "BEARING", "IMPACTS")
    t.sym(causes, "bearing_of", "impact_of")
    for old, new in (("BLOCKS", "BLOCKER"), ("CAUTION", "WARNING")):
        t.attr(CODE, old, new, bases="Impact", keywords=False)
        t.member(causes, "Impact", old, new)
    t.attr(causes, "bearing", "impact")
    t.local("app/store/read/filters.py", "bearing", "impact", within="impact_of_violation")
    t.words(causes, r"\bside, bearing\b", "side, impact")
    t.local(("tests/hpkp/judgement/test_causes.py", "tests/test_docs.py"), "bearing", "impact")
    t.text("tests/hpkp/judgement/test_causes.py", r'"bearing"', '"impact"')
    t.words("tests/hpkp/judgement/test_causes.py", r"\bbearing\b", "impact")

    lockout = "app/hpkp/readiness/evidence.py"
    t.sym(lockout, "Group", "LockoutGroup")
    for old, new in (("OURS", "OPERATOR"), ("HOSTILE", "POSSIBLE_ATTACK")):
        t.attr(CODE, old, new, bases="LockoutGroup", keywords=False)
        t.member(lockout, "LockoutGroup", old, new)


def readiness(t: Tree) -> None:
    evidence = "app/hpkp/readiness/evidence.py"
    t.sym(evidence, "Situation", "ReadinessInput")
    t.local(("app/hpkp/readiness/*.py", "app/hpkp/alarms.py", "app/hpkp/alert_rules.py", "app/usecases/readiness.py"), "case", "inputs")
    t.local(("tests/hpkp/test_readiness.py", "tests/hpkp/test_readiness_rules.py"), "case", "inputs")
    t.local("tests/hpkp/test_readiness_rules.py", "_case", "_inputs")
    holders = (
        "app/usecases/alerts.py", "app/usecases/readiness.py", "app/web/host.py", "tests/test_red_team_faults.py",
        "tests/test_stories.py", "tests/test_scenarios.py", "tests/golden/*.py", "tests/support/golden/*.py",
    )  # fmt: skip
    t.local(holders, "situation", "inputs")
    t.local(("tests/test_stories.py", "tests/test_scenarios.py"), "situations", "inputs")
    t.attr((*holders, "app/hpkp/alarms.py", "app/hpkp/alert_rules.py"), "situation", "inputs")
    t.text("app/web/templates/host.html", r"\bsituation\b", "inputs")
    t.sym(evidence, "CanarySeen", "CanaryStatus")
    t.sym("app/hpkp/deployment.py", "remembered_revisions", "cached_revisions")
    t.attr(("app/hpkp/readiness/evidence.py", "app/answers/readiness.py"), "as_plain", "serialize")
    for path in ("app/cli/pin_items.py", "app/cli/probe.py"):
        t.sym(path, "as_plain", "serialize")
    t.move("app/hpkp/readiness/words.py", "app/hpkp/readiness/messages.py")
    t.move("tests/hpkp/test_words.py", "tests/hpkp/test_messages.py")


def what_if(t: Tree) -> None:
    path = "app/hpkp/what_if.py"
    t.sym(path, "Tally", "Counts")
    for old, new in (
        ("ADDED", "NEWLY_LOCKED_OUT"), ("REMAINS", "STILL_LOCKED_OUT"), ("AVOIDED", "NO_LONGER_LOCKED_OUT"),
    ):  # fmt: skip
        t.attr(CODE, old, new, bases="Change", keywords=False)
        t.member(path, "Change", old, new)
    t.attr((path, "app/answers/what_if.py", "app/cli/what_if.py"), "tallies", "counts")
    t.text("app/web/templates/macros.html", r"\bfound\.tallies\b", "found.counts")
    t.text("app/web/templates/macros.html", r"\btally\b", "counted")
    t.sym("app/answers/what_if.py", "_tally", "_counts_answer")
    t.local(("app/answers/what_if.py", "app/hpkp/what_if.py", "tests/api/test_check_routes.py", "tests/api/test_workshop_api.py"), "tally", "counted")
    t.local("app/hpkp/what_if.py", "tallies", "counts")
    t.words(path, r"``tallies``", "``counts``")
    t.local("app/cli/what_if.py", "tally", "those")


def support(t: Tree) -> None:
    """Move the helper modules of the tests below tests/support/."""
    for path in t.py():
        name = path.rsplit("/", 1)[-1]
        if not path.startswith("tests/") or path.startswith("tests/support/"):
            continue
        if name.startswith("test_") or name == "conftest.py":
            continue
        new = f"tests/support/{path.removeprefix('tests/')}"
        here = f'Path(__file__).parents[2] / "{path.split("/")[1]}"'
        t.move(path, new)
        t.text(new, r"Path\(__file__\)\.parents\[(\d)\]", lambda found: f"Path(__file__).parents[{int(found[1]) + 1}]")
        if name == "drawing.py":
            here = 'Path(__file__).parents[3] / "dashboards" / "drawn"'
        t.text(new, r"Path\(__file__\)\.parent\b", here)
        t.text(new, r"Path\(__file__\)\.with_name\(", f"({here}).joinpath(")
    t.words("tests/api/test_conformance.py", "schemathesis_checks` says why, and has another one", "schemathesis_checks` says why, and adds one")
    t.words("tests/support/dashboards/drawn/pictures.py", "Draw every board over every store, range, width and theme:", "Draw boards over every store, range, width, theme:")
    t.words("tests/support/differential/__main__.py", "Print the disagreements between", "Print disagreements between")
    t.text(("docs/*.md", "tests/*.py"), r"-m tests\.differential\b", "-m tests.support.differential")


def probes(t: Tree) -> None:
    live = "app/hpkp/probe_result.py"
    t.sym(live, "LiveHost", "ProbedHost")
    t.sym(live, "LiveChain", "ProbedChain")
    read = "app/store/read/probes.py"
    t.sym(read, "Look", "ProbeRun")
    t.sym(read, "find_look", "find_probe_run")
    t.sym(read, "find_looks_before", "find_probe_runs_before")
    users = (read, "app/usecases/last_probes.py", "tests/store/test_past.py", "tests/store/test_as_of.py", "tests/store/write/test_pruning.py")
    t.local(users, "look", "run")
    t.sym("app/probe.py", "_look_at", "_probe_address")
    panels = "dashboards/definition/panels.py"
    t.sym(panels, "Look", "PanelKind")
    t.local(("dashboards/definition/*.py",), "look", "kind", also=True)  # `kind` is an attribute of the kinds
    t.attr(panels, "look", "kind")


def canaries(t: Tree) -> None:
    t.sym("app/canary.py", "MARK", "MARKER")


def ingest(t: Tree) -> None:
    t.sym("app/ingest/envelope.py", "Fate", "SubmissionResult")
    files = ("app/api/report*.py", "app/ingest/*.py", "app/wiring.py", "tests/*application.py", "tests/*protocol_server.py")
    t.local(files, "fate", "result")
    t.local(files, "fates", "results")
    t.attr(files, "fate", "result")
    t.attr("app/ingest/collector.py", "_fate_of", "_result_of")
    t.words("app/api/reports.py", "the fate of what it sent", "the result of what it sent")
    t.words("app/ingest/collector.py", "its fate once", "its result once")
    t.sym("app/metrics.py", "forget_process", "delete_process_metrics")
    t.sym("app/store/probes.py", "_forget_old", "_delete_old")


def alerts(t: Tree) -> None:
    t.move("app/alerts.py", "app/notifier.py")
    t.move("app/alerting.py", "app/alert_job.py")
    t.text("tests/test_architecture.py", r'"alerts"', '"notifier"')
    t.text("tests/test_architecture.py", r'"alerting"', '"alert_job"')
    rules = "app/hpkp/alert_rules.py"
    t.move("app/hpkp/alarms.py", rules)
    t.sym(rules, "Alarm", "Alert")
    t.sym(rules, "AlarmKind", "AlertKind")
    t.attr(CODE, "ALARMING_VIOLATION", "POSSIBLE_ATTACK", bases="AlertKind", keywords=False)
    t.member(rules, "AlertKind", "ALARMING_VIOLATION", "POSSIBLE_ATTACK")
    t.sym(rules, "alarms_on_host", "alerts_on_host")
    t.sym(rules, "alarms_on_intake", "alerts_on_ingest")
    t.text(rules, r"──alarms──>", "──rules──>")
    t.words(
        rules,
        "What alarms on a host are read from: the situation, and its verdict with the last one that was another.",
        "What alerts on a host are read from: the inputs of its verdict, and the last two verdicts.",
    )
    t.words(rules, r"\balarms\b", "alerts")
    t.words(rules, r"\balarm\b", "alert")

    notifier = "app/notifier.py"
    t.sym(notifier, "_notify", "_send_apprise")
    t.sym(notifier, "tell", "notify")
    t.sym(notifier, "Told", "Notification")
    t.local(notifier, "told", "alert")

    job = "app/alert_job.py"
    t.sym(job, "StoreWatch", "OutageAlert")
    t.attr(job, "told_at", "sent_at")
    t.attr(job, "tell", "send")
    t.local(job, "told", "notification")
    t.text(job, r"──alarms──> alerts in the store ──> Message ──tell──> told, or tried again",
           "──rules──> alerts in the store ──> Message ──notify──> sent, or tried again")
    t.text(job, r"^    situations, verdicts", "    inputs, verdicts")
    t.attr((job, "app/background_jobs.py", "tests/test_alerts.py"), "store_answered", "reset")
    t.attr(("app/background_jobs.py", "tests/test_alerts.py"), "tell", "send", bases="watch|outage_alert")
    t.local("app/background_jobs.py", "watch", "outage_alert")
    t.local("tests/test_alerts.py", "tell", "send", within="test_it_is_told_again_when_it_went_away_again_or_nobody_took_it")
    t.local("tests/test_alerts.py", "watch", "outage_alert")

    t.sym("app/store/alerts.py", "set_told", "mark_sent")
    t.attr(("app/usecases/alerts.py", job), "mark_told", "mark_sent")
    t.attr("app/usecases/alerts.py", "_alarms_on", "_alerts_on")
    t.local("app/usecases/alerts.py", "alarms", "alerts")
    t.sym("app/store/read/alerts.py", "alerts_to_tell", "unsent_alerts")
    t.local("app/store/alerts.py", "alarms", "current")
    t.local("app/store/alerts.py", "alarm", "alert")
    t.text("app/store/alerts.py", '"""Alerts: alarms as they came, were told, and went."""', '"""Alerts: opened, sent, and resolved."""')
    t.words(
        "app/store/alerts.py",
        "Open an alert for every alarm that has none, or the one that was over just now; settle those that are over.",
        "Open alerts for conditions without one, reopen what ended just now, and resolve those whose condition ended.",
    )
    t.words("app/store/alerts.py", "Nothing is settled of hosts whose alarms are ``unknown``.", "Alerts on hosts whose conditions are ``unknown`` stay as they are.")
    t.words("app/store/alerts.py", "Record that somebody was told of alerts", "Record that alerts were sent")
    t.words("app/usecases/alerts.py", "Record that somebody was told of alerts", "Record that alerts were sent")


def store(t: Tree) -> None:
    locks = "app/store/locks.py"
    t.move("app/store/turns.py", locks)
    t.move("tests/store/test_turns.py", "tests/store/test_locks.py")
    t.sym(locks, "turn", "try_lock")
    t.sym(locks, "wait_for_other_writers", "lock_inserts")
    t.sym(locks, "Upkeep", "LockKey")
    t.local((locks, "app/service.py", "app/background_jobs.py"), "upkeep", "key")
    t.attr(("app/service.py", "app/background_jobs.py"), "turn", "try_lock", bases="self|service", keywords=False)
    t.member_def("app/service.py", "Service", "turn", "try_lock")
    t.attr(("app/upkeep/runner.py",), "turn", "lock")
    t.local(("app/background_jobs.py", "tests/upkeep/test_runner.py"), "turn", "lock")
    t.sym("app/background_jobs.py", "_turn", "_lock")
    t.words("app/upkeep/runner.py", "``turn``", "``lock``")
    t.text(locks, '"""Whose turn it is where several processes work on one store.', '"""Locks between processes that work on one store.')

    t.move("app/store/texts.py", "app/store/text_sanitizing.py")
    t.move("tests/store/test_texts.py", "tests/store/test_text_sanitizing.py")
    rollups = "app/store/host_rollups.py"
    t.move("app/store/host_counts.py", rollups)
    t.move("tests/store/test_host_counts.py", "tests/store/test_host_rollups.py")
    t.sym(rollups, "take_out", "subtract")
    t.sym(rollups, "put_in", "add")
    t.move("app/store/read/statuses.py", "app/store/read/status_history.py")
    t.move("tests/store/test_past.py", "tests/store/test_as_of.py")

    t.move("app/hpkp/bound.py", "app/hpkp/confidence_bound.py")
    t.move("tests/hpkp/test_bound.py", "tests/hpkp/test_confidence_bound.py")


def senders(t: Tree) -> None:
    lru = "app/senders/weighted_lru.py"
    t.move("app/senders/bounded.py", lru)
    t.move("tests/senders/test_bounded.py", "tests/senders/test_weighted_lru.py")
    t.sym(lru, "Bounded", "WeightedLRU")
    reader = "app/senders/reader.py"
    t.sym(reader, "_Rest", "_BodyTemplate")
    t.sym(reader, "_MET", "_SEEN_ONCE")
    t.attr(reader, "_met", "_seen_once")
    t.attr(reader, "_rests", "_templates")
    t.local(reader, "rest", "template", within="_keep")
    t.attr("app/hpkp/x509/budget.py", "_met", "_counted")


def other(t: Tree) -> None:
    t.move("app/web/words.py", "app/web/formatting.py")
    t.move("app/api/workshop.py", "app/api/check_routes.py")
    t.move("tests/api/test_workshop_api.py", "tests/api/test_check_routes.py")
    t.move("tests/cli/test_workshop.py", "tests/cli/test_check_commands.py")
    t.words("app/api/check_routes.py", "The pin workshop over HTTP", "Checks of pins over HTTP")
    t.words("tests/api/test_check_routes.py", "The workshop over HTTP", "Checks of pins over HTTP")
    t.words("tests/cli/test_check_commands.py", "The pin workshop as its user meets it", "The commands that check pins")
    t.sym("app/access_log.py", "Tally", "DailyCounter")
    users = ("app/app_agents.py", "app/cli/exposure.py", "tests/cli/test_exposure_command.py")
    t.local(users, "tally", "counter")
    t.attr("app/app_agents.py", "_tallies", "_counters")
    t.words("app/app_agents.py", "one tally for", "one counter for")
    t.words("app/app_agents.py", "the tallies of", "the counters of")

    revisions = ("app/hpkp/deployment.py", "app/hpkp/policy.py", "app/hpkp/readiness/plan.py", "app/hpkp/readiness/policy_rules.py",
                 "app/answers/deployment.py", "app/store/exposures.py", "app/demo/*.py", "app/samples/*.py",
                 "tests/hpkp/test_deployment.py", "tests/hpkp/test_readiness_rules.py", "tests/cli/test_sample.py",
                 "tests/support/web/stock.py", "tests/test_red_team.py", "tests/api/test_check_routes.py",
                 "tests/hpkp/judgement/test_judged_chains.py")  # fmt: skip
    t.local(revisions, "former", "previous")
    t.text("tests/hpkp/test_readiness_rules.py", r'\("former", "mode"', '("previous", "mode"')
    t.text(("tests/hpkp/test_deployment.py", "tests/hpkp/judgement/test_judged_chains.py"), r"(KnownCertificates\(|^    )previous=\(\n?(\s*StoredRoot)",
           lambda found: found[0].replace("previous=", "former="))  # roots, not pins
    t.attr(("app/hpkp/judgement/*.py", "app/samples/site.py", "app/demo/site.py", "tests/cli/test_sample.py", "tests/support/web/stock.py",
            "tests/web/test_pages.py", "tests/hpkp/judgement/test_judged_chains.py"), "former", "previous",
           bases=r"context|self|site|sample_site\(\)|", keywords=False)  # fmt: skip


def bench(t: Tree) -> None:
    t.sym("bench/client.py", "Tally", "ResponseCounter")
    t.local("bench/client.py", "tally", "counter")
    t.attr("bench/client.py", "_tally", "_counter")
    t.move("bench/contenders.py", "bench/targets.py")
    t.sym("bench/targets.py", "Contender", "Target")
    t.sym("bench/targets.py", "Absent", "SkippedTarget")
    t.sym("bench/ingest.py", "_Entrant", "_RunningTarget")
    files = ("bench/*.py",)
    for old, new in (("contenders", "targets"), ("contender", "target"), ("absent", "skipped"), ("entrants", "runners"), ("entrant", "runner")):
        t.local(files, old, new)
        if old in ("contender", "absent"):
            t.attr(files, old, new)
        t.words(files, rf"\b{old}\b", new)
    t.local("bench/ingest.py", "tell", "show", within="measure_ingest")
    t.sym("bench/document.py", "_contender", "_describe_target")


def demo(t: Tree) -> None:
    t.move("app/samples/", "app/demo/")
    t.text("tests/test_architecture.py", r'"samples"', '"demo"')
    t.text("tests/test_retired_phrases.py", r"\^app/\(samples\|", "^app/(demo|")
    site = "app/demo/site.py"
    if "app/demo/stories.py" in t.texts:  # before Story takes the name
        t.sym(site, "Scenario", "SampleKind")
    t.local(site, "scenario", "kind")
    t.words(site, r"\bof a scenario\b", "of a kind of sample")
    t.words(site, r"what the scenario shows", "what the sample shows")
    t.words(site, r"in a scenario\b", "in a kind of sample")
    t.words("app/demo/__init__.py", r"incident\(scenario\)", "incident(kind)")
    t.text("app/demo/__init__.py", r'"SampleSite", "SampleKind",', '"SampleKind", "SampleSite",')

    rollout = "app/demo/rollout.py"
    t.sym(rollout, "Stage", "RolloutDriver")
    t.sym(rollout, "Mark", "SetStatus")
    t.sym(rollout, "Look", "RunProbe")
    t.move("app/cli/stage.py", "app/cli/store_driver.py")
    t.sym("app/cli/store_driver.py", "Stage", "StoreDriver")
    fleet = "app/demo/demo_fleet.py"
    t.move("app/demo/season.py", fleet)
    t.move("app/demo/season_hosts.py", "app/demo/demo_fleet_hosts.py")
    t.move("app/demo/season_keys.py", "app/demo/demo_fleet_keys.py")
    t.move("app/demo/crowd.py", "app/demo/client_population.py")
    t.move("app/demo/stories.py", "app/demo/scenarios.py")
    t.move("app/cli/season.py", "app/cli/demo_fleet.py")
    t.move("app/cli/story.py", "app/cli/scenario.py")
    t.move("tests/test_season.py", "tests/test_demo_fleet.py")
    t.move("tests/test_stories.py", "tests/test_scenarios.py")
    t.sym(fleet, "LookAt", "RunProbe")
    t.sym(fleet, "Tell", "RecordEvent")
    t.sym(fleet, "Season", "DemoFleet")
    t.sym("app/demo/demo_fleet_hosts.py", "make_season", "make_demo_fleet")
    t.sym("app/demo/demo_fleet_keys.py", "make_season_keys", "make_demo_fleet_keys")
    t.sym("app/cli/demo_fleet.py", "play_season", "play_demo_fleet")
    t.sym("app/demo/client_population.py", "Crowd", "ClientPopulation")
    t.sym("app/demo/client_population.py", "Meeting", "Encounter")
    t.sym("app/demo/demo_fleet_hosts.py", "_meet", "_encounter")
    files = ("app/demo/*.py", "app/cli/demo_fleet.py", "app/cli/demo.py", "tests/test_demo_fleet.py")
    t.local(files, "season", "fleet")
    t.local(files, "crowd", "population")
    t.attr(files, "crowd", "population")
    t.local("app/demo/*.py", "meetings", "encounters")
    t.attr("app/demo/*.py", "meetings", "encounters")
    t.local("app/demo/*.py", "meeting", "encounter")
    t.words(files, r"\bmeetings\b", "encounters")
    t.words(files, r"\bcrowds\b", "populations")
    t.words(files, r"\bcrowd\b", "population")
    t.words(files, r"the season's first day", "the first day of the demo")
    t.words(files, r"\bthe season\b", "the demo")
    t.words(files, r"\ba season\b", "a demo fleet")
    t.words(files, r"each with its story", "each with its history")
    t.words(files, r"# What stories are made of", "# What histories are made of")
    t.text(fleet, r"^(    Part …) {42}├─", r"\1" + 44 * " " + "├─")
    t.text(fleet, r"^(    Refusals) {40}┘", r"\1" + 42 * " " + "┘")
    t.words(files, r"The season that", "The demo fleet that")

    scenarios = "app/demo/scenarios.py"
    t.sym(scenarios, "Story", "Scenario")
    t.sym(scenarios, "STORIES", "SCENARIOS")
    t.sym("app/cli/scenario.py", "StoryName", "ScenarioName")
    t.sym("app/cli/scenario.py", "story_named", "scenario_named")
    t.local("app/cli/demo.py", "story", "chosen")
    t.sym("tests/test_scenarios.py", "play_story", "play_scenario")
    played = ("app/cli/scenario.py", scenarios, "tests/test_scenarios.py", "tests/cli/test_store_commands.py", "tests/test_alerts.py",
              "tests/support/golden/readiness_text.py", "tests/support/golden/make_readiness.py")  # fmt: skip
    t.local(played, "story", "scenario")
    t.attr(played, "story", "scenario")
    t.text(("tests/test_scenarios.py", "tests/cli/test_store_commands.py"), r'parametrize\("story"', 'parametrize("scenario"')
    t.words((*played, "tests/test_red_team*.py"), r"\bstories\b", "scenarios")
    t.words((*played, "tests/test_red_team*.py"), r"\bstory\b", "scenario")
    t.words((*played,), r"\bstory's\b", "scenario's")
    t.text("tests/support/golden/make_readiness.py", r"\[STORY…\]", "[SCENARIO…]")
    t.text("docs/decisions/0029*.md", r"In the stories `", "In the scenarios `")
    t.words(rollout, r"the stage's own", "the driver's own")
    t.words("app/cli/store_driver.py", r"the stage's own", "the driver's own")
    t.text(
        "app/cli/scenario.py",
        r'StrEnum\("StoryName", \{scenario\.name\.replace\("-", "_"\)\.upper\(\): scenario\.name for scenario in',
        'StrEnum("ScenarioName", {one.name.replace("-", "_").upper(): one.name for one in',
    )
    t.text("tests/test_scenarios.py", r"the stories are played first", "it plays the scenarios first")
    t.words(rollout, r"Plays acts on a stage", "Plays acts with a driver")

    drivers = ("app/demo/*.py", "app/cli/*.py", "tests/*.py")
    t.local(drivers, "stage", "driver")
    t.local(drivers, "stages", "drivers")
    t.attr(drivers, "stage", "driver")
    for old, new in (("look", "probe"), ("look_at", "probe_addresses"), ("mark", "set_status"), ("tell", "record_event")):
        t.attr(drivers, old, new, bases=r"(\w+\.)?driver", keywords=False)
        t.attr("app/cli/store_driver.py", old, new, bases="self", keywords=False)
        t.member_def(rollout, "RolloutDriver", old, new)
        t.member_def("app/cli/store_driver.py", "StoreDriver", old, new)
        t.member_def("tests/test_scenarios.py", "HttpStage", old, new)
    t.sym("tests/test_scenarios.py", "HttpStage", "HttpDriver")
    t.sym("tests/test_scenarios.py", "open_stage", "open_driver")


def tests(t: Tree) -> None:
    harness = "tests/support/store/ingest_harness.py"
    t.move("tests/support/store/desk.py", harness)
    t.sym(harness, "Desk", "IngestHarness")
    t.sym(harness, "_DeskFold", "_RecordingFold")
    files = ("tests/*.py",)
    t.local(files, "desk", "harness")
    t.local(files, "full_desk", "full_harness")
    t.text("tests/*.py", r'getfixturevalue\("desk"\)', 'getfixturevalue("harness")')
    t.text("tests/*.py", r'usefixtures\("desk"\)', 'usefixtures("harness")')
    t.words(files, r"\bdesk\b", "harness")

    chains = "tests/hpkp/judgement/test_judged_chains.py"
    t.sym("tests/support/dashboards/stores.py", "whole_season", "whole_demo")
    worlds = "tests/support/differential/*.py"
    t.local(worlds, "story", "summary")
    t.attr(worlds, "story", "summary")
    t.words("tests/support/*.py", r"^\bThe story:", "The example:")
    t.sym(chains, "Story", "ChainCase")
    t.text(chains, "def test_a_chain_is_judged_as_its_story_tells", "def test_a_chain_is_judged_as_its_case_says")
    t.text(chains, "def test_the_table_tells_at_least_sixty_stories", "def test_the_table_has_at_least_sixty_cases")
    t.words(chains, r"The world of the stories:", "The world of the cases:")
    t.words(chains, r"unless a story says", "unless a case says")
    t.text("pyproject.toml", "a table, a story in each line", "a table, a case in each line")
    t.sym(chains, "STORIES", "CASES")
    t.local(chains, "story", "case")
    t.text(chains, r'parametrize\("story"', 'parametrize("case"')
    cases = "tests/support/golden/cases.py"
    t.sym(cases, "Story", "BaseIncident")
    t.sym(cases, "make_story", "make_base_incident")
    t.local("tests/support/golden/*cases.py", "story", "base")


AREAS = (support, judgement, readiness, what_if, probes, canaries, ingest, alerts, store, senders, other, bench, demo, tests)


def main() -> None:
    root = Path(sys.argv[1]).resolve()
    tree = Tree(root)
    for area in AREAS:
        area(tree)
    tree.write()
    for line in tree.log:
        print("done   ", line)
    for line in tree.skipped:
        print("skipped", line)
    if "--no-format" not in sys.argv and (root / ".venv").is_dir():
        ruff = root / ".venv" / "bin" / "ruff"
        subprocess.run([ruff, "check", "--fix", "--quiet", "--exit-zero", "."], cwd=root, check=True)
        subprocess.run([ruff, "format", "--quiet", "."], cwd=root, check=True)
        wrap.wrap_long_lines(root, ruff)
        subprocess.run([ruff, "format", "--quiet", "."], cwd=root, check=True)
        subprocess.run([ruff, "check"], cwd=root, check=False)
        subprocess.run([root / ".venv" / "bin" / "python", "-m", "tools.write_openapi"], cwd=root, check=True)


if __name__ == "__main__":
    main()
