"""Pins of apps on the command line: what a file says, what is wrong, and other forms."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.app_configs.recognize import read_config
from app.cli import app
from app.hpkp.app_pins.forms import Form
from app.store.engine import upgrade
from tests.support.app_pins import API, APPLE, BACKUP, FIRST, NSC, OKHTTP, TRUSTKIT_ANDROID
from tests.support.authority import make_root, make_site

runner = CliRunner()


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    upgrade(url)
    monkeypatch.setenv("HPKP_DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, code: int = 0, stdin: str = "") -> Result:
    result = runner.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def run_json(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code).stdout)


def test_a_dry_run_shows_hosts_pins_scope_mode_and_expiry() -> None:
    Path("any.name").write_text(TRUSTKIT_ANDROID)
    shown = run("app", "import", "--dry-run", "any.name").stdout
    assert "shop.example and all names below it: only reported, until 2028-03-01 0:00 device time" in shown
    assert f"    pin {FIRST}" in shown
    assert "reports to https://collect.test/report/android" in shown
    assert "monitor_not_everywhere" in shown


def test_several_files_are_the_layers_of_one_release() -> None:
    Path("nsc.xml").write_text(NSC)
    Path("Pins.kt").write_text(OKHTTP)
    told = run_json("app", "import", "--dry-run", "nsc.xml", "Pins.kt", code=1)
    assert [layer["form"] for layer in told["layers"]] == ["nsc", "okhttp"]
    [entry] = [entry for entry in told["layers"][0]["entries"] if entry["name"] == "pay.example"]
    assert entry == {
        "name": "pay.example",
        "scope": "exact",
        "mode": "enforce",
        "kind": "spki",
        "pins": [str(FIRST), str(BACKUP)],
        "expires_on": "2028-03-01",
        "expiry_rule": "device_start",
        "report_uris": [],
        "reports_to_vendor": False,
    }
    assert {finding["code"] for finding in told["findings"]} >= {"no_backup_pin", "cannot_report", "read_from_source"}


def test_the_identity_of_a_built_app_is_shown() -> None:
    Path("Info.plist").write_text(APPLE)
    told = run_json("app", "import", "--dry-run", "Info.plist", code=1)
    assert (told["app"], told["version"], told["build"]) == ("example.shop", "4.2", "4207")


def test_a_file_that_cannot_be_read_is_named_with_the_place() -> None:
    Path("nsc.xml").write_text(NSC.replace(str(API), "AAAA"))
    assert "nsc.xml: line 15, <pin>: a SHA-256 pin has 32 bytes" in run("app", "import", "nsc.xml", code=2).stderr
    assert "nowhere.xml: " in run("app", "import", "nowhere.xml", code=2).stderr
    assert "of no known form" in run("app", "import", "-", code=2, stdin="hello").stderr


def test_a_larger_file_is_not_read_to_its_end() -> None:
    with Path("large").open("wb") as stream:
        stream.truncate(10**10)
    assert "more than 1000000 bytes" in run("app", "import", "large", code=2).stderr


def test_a_file_is_written_in_another_form_and_what_changes_is_said() -> None:
    Path("nsc.xml").write_text(TRUSTKIT_ANDROID)
    result = run("app", "config", "nsc.xml", "--for", "trustkit-plist")
    [layer] = read_config(result.stdout.encode()).layers
    assert layer.form is Form.TRUSTKIT_PLIST
    assert {carried.pin for carried in layer.pins_for("www.shop.example")} == {FIRST, BACKUP}
    assert "The pins end at 0:00 UTC of the day, not at 0:00 of the day in the device's time zone." in result.stderr


def test_what_the_form_cannot_express_is_refused_with_each_reason_and_nothing_is_written() -> None:
    Path("nsc.xml").write_text(TRUSTKIT_ANDROID)
    result = run("app", "config", "nsc.xml", "--for", "okhttp", code=2)
    assert "no mode that only reports" in result.stderr
    assert "would not expire on 2028-03-01" in result.stderr
    assert result.stdout == ""


def test_a_layer_is_chosen_where_a_file_has_several() -> None:
    Path("Info.plist").write_text(APPLE)
    assert "--layer with one of the layers of the file: trustkit-plist, ats" in run(
        "app", "config", "Info.plist", "--for", "nsc", code=2
    ).stderr  # fmt: skip
    written = run("app", "config", "Info.plist", "--layer", "trustkit-plist", "--for", "nsc").stdout
    assert read_config(written.encode()).layers[0].pins_for("free.shop.example") == frozenset()


def test_a_policy_is_written_as_a_configuration() -> None:
    live, backup = make_root("Live").pin, make_root("Backup").pin
    run("policy", "set", "www.example.com", "--pin", live, "--pin", backup, "--include-subdomains")
    written = run("app", "config", "--host", "www.example.com", "--for", "okhttp").stdout
    assert f'.add("**.www.example.com", "sha256/{live}", "sha256/{backup}")' in written


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--for", "okhttp"], "give FILE, the --host of a policy, --pin or --pin-file"),
        (["--for", "okhttp", "--pin", str(FIRST)], "give the --name"),
        (["--for", "okhttp", "--host", "a.example"], "no policy for a.example"),
        (["--for", "okhttp", "--pin", "AAAA", "--name", "a.example"], "32 bytes"),
        (["--for", "ats", "--pin", str(FIRST), "--name", "a.example"], "give --pins-are leaf or --pins-are ca"),
        (["--for", "nsc", "--pin", str(FIRST), "--name", "a b"], "is no label of a host name"),
        (["--for", "nsc", "--monitor", "--pin", str(FIRST), "--name", "a.example"], "no mode that only reports"),
        (["--for", "cronet", "--pin", str(FIRST), "--name", "a.example"], "needs a date"),
        (["--for", "expo-security", "--pin", str(FIRST), "--name", "a.example"], "only read, not written"),
    ],
)
def test_what_is_missing_is_named(arguments: list[str], reason: str) -> None:
    assert reason in run("app", "config", *arguments, code=2).stderr


def test_what_is_written_and_wrong_is_exit_code_1() -> None:
    result = run("app", "config", "--for", "nsc", "--pin", str(FIRST), "--name", "a.example", code=1)
    assert "<pin-set>" in result.stdout
    assert "error: a.example has 1 pin" in result.stderr


def test_the_pins_of_certificates_are_written_in_a_form() -> None:
    first, second = make_site("a.example"), make_site("a.example")
    Path("chain.pem").write_text(first.leaf.pem + first.intermediate.pem)
    Path("next.pem").write_text(second.leaf.pem)
    written = run("pin", "chain.pem", "next.pem", "--for", "okhttp", "--name", "A.example").stdout
    assert f'.add("a.example", "sha256/{first.leaf.pin}", "sha256/{second.leaf.pin}")' in written
    ats = run("pin", "chain.pem", "next.pem", "--for", "ats", "--name", "a.example").stdout
    [layer] = read_config(ats.encode()).layers
    assert len(layer.entries[0].leaf_pins) == 2
    assert "give the --name" in run("pin", "chain.pem", "--for", "okhttp", code=2).stderr
