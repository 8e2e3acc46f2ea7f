"""The registry of releases: a rotation played day by day, installs from exports of stores, and `hpkp check`."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import time_machine
from typer.testing import CliRunner, Result

from app.app_configs.writers import write_config
from app.cli import app
from app.hpkp.app_pins.forms import Form, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.pins import parse_pin
from app.store.engine import upgrade
from tests.support.app_pins import APPLE, NSC
from tests.support.authority import Site, make_root, make_site, new_key

runner = CliRunner()
HOST, APP = "shop.example", "example.shop"


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    upgrade(url)
    monkeypatch.setenv("HPKP_DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, code: int = 0) -> Result:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def run_json(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code).stdout)


def register(version: str, *pins: str, form: Form = Form.OKHTTP, build: str = "", code: int = 0) -> None:
    layer = PinLayer(form, (PinEntry(HOST, Scope.NAME_AND_BELOW, pins=carry(map(parse_pin, pins))),))
    Path("pins").write_text(write_config(layer, form))
    builds = ("--build", build) if build else ()
    named = ("--app", APP, "--platform", "android", "--release-version", version)
    run("app", "import", "pins", *named, *builds, code=code)


def serve(site: Site) -> str:
    """Write the chain that the host is about to serve; the root is left out, as servers do, and added as a file."""
    Path("chain.pem").write_text(site.leaf.pem + site.intermediate.pem + site.root.pem)
    return "chain.pem"


def site_with(name: str, key: Any) -> Site:
    return make_site(name, key=key)


def play_export(day: str, counts: dict[str, int]) -> bytes:
    """Return an export of Google Play as it is: UTF-16 with a byte order mark, by version code."""
    lines = ["Date,Package Name,App Version Code,Daily Device Installs,Active Device Installs,Install events"]
    lines += [f"{day},{APP},{build},3,{total},9" for build, total in counts.items()]
    return "\r\n".join(lines).encode("utf-16")


def by_version(*arguments: str, code: int) -> dict[str, str]:
    told = run_json("check", HOST, *arguments, code=code)
    return {release["version"]: release["outcome"] for release in told["releases"]}


def test_three_releases_and_one_rotation_day_by_day() -> None:
    keys = {name: new_key() for name in "ABCD"}
    sites = {name: site_with(HOST, key) for name, key in keys.items()}
    pins = {name: site.leaf.pin for name, site in sites.items()}

    with time_machine.travel("2026-12-01"):
        register("1.0", pins["A"], pins["B"], build="10")
        register("2.0", pins["B"], pins["D"], build="20")
        assert by_version(serve(sites["B"]), code=0) == {"1.0": "matches", "2.0": "matches"}
        assert run_json("app", "keys", HOST)["sets"] == [[pins["B"]]]
    with time_machine.travel("2026-12-05"):
        Path("play.csv").write_bytes(play_export("2026-12-04", {"10": 3_410, "20": 280_590}))
        run("app", "installs", "play.csv")
        register("3.0", pins["C"], pins["D"], build="30")
        assert by_version(serve(sites["B"]), code=1) == {"1.0": "matches", "2.0": "matches", "3.0": "locked_out"}

    # The rotation to D: the oldest release is named with its installs, before and after; the new ones are not.
    with time_machine.travel("2026-12-10"):
        assert by_version(serve(sites["D"]), code=1) == {"1.0": "locked_out", "2.0": "matches", "3.0": "matches"}
        shown = run("check", HOST, "chain.pem", code=1).stdout
        assert (
            "example.shop 1.0 (android): LOCKED OUT until it is updated; 3,410 of 284,000 installs (1.2%) on "
            "2026-12-04; it cannot report"
        ) in shown
    with time_machine.travel("2027-01-10"):
        Path("play.csv").write_bytes(play_export("2027-01-09", {"10": 12, "20": 1_000, "30": 282_988}))
        run("app", "installs", "play.csv")
        assert "12 of 284,000 installs (0.0%) on 2027-01-09" in run("check", HOST, serve(sites["D"]), code=1).stdout

        run("app", "retire", APP, "1.0")
        assert "1.0 (android), not in use: LOCKED OUT" in run("check", HOST, "chain.pem").stdout
        assert run_json("app", "keys", HOST)["sets"] == [[pins["D"]]]
        run("app", "retire", APP, "1.0", "--undo")
        run("check", HOST, "chain.pem", code=1)


def test_a_policy_and_releases_must_both_accept_the_chain() -> None:
    site = make_site(HOST)
    run("policy", "set", HOST, "--pin", site.leaf.pin, "--pin", make_root("Backup").pin)
    assert run_json("check", HOST, serve(site))["deployable"] is True
    register("1.0", make_root("Other").pin, make_root("Another").pin)
    told = run_json("check", HOST, "chain.pem", code=1)
    assert (told["satisfied"], told["deployable"], told["policy_of"]) == (True, False, HOST)
    assert told["releases"][0]["installs"] is None
    assert "installs unknown" in run("check", HOST, "chain.pem", code=1).stdout


def test_a_host_that_only_apps_pin_needs_no_policy() -> None:
    site = make_site(HOST)
    assert "no registered release pins it" in run("check", HOST, serve(site), code=2).stderr
    register("1.0", site.intermediate.pin, make_root("Backup").pin)
    told = run_json("check", HOST, "chain.pem")
    assert (told["policy_of"], told["satisfied"], told["deployable"]) == (None, None, True)
    assert told["releases"][0]["layers"] == [{"form": "okhttp", "outcome": "matches", "place": "intermediate"}]
    shown = run("check", HOST, "chain.pem").stdout
    assert "has no policy" in shown
    assert "matches by the intermediate" in shown


def test_a_root_that_is_not_in_the_file_leaves_the_answer_open() -> None:
    site = make_site(HOST)
    register("1.0", site.root.pin, make_root("Backup").pin)
    Path("chain.pem").write_text(site.leaf.pem + site.intermediate.pem)
    told = run_json("check", HOST, "chain.pem", code=2)
    assert told["releases"][0]["outcome"] == "unknown"
    assert run_json("app", "lockout", HOST, "--chain", "chain.pem", code=2)[0]["outcome"] == "unknown"
    run("check", HOST, serve(site))


def test_lockout_asks_for_keys_that_are_not_served_yet() -> None:
    first, second = make_root("First").pin, make_root("Second").pin
    register("1.0", first, second)
    assert run_json("app", "lockout", HOST, "--key", second)[0]["outcome"] == "matches"
    run("app", "lockout", HOST, "--key", make_root("Third").pin, code=1)
    assert "give --chain or --key" in run("app", "lockout", HOST, code=2).stderr
    assert "no registered release pins" in run("app", "lockout", "other.example", "--key", first, code=2).stderr


def test_a_release_is_registered_with_the_identity_of_its_files_and_replaced_whole() -> None:
    Path("Info.plist").write_text(APPLE)
    run("app", "import", "Info.plist", code=1)
    [release] = run_json("app", "show", APP, "4.2")
    assert (release["platform"], release["builds"]) == ("ios", ["4207"])
    assert [layer["form"] for layer in release["layers"]] == ["trustkit-plist", "ats"]
    Path("nsc.xml").write_text(NSC)
    run("app", "import", "nsc.xml", "--app", APP, "--release-version", "4.2", "--platform", "ios", code=1)
    [release] = run_json("app", "show", APP, "4.2")
    assert [layer["form"] for layer in release["layers"]] == ["nsc"]
    [listed] = run_json("app", "list")
    assert listed["app"] == APP
    assert "installs unknown" in run("app", "list").stdout


def test_what_does_not_say_which_release_it_is_is_not_registered() -> None:
    Path("nsc.xml").write_text(NSC)
    failed = run("app", "import", "nsc.xml", code=2)
    assert "give --app, --release-version, or --dry-run" in failed.stderr
    assert run_json("app", "list") == []


def test_android_and_ios_of_one_version_are_compared() -> None:
    Path("Info.plist").write_text(APPLE)
    run("app", "import", "Info.plist", code=1)
    Path("nsc.xml").write_text(NSC)
    run("app", "import", "nsc.xml", "--app", APP, "--release-version", "4.2", code=1)
    assert "for several platforms" in run("app", "diff", APP, "4.2", "4.2:ios", code=2).stderr
    found = run_json("app", "diff", APP, "4.2:android", "4.2:ios", code=1)
    [pay] = [difference for difference in found if difference["host"] == "pay.example"]
    assert (pay["before"], pay["after"], len(pay["removed"])) == ("enforce", None, 2)
    assert run_json("app", "diff", APP, "4.2:ios", "4.2:ios") == []
    assert "not found" in run("app", "diff", APP, "9.9", "4.2:ios", code=2).stderr
    assert "is no platform" in run("app", "diff", APP, "4.2:amiga", "4.2:ios", code=2).stderr


# Installs


def test_versions_that_are_not_registered_are_named_and_still_counted() -> None:
    register("1.0", make_root("A").pin, make_root("B").pin, build="10")
    Path("play.csv").write_bytes(play_export("2026-11-20", {"10": 75, "11": 25}))
    told = run_json("app", "installs", "play.csv")
    assert told["not_registered"] == ["example.shop build 11 (android)"]
    shown = run("app", "installs", "play.csv")
    assert "not registered: example.shop build 11 (android)" in shown.stderr
    assert "75 of 100 installs (75.0%)" in run("app", "list").stdout


def test_the_app_stores_sessions_are_added_up_and_a_lower_bound() -> None:
    rows = [
        "Date\tApp Name\tApp Apple Identifier\tApp Version\tDevice\tSessions\tUnique Devices",
        "2026-11-20\tShop\t123\t4.2\tiPhone\t90\t30",
        "2026-11-20\tShop\t123\t4.2\tiPad\t9\t12",
    ]
    Path("sessions.txt.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    assert "line 2: the file names the app by a number" in run("app", "installs", "sessions.txt.gz", code=2).stderr
    [count] = run_json("app", "installs", "sessions.txt.gz", "--app", APP)["counts"]
    assert (count["count"], count["is_lower_bound"], count["platform"]) == (42, True, "ios")
    Path("Info.plist").write_text(APPLE)
    run("app", "import", "Info.plist", code=1)
    assert "at least 42 of 42 installs" in run("app", "list").stdout


PLAY = "Date,Package Name,App Version Code,Active Device Installs\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", "line 1: the columns are neither those of Google Play"),
        ("", "line 1: the columns are neither"),
        ("date,app,app_version,clients\n2026-11-20,x,1,2\n", "line 2: the table does not name the platform"),
        (PLAY + "2026-11-20,x,1,many\n", "line 2: 'many' is no number"),
        (PLAY + "soon,x,1,1\n", "line 2: Invalid isoformat string"),
        (PLAY + "2026-11-20,x,,1\n", "line 2: App Version Code is empty"),
        (PLAY + "2026-11-20\n", "line 2: 4 cells are expected, there are 1"),
        (PLAY + '"2026', "not a table"),
    ],
)  # fmt: skip
def test_an_export_that_cannot_be_read_is_refused_with_the_line(text: str, reason: str) -> None:
    Path("file.csv").write_text(text)
    assert reason in run("app", "installs", "file.csv", code=2).stderr


def test_a_packed_export_that_expands_without_end_is_refused() -> None:
    Path("bomb.gz").write_bytes(gzip.compress(bytes(10**9)))
    assert "more than 50000000 bytes, unpacked" in run("app", "installs", "bomb.gz", code=2).stderr
