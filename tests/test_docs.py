"""Documentation that fails the build when it lies: tables, commands, links and answers are compared with the code."""

import ast
import json
import os
import re
import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from fastapi.routing import iter_route_contexts
from sqlmodel import SQLModel
from typer.core import TyperGroup

from app.api.problems import RETRY_AFTER, STATUS
from app.catalog.load import load_catalog
from app.cli import app as cli
from app.hpkp import probe_result, readiness
from app.hpkp.app_pins.forms import FORMS, PinMode, Scope
from app.hpkp.findings import Severity
from app.hpkp.header.value import parse_header
from app.hpkp.judgement.causes import IMPACTS, Cause
from app.hpkp.readiness.policy_rules import PIN_SEVERITY
from app.main import create_app
from app.metrics import Metrics
from app.outcomes import Outcome
from app.settings import Settings
from app.store import tables
from app.store.engine import open_engine, upgrade, writing
from app.store.secrets import client_key, new_token
from app.web.routes import router as pages
from tests.support.application import caller, from_elsewhere, settings_for
from tests.support.server import running_service, running_without_token

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
OPERATING = (ROOT / "docs/operating.md").read_text()
API = (ROOT / "docs/api.md").read_text()
CAUSES = (ROOT / "docs/causes.md").read_text()
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text() for path in sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
}

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(?P<level>#+) (?P<title>.+)$", re.MULTILINE)


# What a document says


def section(text: str, title: str) -> str:
    """Return what stands under a heading, down to the next one of the same or a higher level."""
    start = next(match for match in _HEADING.finditer(text) if match["title"] == title)
    for following in _HEADING.finditer(text, start.end()):
        if len(following["level"]) <= len(start["level"]):
            return text[start.end() : following.start()]
    return text[start.end() :]


def rows(text: str, title: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its head."""
    lines = [line for line in section(text, title).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert cells, f"no table under {title!r}"
    return cells


def blocks(text: str, *languages: str) -> list[str]:
    """Return the code blocks in these languages."""
    return [match["text"] for match in _FENCE.finditer(text) if match["language"] in languages]


def code(cell: str) -> str:
    """Return what stands between the backticks of a cell."""
    return cell.split("`")[1]


# Settings, routes, metrics, outcomes, causes, findings, tables


def test_every_setting_stands_in_the_table_with_its_name_default_and_meaning() -> None:
    told = {code(name): [default, meaning] for name, default, meaning in rows(OPERATING, "Settings")}
    assert told == {
        f"HPKP_{name.upper()}": ["none" if field.default is None else f"`{_written(field.default)}`", field.description]
        for name, field in Settings.model_fields.items()
    }


def _written(default: object) -> str:
    """Return a default as it would be written into the environment."""
    return json.dumps(default) if isinstance(default, tuple) else str(default)


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    known = {f"HPKP_{name.upper()}" for name in Settings.model_fields}
    texts = DOCUMENTS | {name: (ROOT / name).read_text() for name in ("Dockerfile", "Makefile")}
    named = {(where, name) for where, text in texts.items() for name in re.findall(r"HPKP_[A-Z0-9_]*[A-Z0-9]", text)}
    assert {(where, name) for where, name in named if name not in known} == set()


def test_the_table_of_routes_is_that_of_the_openapi_document() -> None:
    told = {(method, code(path)) for method, path, _, _ in rows(API, "Routes")}
    paths = create_app(Settings()).openapi()["paths"]
    assert told == {(method.upper(), path) for path, item in paths.items() for method in item}


def test_the_table_of_routes_says_who_may_ask(tmp_path: Path) -> None:
    with running_service(tmp_path) as service, httpx.Client(base_url=service.url) as client:
        engine = open_engine(f"sqlite:///{tmp_path}/hpkp.sqlite3")
        with writing(engine) as connection:
            reader = {"authorization": f"Bearer {new_token(connection, 'reader', 'read')}"}
        engine.dispose()
        for method, path, told, _ in rows(API, "Routes"):
            address = code(path).format(
                host="www.example.com",
                violation_id=1,
                report_id=1,
                sha256="0" * 64,
                label="a",
                date="2026-11-01",
                app="example.shop",
                version="1.0",
            )
            without, reading = client.request(method, address), client.request(method, address, headers=reader)
            found = "anybody" if without.status_code != 401 else "admin" if reading.status_code == 403 else "read"
            assert found == told, f"{method} {path}"


def test_the_table_of_pages_is_that_of_their_routes_and_says_who_may_look(tmp_path: Path) -> None:
    told = {code(path): who for path, who, _ in rows(OPERATING, "Pages")}
    assert told.keys() == {r.path for r in iter_route_contexts(pages.routes) if "GET" in (r.methods or ())}
    sample = {"host": "www.example.com", "violation_id": 1, "report_id": 1, "sha256": "0" * 64, "name": "icon.svg"}
    sample |= {"which": "served", "app": "example.shop"}
    with caller(create_app(settings_for(tmp_path))) as client:
        stranger = from_elsewhere(client, "127.0.0.1")
        for path, who in told.items():
            asked = stranger.get(path.format(**sample)).status_code == 401
            assert ("read" if asked else "anybody") == who, path


def test_pictures_are_shown_and_small() -> None:
    named = {link.rpartition("/")[2] for _, link in _links() if link.endswith(".png")}
    found = {path.name: path.stat().st_size for path in ROOT.glob("docs/images/*")}
    assert found.keys() == named
    assert max(found.values()) < 150_000


def test_the_table_of_metrics_is_that_of_the_registry() -> None:
    told = {code(name): [kind, meaning] for name, kind, meaning in rows(OPERATING, "Metrics")}
    assert told == {
        family.name + "_total" * (family.type == "counter"): [family.type, family.documentation]
        for family in Metrics().registry.collect()
    }


def test_every_outcome_is_documented_with_its_status_title_and_retry_after() -> None:
    told = {code(outcome): (status, title) for outcome, status, title, _ in rows(API, "Outcomes")}
    retry = {code(outcome): re.findall(r"Retry-After: (\d+)", when) for outcome, _, _, when in rows(API, "Outcomes")}
    answers = {outcome.value: (str(status), title) for outcome, (status, title) in STATUS.items()}
    unanswered = {Outcome.DISCONNECTED.value: ("none", "")}
    assert told == {outcome.value: ("204", "") for outcome in Outcome} | unanswered | answers
    assert {outcome: seconds for outcome, seconds in retry.items() if seconds} == {
        outcome.value: [seconds] for outcome, seconds in RETRY_AFTER.items()
    }


def test_every_cause_is_documented_in_the_order_of_the_rules_with_its_bearing() -> None:
    told = [(code(cause), impact) for cause, _, impact in rows(CAUSES, "Causes")]
    assert told == [(cause.value, IMPACTS[cause].value) for cause in Cause]


def findings_of_the_rules() -> Iterator[tuple[str, str, str]]:
    """Read the findings out of the rules' source: code, severity, and whether it withholds the verdict."""
    rules = sorted(Path(str(readiness.__file__)).parent.glob("*_rules.py"))
    sources = (path.read_text() for path in (*rules, Path(str(probe_result.__file__))))
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            name, severity = node.args[:2]
            written = name.value if isinstance(name, ast.Constant) else "open_<cause>"
            weight = Severity[severity.attr].value if isinstance(severity, ast.Attribute) else "by cause"
            yield str(written), weight, "yes" if any(word.arg == "withholds" for word in node.keywords) else ""
    yield from ((name, weight.value, "") for name, weight in PIN_SEVERITY.items())


def test_every_readiness_finding_is_documented() -> None:
    told = [(code(name), severity, withholds) for name, severity, withholds, _ in rows(CAUSES, "The verdict")]
    assert sorted(told) == sorted(findings_of_the_rules())


def _pin_findings() -> Iterator[tuple[str, str]]:
    """Read what `hpkp pin` may find out of the source: code and severity."""
    for name in ("hpkp/pin_checks.py", "hpkp/x509/lineage.py", "cli/acme_directories.py"):
        for node in ast.walk(ast.parse((ROOT / "app" / name).read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id="Finding"),
                    args=[ast.Constant(value=str(found)), ast.Attribute(attr=weight), *_],
                ):
                    yield found, Severity[weight].in_lint


def test_everything_that_speaks_against_a_pin_is_documented() -> None:
    told = [(code(name), severity) for name, severity, _ in rows(DOCUMENTS["docs/pins.md"], "Which key to pin")]
    assert sorted(told) == sorted(_pin_findings())


def form_rows() -> Iterator[list[str]]:
    """Return the row of each form of app configuration."""
    for form, traits in FORMS.items():
        fewest = f"{traits.fewest_enforced}" + (
            f", else {traits.fewest}" if traits.fewest < traits.fewest_enforced else ""
        )
        yield [
            f"`{form}`",
            traits.title,
            {(True, True): "read, written", (True, False): "read", (False, True): "written"}[
                traits.reads, traits.writes
            ],
            ", ".join(scope.replace("_", " ") for scope in Scope if scope in traits.scopes),
            ", ".join(mode for mode in PinMode if mode in traits.modes),
            fewest,
            traits.expiry.value + (f", {traits.expiry_rule.replace('_', ' ')}" if traits.expiry_rule else ""),
            traits.overlap.replace("_", " "),
            f"{traits.compares}, {traits.kind}" + (", lists of leaf and CA pins" if traits.leaf_and_ca_lists else ""),
            traits.reports.replace("_", " "),
        ]


def test_what_each_form_of_app_configuration_can_express_is_documented() -> None:
    assert rows(DOCUMENTS["docs/apps.md"], "Forms") == list(form_rows())


def _app_findings() -> set[str]:
    """Read the codes of what is found in an app's configuration out of the source."""
    sources = (*ROOT.glob("app/app_configs/*.py"), ROOT / "app/hpkp/app_pins/lint.py")
    calls = (node for path in sources for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    makers = {"Finding", "_finding", "_expires", "_ignored"}
    return {
        str(argument.value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in makers
        for argument in call.args
        if isinstance(argument, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z]+)+", str(argument.value))
    }


def test_everything_that_is_wrong_with_an_apps_pins_is_documented() -> None:
    assert {code(name) for name, *_ in rows(DOCUMENTS["docs/apps.md"], "Findings")} == _app_findings()


def test_every_table_of_the_store_is_documented() -> None:
    told = {code(name) for name, _ in rows(DOCUMENTS["docs/architecture.md"], "Tables")}
    assert tables.violations.name in told
    assert told == set(SQLModel.metadata.tables)


def test_every_part_of_the_package_is_in_the_table_of_layers() -> None:
    told = {name for [names, _] in rows(DOCUMENTS["docs/architecture.md"], "Layers") for name in names.split("`")[1::2]}
    parts = {f"app/{path.parent.name}/" for path in (ROOT / "app").glob("*/__init__.py")}
    modules = {f"app/{path.name}" for path in (ROOT / "app").glob("*.py") if path.name != "__init__.py"}
    assert parts | modules <= told


def test_every_line_of_the_threat_model_names_tests_that_exist() -> None:
    for who, _, _, held in rows(DOCUMENTS["docs/threat-model.md"], "Threat model"):
        named = re.findall(r"`([^`]+)`", held)
        assert named, who
        for test in named:
            file, _, name = test.partition("::")
            tree = ast.parse((ROOT / file).read_text())
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\((\d{4}-[^)]+\.md)\)", DOCUMENTS["docs/decisions/README.md"])
    assert listed == sorted(path.name for path in ROOT.glob("docs/decisions/[0-9]*.md"))


# Commands

_LEADS = (
    r"docker run .*hpkp-collector",
    r"docker compose run --rm collector",
    r"docker exec hpkp hpkp",
    r"(?:\w+=\S+ |.* uv run (?:--no-dev )?)?hpkp",
)
_COMMAND = re.compile(rf"^(?:\$ )?(?:{'|'.join(_LEADS)})(?: (?P<words>[^#\n]+))?$", re.MULTILINE)


def _commands() -> Iterator[tuple[str, str]]:
    """Find every hpkp command in the documents, the Makefile and the Dockerfile."""
    for where, text in DOCUMENTS.items():
        for block in blocks(text, "sh", "console"):
            yield from ((where, match["words"] or "") for match in _COMMAND.finditer(block))
        prose = _FENCE.sub("", text)
        yield from ((where, words) for words in re.findall(r"`hpkp ([^`]+)`", prose))
    makefile = (ROOT / "Makefile").read_text().replace("\t", "")
    yield from (("Makefile", match["words"] or "") for match in _COMMAND.finditer(makefile))
    dockerfile = re.findall(r"^CMD \[(.+)\]$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    yield from (("Dockerfile", words.replace('"', "").replace(",", "")) for words in dockerfile)


def _leaves(group: TyperGroup, *names: str) -> Iterator[tuple[str, set[str]]]:
    """Walk the command line: every command with its options."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if isinstance(command, TyperGroup):
            yield from _leaves(command, *names, name)
        else:
            yield " ".join((*names, name)), _options_of(command)


def _options_of(command: Any) -> set[str]:
    options = (option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
    return {option for option in options if option.startswith("--")}


def _group() -> TyperGroup:
    group = typer.main.get_command(cli)
    assert isinstance(group, TyperGroup)
    return group


def command_line() -> dict[str, set[str]]:
    """Return every command that is shown, with its options."""
    return dict(_leaves(_group()))


@pytest.mark.parametrize(("where", "words"), sorted(set(_commands())))
def test_a_command_in_the_documents_exists_with_its_options(where: str, words: str) -> None:
    known = command_line() | {option: {option} for option in _options_of(_group())}
    name = next((name for name in known if f"{words} ".startswith(f"{name} ")), None)
    assert name is not None, f"{where}: there is no command hpkp {words}"
    options = {word.partition("=")[0] for word in shlex.split(words) if word.startswith("--")}
    assert options <= known[name], f"{where}: hpkp {name} has no {options - known[name]}"


def test_every_command_stands_in_the_table_with_options_that_it_has() -> None:
    known = command_line()
    told = {code(command).removeprefix("hpkp "): meaning for command, meaning in rows(OPERATING, "Commands")}
    assert told.keys() == known.keys()
    for name, meaning in told.items():
        assert {option.split()[0] for option in re.findall(r"`(--[^`]+)`", meaning)} <= known[name]


def test_every_command_but_serve_answers_in_json() -> None:
    assert {name for name, options in command_line().items() if "--json" not in options} == {"serve"}


def test_readme_begins_with_one_line_that_runs_the_service_and_one_that_runs_the_tests() -> None:
    run, test = (block.splitlines() for block in blocks(section(README, "Run it"), "sh"))
    assert run == ["python3 -m pip install -q uv && python3 -m uv run --no-dev hpkp serve"]
    assert test == ["python3 -m pip install -q uv && python3 -m uv run pytest"]


def test_ci_runs_exactly_the_test_command_of_readme() -> None:
    _, test = blocks(section(README, "Run it"), "sh")
    assert test.strip() in (ROOT / ".ci/run").read_text().splitlines()


# Links and configuration


def _anchors(text: str) -> set[str]:
    titles = (match["title"].lower() for match in _HEADING.finditer(_FENCE.sub("", text)))
    return {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}


def _links() -> Iterator[tuple[str, str]]:
    for where, text in DOCUMENTS.items():
        prose = _FENCE.sub("", text)
        yield from ((where, link) for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link)


@pytest.mark.parametrize(("where", "link"), sorted(set(_links())))
def test_a_relative_link_leads_somewhere(where: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (ROOT / where).parent / path if path else ROOT / where
    assert target.exists()
    if anchor:
        assert anchor in _anchors(target.read_text())


def test_the_three_servers_are_told_to_send_the_same_header_with_placeholders() -> None:
    lines = blocks(section(README, "Serve the header"), "haproxy", "nginx", "apache")
    values = [re.findall(r"Public-Key-Pins-Report-Only '([^']+)'", line) for line in lines]
    headers = [parse_header(value) for [value] in values]
    assert len(headers) == 3
    assert len(set(headers)) == 1
    assert len(headers[0].pins) == 2
    assert set(headers[0].pins) <= load_catalog().example_pins.keys(), (
        "not a placeholder: readiness would not warn of it"
    )
    assert headers[0].report_uri == "https://reports.example.net/report"


# Run for real


def _run(command: str, directory: Path, **variables: str) -> str:
    assert shutil.which("bash"), "the documents' commands are for bash; install it"
    done = subprocess.run(
        ["bash", "-c", command], cwd=directory, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{command}\n{done.stdout}"
    return done.stdout


def test_the_backup_and_the_forgetting_of_clients_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/data/hpkp.sqlite3"
    upgrade(url)
    before = _client_key(url)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for title in ("Backup", "Rotating the client hash key"):
        command, *_ = blocks(section(OPERATING, title), "sh")
        _run(command, tmp_path)
    after = _client_key(url)
    assert before != after
    assert stat.S_IMODE((tmp_path / "backup.sqlite3").stat().st_mode) == 0o600
    with sqlite3.connect(tmp_path / "backup.sqlite3") as backup:
        assert backup.execute("SELECT value FROM secrets WHERE name = 'client-hash'").fetchall() == [(before,)]
    backup.close()


def _client_key(url: str) -> bytes:
    engine = open_engine(url)
    key = client_key(engine)
    engine.dispose()
    return key


def _tour() -> list[tuple[str, str]]:
    """Return the tour's commands with the answers printed below them."""
    found: list[tuple[str, str]] = []
    for block in blocks(section(README, "Five minutes with curl"), "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = step.partition("\n")
            found.append((command, answer.strip()))
    return found


def _pattern(printed: str) -> str:
    """Turn a printed answer into what it allows: … stands for anything."""
    return ".*".join(map(re.escape, printed.split("…")))


def test_the_tour_of_readme_gives_the_printed_answers(tmp_path: Path) -> None:
    assert shutil.which("curl"), "README's tour uses curl; install it (apt-get install curl)"
    (login, _), *steps = _tour()
    assert len(steps) >= 6
    with running_without_token(tmp_path) as service:
        address, store = service.url.removeprefix("http://"), f"sqlite:///{tmp_path}/hpkp.sqlite3"
        hpkp = f'hpkp() {{ {sys.executable} -m app.cli "$@"; }}'
        field = _run(f'{hpkp}; {login}; printf %s "$AUTH"', ROOT, HPKP_DATABASE_URL=store)
        for command, printed in steps:
            assert "127.0.0.1:8000" in command
            answer = _run(command.replace("127.0.0.1:8000", address), ROOT, AUTH=field).strip()
            assert re.fullmatch(_pattern(printed), answer, re.DOTALL), f"{command}\nanswered\n{answer}"


_PATH = re.compile(r"`((?:app|bench|compose|dashboards|docs|examples|tests|tools)/[\w./*-]+)`")


@pytest.mark.parametrize("name", sorted(name for name in DOCUMENTS if not name.startswith("docs/decisions/")))
def test_every_path_in_a_document_exists(name: str) -> None:
    assert not [path for path in _PATH.findall(DOCUMENTS[name]) if not [*ROOT.glob(path.rstrip("/"))]]
