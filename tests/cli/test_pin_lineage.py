"""``hpkp pin DIRECTORY`` on directories as certbot keeps them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.support.authority import new_key
from tests.support.lineage import NAME, CertbotTree
from tests.support.openssl import openssl_pin_of_certificate

runner = CliRunner()


@pytest.fixture
def tree(tmp_path: Path) -> CertbotTree:
    return CertbotTree(tmp_path / "letsencrypt")


def _run(*arguments: Path | str) -> Result:
    return runner.invoke(app, ["pin", *map(str, arguments)])


def _items(directory: Path, *, exit_code: int = 0) -> list[dict[str, Any]]:
    result = _run("--json", directory)
    assert result.exit_code == exit_code, result.stderr
    items: list[dict[str, Any]] = json.loads(result.stdout)
    return items


def _of_kind(items: list[dict[str, Any]], kind: str) -> dict[int, dict[str, Any]]:
    return {item["generation"]: item for item in items if item["kind"] == kind and "generation" in item}


def test_every_generation_is_told_with_its_state_its_pins_and_whether_the_key_was_reused(tree: CertbotTree) -> None:
    first = tree.add(1)
    second = tree.add(2, key=first.key)
    third = tree.add(3)
    tree.link(3)
    items = _items(tree.live)
    certificates, keys = _of_kind(items, "certificate"), _of_kind(items, "private key")
    pins = {number: openssl_pin_of_certificate(issued.der) for number, issued in enumerate((first, second, third), 1)}
    assert {number: item["pin"] for number, item in certificates.items()} == pins
    assert {number: item["pin"] for number, item in keys.items()} == pins
    assert {number: item["state"] for number, item in certificates.items()} == {
        1: "previous",
        2: "previous",
        3: "current",
    }
    assert [certificates[number]["key_reused"] for number in (1, 2, 3)] == [None, True, False]
    assert {item["belong_together"] for item in certificates.values()} == {True}
    assert {item["lineage"] for item in items} == {NAME}
    assert certificates[3]["not_after"].endswith("Z")
    assert [finding["code"] for finding in certificates[3]["findings"]] == ["new_key_at_renewal"]


def test_an_intermediate_is_told_once_with_the_generations_that_have_it(tree: CertbotTree) -> None:
    tree.add(1)
    tree.add(2)
    other = CertbotTree(tree.root.parent / "other").site.intermediate
    tree.write("chain2.pem", other.pem)
    tree.write("fullchain2.pem", (tree.archive / "cert2.pem").read_text() + other.pem)
    tree.add(3)
    tree.link(3)
    above = [item for item in _items(tree.live) if "generations" in item]
    assert [(item["pin"], item["generations"]) for item in above] == [
        (tree.site.intermediate.pin, [1, 3]),
        (other.pin, [2]),
    ]
    assert {item["role"] for item in above} == {"intermediate"}


def test_live_and_archive_give_the_same(tree: CertbotTree) -> None:
    tree.add(1)
    tree.add(2)
    tree.link(1)
    assert _items(tree.live) == _items(tree.archive)
    states = {number: item["state"] for number, item in _of_kind(_items(tree.archive), "certificate").items()}
    assert states == {1: "current", 2: "next"}


@pytest.mark.parametrize("given", [".", "", "relative"])
def test_the_lineage_is_found_from_wherever_it_is_named(
    given: str, tree: CertbotTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.add(1)
    tree.link(1)
    expected = _items(tree.live)
    if given == "relative":
        monkeypatch.chdir(tree.root)
        assert _items(Path("live") / NAME) == expected
    else:
        monkeypatch.chdir(tree.live)
        assert _items(Path(given)) == expected


def test_a_live_directory_that_is_itself_a_link_is_followed(tree: CertbotTree) -> None:
    tree.add(1)
    tree.link(1)
    short = tree.root.parent / "short"
    short.symlink_to(tree.live)
    assert _items(short) == _items(tree.live)


def test_absolute_links_and_links_to_links_lead_to_the_archive_too(tree: CertbotTree) -> None:
    tree.add(1)
    tree.link(1)
    expected = _items(tree.live)
    copy = tree.root.parent / "haproxy" / NAME
    copy.mkdir(parents=True)
    for part in ("cert", "privkey"):
        (copy / f"{part}.pem").symlink_to(tree.live / f"{part}.pem")
    assert _items(copy) == expected


def test_a_key_and_a_request_made_ahead_are_the_next_generation(tree: CertbotTree) -> None:
    tree.add(1)
    tree.link(1)
    key = tree.add_key(2)
    tree.add_request(2, key)
    tree.add_key(3)
    items = _items(tree.archive)
    keys, requests = _of_kind(items, "private key"), _of_kind(items, "certification request")
    assert {number: item["state"] for number, item in keys.items()} == {1: "current", 2: "next", 3: "next"}
    assert requests[2]["pin"] == keys[2]["pin"]
    assert requests[2]["subject"] == f"CN={NAME}"
    assert [keys[number]["belong_together"] for number in (2, 3)] == [True, None]


def test_without_live_links_the_highest_certificate_is_taken_and_that_is_said(tree: CertbotTree) -> None:
    tree.add(1)
    tree.add(2)
    tree.add_key(3)
    certificates = _of_kind(_items(tree.archive), "certificate")
    assert {number: item["state"] for number, item in certificates.items()} == {1: "previous", 2: "current"}
    assert "current_assumed" in [finding["code"] for finding in certificates[2]["findings"]]


def test_live_links_into_another_archive_say_nothing_of_this_one(tree: CertbotTree) -> None:
    tree.add(1)
    tree.add(2)
    tree.link(1)
    copy = tree.root / "backup" / NAME
    copy.parent.mkdir()
    shutil.copytree(tree.archive, copy)
    certificates = _of_kind(_items(copy), "certificate")
    assert certificates[2]["state"] == "current"
    assert "current_assumed" in [finding["code"] for finding in certificates[2]["findings"]]


def test_a_certificate_with_the_key_of_another_is_said_loudly(tree: CertbotTree) -> None:
    tree.add(1)
    tree.add(2, privkey=new_key())
    tree.link(2)
    result = _run(tree.live)
    assert result.exit_code == 1
    assert "cert2.pem and privkey2.pem DO NOT BELONG TOGETHER" in " ".join(result.stdout.split())
    certificates = _of_kind(_items(tree.live, exit_code=1), "certificate")
    assert [certificates[number]["belong_together"] for number in (1, 2)] == [True, False]


def test_links_to_different_generations_are_said_loudly(tree: CertbotTree) -> None:
    tree.add(1)
    tree.add(2)
    tree.link(2)
    tree.link(1, "privkey")
    result = _run(tree.live)
    assert result.exit_code == 1
    assert "DIFFERENT GENERATIONS" in result.stdout
    assert "privkey.pem is of generation 1" in result.stdout


def test_a_generation_without_cert_pem_is_read_from_its_full_chain(tree: CertbotTree) -> None:
    issued = tree.add(1)
    tree.link(1)
    (tree.archive / "cert1.pem").unlink()
    (tree.archive / "chain1.pem").unlink()
    items = _items(tree.live)
    assert [item["pin"] for item in items] == [issued.pin, issued.pin, tree.site.intermediate.pin]
    assert items[0]["file"].endswith("/fullchain1.pem")


def test_links_into_nothing_are_an_error_and_the_other_generations_are_still_told(tree: CertbotTree) -> None:
    first = tree.add(1)
    tree.link(2)
    result = _run("--json", tree.live)
    assert result.exit_code == 2
    assert "generation 2 is the current one, but" in result.stderr
    assert "holds no file of it" in result.stderr
    assert _of_kind(json.loads(result.stdout), "certificate")[1]["pin"] == first.pin


def test_broken_and_exchanged_files_are_named_and_the_others_still_read(tree: CertbotTree) -> None:
    tree.add(1)
    last = tree.add(2)
    tree.link(2)
    tree.write("cert1.pem", "hello")
    tree.write("privkey1.pem", (tree.archive / "cert2.pem").read_text())
    result = _run("--json", tree.live)
    assert result.exit_code == 2
    assert "cert1.pem: neither PEM nor DER" in result.stderr
    assert "privkey1.pem should hold a private key and holds a certificate" in result.stderr
    assert _of_kind(json.loads(result.stdout), "private key")[2]["pin"] == last.pin


def test_a_key_that_is_only_for_root_is_named_and_the_certificate_still_told(tree: CertbotTree) -> None:
    issued = tree.add(1)
    tree.link(1)
    (tree.archive / "privkey1.pem").unlink()
    (tree.archive / "privkey1.pem").mkdir()  # what no user can read as a file, root included
    result = _run("--json", tree.live)
    assert result.exit_code == 2
    assert "privkey1.pem: Is a directory" in result.stderr
    assert _of_kind(json.loads(result.stdout), "certificate")[1]["pin"] == issued.pin


def test_a_directory_that_is_no_lineage_is_told_what_was_looked_for(tmp_path: Path) -> None:
    result = _run(tmp_path)
    assert result.exit_code == 2
    for looked_for in ("cert.pem", "privkey.pem", "live/NAME", "cert1.pem", "archive/NAME"):
        assert looked_for in result.stderr
    assert "; give" not in result.stderr


def test_a_directory_above_lineages_points_to_them(tree: CertbotTree) -> None:
    tree.add(1)
    tree.link(1)
    for above in (tree.root, tree.root / "live"):
        result = _run(above)
        assert result.exit_code == 2
        assert f"; give {tree.live}" in result.stderr


def test_files_where_links_should_be_and_links_elsewhere_are_told(tree: CertbotTree, tmp_path: Path) -> None:
    tree.add(1)
    tree.link(1)
    copy = tmp_path / "copy"
    shutil.copytree(tree.live, copy)
    result = _run(copy)
    assert result.exit_code == 2
    assert "cert.pem, fullchain.pem, privkey.pem, chain.pem should be links into archive/NAME" in result.stderr

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "cert.pem").symlink_to(tree.root / "certificate.pem")
    (elsewhere / "privkey.pem").symlink_to("privkey.pem")
    for order in ("cert.pem", "privkey.pem"):
        result = _run(elsewhere)
        assert result.exit_code == 2
        assert f"{order} leads to" in result.stderr
        (elsewhere / order).unlink()


def test_a_lineage_reads_well(tree: CertbotTree) -> None:
    first = tree.add(1)
    tree.add(2, key=first.key)
    tree.link(2)
    lines = _run(tree.live).stdout.splitlines()
    assert [line for line in lines if line.startswith(NAME)] == [
        f"{NAME}, generation 1: previous",
        f"{NAME}, generation 2: current, the key of the generation before",
        f"{NAME}, intermediates",
    ]
    assert lines.count(f'pin-sha256="{first.pin}"') == 2
    assert f"  same pin private key {tree.archive}/privkey2.pem" in lines
    assert "  chain of generation 1, 2" in lines
