"""The guide for apps, followed to the letter: its commands are taken out of its text and run in their order."""

import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.demo.forms import pem
from app.demo.rollout import Keys, make_keys
from app.demo.site import issue
from app.hpkp.hosts import Host
from app.service import now
from tests.support.application import settings_for
from tests.support.same_answers import environment_of

GUIDE = (Path(__file__).parents[1] / "docs" / "pin-an-app.md").read_text(encoding="utf-8")
HOST = Host("www.example.com")


def _commands(step: int) -> list[tuple[str, int]]:
    """Return the commands of a step with the exit code that the guide says, 0 where it says none."""
    (section,) = re.findall(rf"^## {step}\. .*?(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    found = [re.fullmatch(r"(.*?)(?:\s+# exit code (\d): .*)?", line) for line in lines if line]
    return [(one[1], int(one[2] or 0)) for one in found if one is not None]


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Return the keys of a host, whose files are in the working directory, as the guide names them."""
    made = make_keys(HOST, at=now())
    monkeypatch.chdir(tmp_path)
    Path("roots.pem").write_text(made.roots_pem)
    for name, chain in (("fullchain.pem", made.leaf), ("next-fullchain.pem", made.renewed)):
        Path(name).write_text("".join(pem(one.der) for one in (*chain, made.old_root)))
    Path("cert.pem").write_text(pem(made.leaf[0].der))
    Path("next.pem").write_text(pem(made.renewed[0].der))
    days = [now().date() - timedelta(days=age) for age in (31, 0)]
    header = "Date,Package Name,App Version Code,Active Device Installs\n"
    android = [f"{day},example.shop,100,{count}\n" for day, count in zip(days, (90_000, 9_000), strict=True)]
    android += [f"{day},example.shop,200,{count}\n" for day, count in zip(days, (10_000, 91_000), strict=True)]
    Path("installs_example.shop_202611_app_version.csv").write_bytes((header + "".join(android)).encode("utf-16"))
    ios = "".join(f"{days[1]},example.shop,{version},{count}\n" for version, count in (("1.0", 60), ("1.1", 40)))
    Path("installs.csv").write_text("date,app,app_version,clients\n" + ios)
    return made


def test_whoever_follows_the_guide_rotates_a_key_and_knows_whom_it_locks_out(keys: Keys, tmp_path: Path) -> None:
    environment = environment_of(settings_for(tmp_path, trust_anchors=Path("roots.pem")))
    variables = {"$OLD_PIN": str(keys.leaf[0].pin), "$NEW_PIN": str(keys.renewed[0].pin)}
    printed: dict[str, list[str]] = {}
    for step in range(1, 8):
        for command, code in _commands(step):
            line = command
            for name, value in variables.items():
                line = line.replace(name, value)
            words = shlex.split(line)
            target = words[-1] if ">" in words else None
            arguments = words[1 : words.index(">")] if target else words[1:]
            assert words[0] == "hpkp", command
            done = CliRunner().invoke(app, arguments, env=environment)
            assert done.exit_code == code, (command, done.output, done.exception)
            if target:
                Path(target).write_text(done.stdout)
            printed.setdefault(command, []).append(" ".join(done.output.split()))
    check = printed["hpkp check www.example.com next-fullchain.pem"]
    assert "example.shop 1.0 (android): LOCKED OUT until it is updated; 9,000 of 100,000 installs (9.0%)" in check[0]
    assert "example.shop 1.1 (ios): LOCKED OUT" in check[0]
    assert "example.shop 1.0 (ios): would be LOCKED OUT" in check[0]
    assert "2.0 (android): LOCKED OUT" not in check[0] + check[1]
    assert "retired" in printed["hpkp app retire example.shop 1.0 --platform android"][0]
    old_key = printed['hpkp app keys www.example.com --drop "$OLD_PIN" --new "$NEW_PIN"']
    assert "example.shop 1.0 (android): 9,000 of 100,000 installs (9.0%)" in old_key[0]
    assert "by a straight line" in old_key[0]
    assert "example.shop 1.0 (ios)" not in old_key[0]  # it only reports
    assert "can go: no release in use needs it" in old_key[1]


def test_the_guide_names_every_step_in_order() -> None:
    assert re.findall(r"^## (\d)\. ", GUIDE, re.MULTILINE) == [str(number) for number in range(1, 8)]


def test_a_release_that_the_guide_registers_means_what_its_file_says(keys: Keys, tmp_path: Path) -> None:
    """The file that the guide writes is read back with the same pins."""
    backup = issue(HOST, None, now())
    Path("backup.pem").write_text(pem(backup.der))
    environment = environment_of(settings_for(tmp_path))
    for form in ("trustkit-plist", "okhttp", "ssl-manager"):
        arguments = [
            "app",
            "config",
            "--for",
            form,
            "--name",
            HOST,
            "--pin-file",
            "cert.pem",
            "--pin-file",
            "backup.pem",
        ]
        if form != "okhttp":
            arguments += ["--report-uri", "https://reports.example.net/report/x"]
        written = CliRunner().invoke(app, arguments, env=environment)
        assert written.exit_code == 0, written.output
        Path("written").write_text(written.stdout)
        read = CliRunner().invoke(app, ["app", "import", "--dry-run", "written", "--json"], env=environment)
        assert str(keys.leaf[0].pin) in read.stdout
        assert str(backup.pin) in read.stdout
