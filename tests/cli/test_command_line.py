"""The command line as a whole: what it imports, its help, completion, version, and exit codes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import __version__
from app.cli import app
from app.cli.commands import COMMANDS
from app.cli.terminal import opened, read_settings
from app.ingest.envelope import Envelope
from app.wiring import DirectIntake
from tests.support.authority import make_root, make_site, new_key
from tests.support.lineage import CertbotTree, private_pem
from tests.support.reports import HOST, report_body, site
from tests.test_docs import command_line

runner = CliRunner()
LIVE, BACKUP = make_root("Live").pin, make_root("Backup").pin
HEADER = f'pin-sha256="{LIVE}"; pin-sha256="{BACKUP}"; max-age=300; report-uri="https://r.example.net/report"'

TYPER = {"annotated_doc", "shellingham", "typer"}
TABLE = {"app.cli", "app.cli.commands", "app.cli.lazy_group", "app.hpkp", "app.hpkp.errors"}
PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
LIGHT = TYPER | PYDANTIC | {"_cffi_backend", "certifi", "cryptography", "h11", "idna", "lru", "rich"}
"""What the help of a command may import; 0.02 to 0.06 s of CPU each, while the database takes 0.5 s."""


def _run(*arguments: str, code: int = 0) -> Result:
    result = runner.invoke(app, list(arguments), env={"COLUMNS": "80"})
    assert result.exit_code == code, (result.output, result.exception)
    return result


# What is imported

_IMPORTED = """
import json, sys
before = set(sys.modules)
from app.cli import app
for arguments in json.loads(sys.argv[1]):
    try:
        app(arguments, prog_name="hpkp")
    except SystemExit as ended:
        assert ended.code == 0, (arguments, ended.code)
print("imported", *set(sys.modules) - before)
"""


def _imported(*calls: list[str], **environment: str) -> set[str]:
    """Return what a process imports for some calls: packages, without those of Python itself, and our modules."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED, json.dumps(calls)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    names = done.stdout.rpartition("imported ")[2].split()
    packages = {name.partition(".")[0] for name in names} & packages_distributions().keys()
    return packages | {name for name in names if name.startswith("app.")}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_the_table_of_commands_alone(option: str) -> None:
    assert _imported([option]) == TYPER | TABLE


def test_the_help_of_a_command_imports_neither_database_nor_web_framework() -> None:
    calls = [[*name.split(), "--help"] for name in command_line() if name != "serve"]
    assert len(calls) > 30
    imported = {name for name in _imported(*calls) if not name.startswith("app.")}
    assert imported <= LIGHT
    assert imported >= {"rich", "typer"}, "something was imported"


# Help, version, completion


def test_the_help_shows_every_command_with_its_whole_line() -> None:
    lines = _run("--help").stdout.partition("Commands:\n")[2].splitlines()
    shown = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines)
    assert shown == {name: command.help for name, command in COMMANDS.items() if not command.hidden}


def test_the_table_says_what_each_command_says_of_itself() -> None:
    for name, command in COMMANDS.items():
        loaded = command.load(name)
        assert loaded.get_short_help_str(1000).removesuffix(".") == command.help.removesuffix("."), name
        assert len(command.help) <= 60


@pytest.mark.parametrize("name", [*command_line(), *COMMANDS])
def test_help_is_neither_cut_nor_shows_types_of_python(name: str) -> None:
    text = _run(*name.split(), "--help").stdout
    assert "..." not in text.partition("Commands:")[2]
    assert all(len(line) <= 80 for line in text.splitlines())
    for shown in re.findall(r"^  \S+ <(.*?)>", text, re.MULTILINE):
        assert re.fullmatch(r"[\w-]+(\|[\w-]+)+", shown), f"{name}: <{shown}>"
    assert "list[" not in text


def test_the_version_is_that_of_the_package() -> None:
    assert _run("--version").stdout == f"hpkp {__version__}\n"


def _complete(line: str) -> list[str]:
    words = line.split(" ")
    environment = {"_HPKP_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = runner.invoke(app, [], prog_name="hpkp", env=environment)
    return result.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("hpkp read", ["readiness"]),
        ("hpkp ma", []),
        ("hpkp violation s", ["show", "status"]),
        ("hpkp violation status --set e", ["expected"]),
    ],
)
def test_a_shell_completes_commands_and_values(line: str, found: list[str]) -> None:
    assert _complete(line) == found


def test_completing_a_command_imports_no_command() -> None:
    environment = {"_HPKP_COMPLETE": "complete_bash", "COMP_WORDS": "hpkp re", "COMP_CWORD": "1"}
    assert {name for name in _imported([], **environment) if name.startswith("app.")} == TABLE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_a_shell_is_printed(shell: str) -> None:
    environment = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "--show-completion", shell],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_HPKP_COMPLETE=complete_{shell}" in done.stdout


# Exit codes: 0 yes or done, 1 no, 2 cannot tell or usage


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory with a database that has something of everything, and files to name."""
    path = tmp_path_factory.mktemp("command-line")
    with pytest.MonkeyPatch.context() as patch:
        _enter(path, patch)
        other = make_site("www.example.com")
        (path / "pinned.pem").write_text(site().leaf.pem + site().intermediate.pem + site().root.pem)
        (path / "other.pem").write_text(other.leaf.pem + other.intermediate.pem + other.root.pem)
        (path / "report.json").write_bytes(report_body())
        (path / "installs.csv").write_text("date,app,app_version,clients\n2026-01-02,a.b.c,1.0,5\n")
        (path / "pins.kt").write_text(_okhttp(LIVE, BACKUP))
        (path / "one_pin.kt").write_text(_okhttp(LIVE))
        (path / "access.log").write_text(
            '192.0.2.1 - - [02/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "okhttp/4.9"\n'
        )
        tree = CertbotTree(path / "letsencrypt")
        tree.archive.joinpath("cert1.pem").write_text(site().leaf.pem)
        tree.archive.joinpath("privkey1.pem").write_text(private_pem(new_key()))
        _run("policy", "set", HOST, "--pin", site().root.pin, "--pin", BACKUP)
        _run("policy", "set", "one.example", "--pin", LIVE)
        with opened(read_settings()) as service:
            at = datetime.now(UTC) - timedelta(minutes=5)
            DirectIntake(service).take([(report_body(), Envelope("192.0.2.1"), int(at.timestamp() * 1000))])
        yield path


def _enter(path: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(path)
    patch.setenv("HPKP_DATABASE_URL", f"sqlite:///{path}/hpkp.sqlite3")


def _okhttp(*pins: str) -> str:
    """Return the source text with which an app pins a host of its own."""
    written = ", ".join(f'"sha256/{pin}"' for pin in pins)
    return f'CertificatePinner.Builder().add("app.example", {written}).build()\n'


NOWHERE = "http://127.0.0.1:9"
RELEASE = ["--app", "a.b.c", "--platform", "android", "--release-version"]
EXIT_CODES: dict[str, list[tuple[int, list[str]]]] = {
    "serve": [(2, ["--host", "0.0.0.0"]), (2, ["--port", "70000"])],
    "pin": [(0, ["pinned.pem"]), (1, ["letsencrypt/archive/www.example.com"]), (2, ["missing.pem"])],
    "backup-key": [(0, ["a.example", "--out", "keys"]), (2, ["a.example", "--out", "keys"]), (2, ["a b"])],
    "header make": [(0, ["--pin", LIVE, "--pin", BACKUP, "--report-uri", "https://r.example.net/"]), (2, []),
                    (1, ["--pin", LIVE, "--enforce", "--max-age", "5"]), (2, ["--pin", "AAAA"])],
    "header lint": [(0, ["--report-only", HEADER]), (1, ["pin-sha256=x"]), (2, [HEADER, "--chain", "missing.pem"])],
    "check": [(0, [HOST, "pinned.pem"]), (1, [HOST, "other.pem"]), (2, ["none.example", "pinned.pem"]),
              (2, [HOST, "missing.pem"]), (2, ["a b", "pinned.pem"])],
    "probe": [(2, ["none.example"]), (2, [HOST, "--port", "0"])],
    "policy set": [(0, ["b.example", "--pin", LIVE]), (2, ["b.example"]), (2, ["b.example", "--pin", "AAAA"])],
    "policy withdraw": [(2, ["none.example"])],
    "policy show": [(0, [HOST]), (2, ["none.example"])],
    "host list": [(0, []), (0, ["--search", "none"]), (2, ["--limit", "0"])],
    "host delete": [(2, ["none.example", "--yes"]), (2, [HOST]), (2, ["a b", "--yes"])],
    "what-if": [(0, [HOST, "--pin", "ROOT"]), (1, [HOST, "--pin", LIVE, "--own-key", "LEAF"]),
                (2, [HOST, "--pin", LIVE]), (2, ["none.example", "--pin", LIVE]),
                (2, [HOST])],
    "readiness": [(1, ["one.example"]), (2, ["none.example"]), (2, [HOST, "--at", "2999-01-01"])],
    "canary": [(2, ["none.example"]), (2, [HOST])],
    "control make": [(0, [HOST]), (2, ["none.example"]), (2, ["a b"]), (2, [HOST, "--share", "0"])],
    "control show": [(0, [HOST]), (2, ["one.example"]), (2, ["none.example"])],
    "explain": [(0, ["report.json"]), (0, ["1"]), (2, ["9"]), (2, ["missing.json"])],
    "violation list": [(0, []), (0, ["--host", HOST]), (2, ["--host", "none.example"]), (2, ["--cause", "moon"])],
    "violation show": [(0, ["1"]), (2, ["9"]), (2, ["9" * 30]), (2, ["one"])],
    "violation status": [(0, ["1", "--set", "open"]), (2, ["1", "9", "--set", "ignored"]), (2, ["1"])],
    "refusals": [(0, [HOST]), (2, ["none.example"])],
    "export": [(0, []), (2, ["--host", "none.example"]), (2, ["--output", "missing/x"])],
    "exposure import": [(0, [HOST, "access.log"]), (2, [HOST, "missing.log"]), (2, ["a b", "access.log"])],
    "exposure set": [(0, [HOST, "2026-01-01", "--sessions", "5"]), (2, [HOST, "2026-01-01"])],
    "exposure installs": [(0, [HOST, "installs.csv"]), (2, [HOST, "access.log"])],
    "exposure pull": [(2, [HOST, "--query", "x", "--prometheus", NOWHERE])],
    "exposure list": [(0, [HOST]), (2, ["a b"])],
    "exposure release": [(0, [HOST, "a.b.c", "1.0"]), (2, ["none.example", "a.b.c"]),
                         (2, [HOST, "a.b.c", "--pin", LIVE, "--unpinned"])],
    "app import": [(0, ["pins.kt", *RELEASE, "1.0"]), (1, ["one_pin.kt", *RELEASE, "2.0"]),
                   (2, ["pins.kt"]), (2, ["report.json"]), (2, ["missing.kt"])],
    "app list": [(0, []), (2, ["--platform"])],
    "app show": [(0, ["a.b.c", "1.0"]), (2, ["a.b.c", "9"])],
    "app diff": [(0, ["a.b.c", "1.0", "1.0"]), (1, ["a.b.c", "1.0", "2.0"]), (2, ["a.b.c", "1.0", "9"])],
    "app installs": [(0, ["installs.csv", "--platform", "android"]), (2, ["installs.csv"]), (2, ["missing.csv"])],
    "app config": [(0, ["pins.kt", "--for", "nsc"]), (1, ["one_pin.kt", "--for", "nsc"]), (2, ["--for", "okhttp"])],
    "app lockout": [(0, ["app.example", "--key", LIVE]), (1, ["app.example", "--key", BACKUP]),
                    (2, ["none.example", "--key", LIVE]), (2, ["app.example"])],
    "app keys": [(0, ["app.example"]), (1, ["none.example"]), (2, ["a b"])],
    "app retire": [(0, ["a.b.c", "2.0"]), (2, ["a.b.c", "9"])],
    "alert test": [(2, [])],
    "alert list": [(0, []), (2, ["--days", "-1"])],
    "prune": [(0, []), (2, ["--sources-below", "0"])],
    "rejudge": [(0, [HOST]), (2, ["none.example"])],
    "clock check": [(0, [])],
    "clock confirm": [(0, [])],
    "backup": [(0, ["copy.sqlite3"]), (2, ["copy.sqlite3"]), (2, ["missing/copy.sqlite3"])],
    "send-sample": [(0, ["--print"]), (2, [NOWHERE]), (2, ["--host", "a b"])],
    "demo": [(2, ["--database", "hpkp.sqlite3"]), (2, ["--serve", "--json"])],
    "token new": [(0, ["a"]), (2, ["a"])],
    "token list": [(0, [])],
    "token revoke": [(0, ["a"]), (2, ["a"])],
    "token login-link": [(0, ["a"]), (2, ["a", "--scope", "all"])],
    "token end-sessions": [(0, [])],
    "log list": [(0, [])],
    "log skip": [(2, ["abc"])],
    "db upgrade": [(0, [])],
    "db grafana-role": [(0, [])],
    "db grafana-copy": [(0, ["views.sqlite3"])],
}  # fmt: skip
"""Calls of each command, in their order, with the exit code of each."""


def test_every_command_has_its_exit_codes_in_the_table() -> None:
    assert EXIT_CODES.keys() >= command_line().keys()


@pytest.mark.parametrize("name", EXIT_CODES)
def test_exit_codes(name: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _enter(directory, monkeypatch)
    pins = {"ROOT": site().root.pin, "LEAF": site().leaf.pin}
    for code, arguments in EXIT_CODES[name]:
        given = [pins.get(word, word) for word in arguments]
        result = _run(*name.split(), *given, code=code)
        if code == 2:
            said = re.search(r"^(e|E)rror: .+", result.stderr, re.MULTILINE)
            assert said or result.stdout, f"{name} {arguments}: says not what is wrong"
            assert "Traceback" not in result.output


def test_a_fault_of_the_program_and_an_abort_are_not_a_no(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hooks act on exit code 1, which an uncaught exception has in Python."""
    _enter(directory, monkeypatch)
    aborted = runner.invoke(app, ["backup-key", "p.example", "--passphrase"], input="")
    assert aborted.exit_code == 2
    code = "from app.cli import app; from app.cli import check; check.read_chain_file = None; app()"
    arguments = [sys.executable, "-c", code, "check", HOST, str(directory / "pinned.pem")]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "TypeError" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "named", "not_named"),
    [
        (["check", "www.exa mple.com", "pinned.pem"], "exa mple", "pinned.pem"),
        (["check", HOST, "missing.pem"], "missing.pem: No such file", "Errno"),
        (["export", "--host", "none.example"], "host none.example not found", "policy"),
    ],
)
def test_an_error_names_what_is_at_fault_and_nothing_else(
    arguments: list[str], named: str, not_named: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _enter(directory, monkeypatch)
    said = _run(*arguments, code=2).stderr
    assert named in said
    assert not_named not in said


@pytest.mark.parametrize("setting", ["HPKP_TRUST_ANCHORS", "HPKP_KNOWN_CERTIFICATES", "HPKP_CATALOG"])
@pytest.mark.parametrize("command", ["policy show www.example.com", "explain report.json", "pin pinned.pem"])
def test_a_file_of_a_setting_that_cannot_be_read_is_blamed_and_not_the_database(
    setting: str, command: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _enter(directory, monkeypatch)
    monkeypatch.setenv(setting, "/nowhere")
    assert _run(*command.split(), code=2).stderr == f"error: {setting}: /nowhere: No such file or directory\n"


# Violations


def test_violations_are_listed_shown_and_given_a_status(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _enter(directory, monkeypatch)
    [listed] = json.loads(_run("violation", "list", "--json").stdout)
    shown = json.loads(_run("violation", "show", "1", "--json").stdout)
    assert listed.items() <= shown.items()
    assert [element["position"] for element in shown["validated_chain"]] == [0, 1, 2]
    assert _run("violation", "list", "--status", "resolved").stdout == ""

    _run("violation", "status", "1", "--set", "expected", "--note", "a proxy of ours")
    [expected] = json.loads(_run("violation", "list", "--status", "expected", "--json").stdout)
    assert expected["note"] == "a proxy of ours"
    text = _run("violation", "show", "1").stdout
    assert text.splitlines()[0].split()[-1] == listed["cause"]
    assert "Status            expected: a proxy of ours" in text
    assert "Reports           at least 1 report from at least 1 client," in text
    explained = _run("explain", "1").stdout
    assert explained.strip() in text, "one description of a judgement, in both commands"

    _run("mark", "1", "--as", "open")
    assert json.loads(_run("violation", "show", "1", "--json").stdout)["status"] == "open"
