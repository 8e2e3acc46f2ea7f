"""The script that writes the catalog's files anew, on small files of the same form as its sources."""

import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.catalog.load import load_catalog_file
from app.hpkp.catalog import Basis
from app.hpkp.pins import Pin, parse_pin
from tests.support.authority import make_root, make_site
from tools.rebuild_catalog import main

KEYS = {letter: letter.encode() * 32 for letter in "abcdef"}
FILES = {letter: letter * 64 for letter in "abcdef"}

ASSISTANT = f"""\
version_id: 1

# https://captive-portal.badssl.com leaf.
# A test.
captive_portal_cert {{
  sha256_hash: "sha256/{Pin(KEYS["a"])}"
}}

# What stands above a blank line belongs to nobody.

# Airport
# Subject: CN=login.airport.example
captive_portal_cert {{
  sha256_hash: "sha256/{Pin(KEYS["b"])}"
}}
# https://crt.sh/?q=00
captive_portal_cert {{
  sha256_hash: "sha256/{Pin(KEYS["c"])}"
}}

mitm_software {{
  name: "Shield",
  issuer_common_name_regex: "Shield CA \\(\\d+\\)",
  issuer_organization_regex: "Shield"
}}

mitm_software {{
  name: "BadSSL Shield",
  issuer_organization_regex: "BadSSL"
}}

dynamic_interstitial {{
  cert_error: ERR_CERT_REVOKED,
  sha256_hash: "sha256/{Pin(KEYS["d"])}",
  mitm_software_name: "Mitel",
  interstitial_type: INTERSTITIAL_PAGE_MITM_SOFTWARE
}}

dynamic_interstitial {{
  cert_error: ERR_CERT_WEAK_SIGNATURE_ALGORITHM,
  sha256_hash: "sha256/{Pin(KEYS["d"])}",
  mitm_software_name: "Mitel",
  interstitial_type: INTERSTITIAL_PAGE_MITM_SOFTWARE
}}
"""

README = f"""\
# Certificate Blocklist

### DigiNotar

For details, see elsewhere.

  * [{FILES["a"]}.pem]({FILES["a"]}.pem)
  * [{FILES["b"]}.pem]({FILES["b"]}.pem)

### Superfish

  * [{FILES["c"]}.key]({FILES["c"]}.key)

### DigiCert

  * [{FILES["d"]}.pem]({FILES["d"]}.pem)
"""


def octets(key: bytes) -> str:
    return ",\n    ".join(", ".join(f"0x{octet:02x}" for octet in key[start : start + 11]) for start in (0, 11, 22))


BLOCKLIST = f"""\
static constexpr uint8_t
    kSPKIBlockList[][crypto::kSHA256Length] = {{
    // {FILES["a"]}.pem
    // {FILES["b"]}.pem
    {{{octets(KEYS["a"])}}},
     // {FILES["c"]}.key
    {{{octets(KEYS["c"])}}},
    // {FILES["d"]}.pem
    {{{octets(KEYS["d"])}}},
    // {FILES["e"]}.pem
    {{{octets(KEYS["e"])}}},
}};
"""

Rebuild = Callable[..., dict[str, list[dict[str, Any]]]]


@pytest.fixture
def rebuild(tmp_path: Path) -> Rebuild:
    """Return what writes the sources, runs the script on them and reads what it wrote."""

    def run(
        *, assistant: str = ASSISTANT, blocklist: str = BLOCKLIST, readme: str = README, collected: str = "2026-06-01"
    ) -> dict[str, list[dict[str, Any]]]:
        sources = {
            "ssl_error_assistant.asciipb": assistant,
            "cert_verify_proc_blocklist.inc": blocklist,
            "README.md": readme,
        }
        for name, text in sources.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        main(["--collected", collected, "--into", str(tmp_path), *(f"{tmp_path / name}@0123abc" for name in sources)])
        written: dict[str, list[dict[str, Any]]] = {}
        for path in tmp_path.glob("*.toml"):
            load_catalog_file(path)
            written |= tomllib.loads(path.read_text(encoding="utf-8"))
        return written

    return run


def test_a_portal_has_the_name_above_it_or_that_of_the_one_before(rebuild: Rebuild) -> None:
    portals = rebuild()["captive_portals"]
    assert [(portal["name"], parse_pin(portal["pin"]).digest) for portal in portals] == [
        ("Airport", KEYS["c"]),
        ("Airport", KEYS["b"]),
        ("captive-portal.badssl.com (test)", KEYS["a"]),
    ]


def test_products_keep_their_patterns_letter_by_letter(rebuild: Rebuild) -> None:
    [badssl, shield] = rebuild()["interception_products"]
    assert badssl["name"] == "BadSSL Shield (test)"
    assert "issuer_common_name" not in badssl
    assert shield["issuer_common_name"] == r"Shield CA \(\d+\)"
    assert shield["issuer_organization"] == "Shield"
    assert shield["basis"] == Basis.PUBLISHED
    assert shield["source"].endswith(
        "/0123abc/components/resources/ssl/ssl_error_assistant/ssl_error_assistant.asciipb"
    )
    assert shield["collected"] == date(2026, 6, 1)


def test_bad_keys_are_told_by_their_section_once_each_and_retired_ones_left_out(rebuild: Rebuild) -> None:
    keys = rebuild()["known_bad_keys"]
    assert [(key["name"].split(":")[0], parse_pin(key["pin"]).digest) for key in keys] == [
        ("DigiNotar", KEYS["a"]),
        ("Mitel", KEYS["d"]),
        ("Superfish", KEYS["c"]),
    ]


def test_a_key_that_the_readme_does_not_explain_is_left_out_and_told(
    rebuild: Rebuild, capsys: pytest.CaptureFixture[str]
) -> None:
    rebuild()
    assert capsys.readouterr().err == f"net/data/ssl/blocklist/README.md says nothing of {FILES['e']}; left out\n"


def test_a_section_that_nobody_has_judged_stops_the_script(rebuild: Rebuild) -> None:
    with pytest.raises(ValueError, match="'New Incident'"):
        rebuild(readme=README + f"\n### New Incident\n\n  * [{FILES['e']}.pem]\n")


def test_a_file_of_the_readme_without_a_key_stops_the_script(rebuild: Rebuild) -> None:
    with pytest.raises(ValueError, match=f"no key for {FILES['f']}, which the README has under 'Superfish'"):
        rebuild(readme=f"### Superfish\n\n  * [{FILES['f']}.pem]\n")


def test_writing_again_changes_nothing(rebuild: Rebuild, tmp_path: Path) -> None:
    rebuild()
    before = {path: path.read_bytes() for path in tmp_path.glob("*.toml")}
    rebuild()
    assert {path: path.read_bytes() for path in tmp_path.glob("*.toml")} == before
    assert len(before) == 3


OWN = """\
# A comment that stays.

[[interception_products]]
name = "Own 'entry' \\"quoted\\""
issuer_common_name = "it's \\\\w"
basis = "observed"
source = "https://example.com/ssl_error_assistant.asciipb"
collected = 2025-01-01
"""


def test_entries_of_other_origin_and_the_comment_stay_and_old_ones_go(rebuild: Rebuild, tmp_path: Path) -> None:
    (tmp_path / "interception_products.toml").write_text(OWN, encoding="utf-8")
    rebuild()
    only_badssl = ASSISTANT.replace('name: "Shield"', 'name: "Shield 2"')
    [badssl, own, shield] = rebuild(assistant=only_badssl, collected="2026-07-01")["interception_products"]
    assert (badssl["name"], shield["name"]) == ("BadSSL Shield (test)", "Shield 2")
    assert shield["collected"] == date(2026, 7, 1)
    assert [own] == tomllib.loads(OWN)["interception_products"]
    assert (tmp_path / "interception_products.toml").read_text().startswith("# A comment that stays.\n\n[[")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ssl_error_assistant.asciipb"],
        ["something.txt@0123abc"],
        ["ssl_error_assistant.asciipb@main"],
        ["."],
    ],
)
def test_a_source_that_the_script_does_not_know_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--collected", "2026-06-01", *arguments])
    assert arguments[0] in capsys.readouterr().err


def test_the_block_list_does_not_go_without_its_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    with pytest.raises(ValueError, match="go together"):
        main(["--collected", "2026-06-01", "--into", str(tmp_path), f"{tmp_path / 'README.md'}@0123abc"])


def test_the_certificates_of_a_directory_are_printed_as_ca_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, site = make_root("Root 1"), make_site()
    (tmp_path / "below").mkdir()
    (tmp_path / "root.pem").write_text(root.pem)
    (tmp_path / "below" / "two.pem").write_text(site.intermediate.pem + root.pem)
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    options = ["--source", "https://ca.example/", "--prefix", "Test", "--state", "retired"]
    main(["--collected", "2026-06-01", *options, str(tmp_path)])
    printed = capsys.readouterr().out
    common = {"state": "retired", "source": "https://ca.example/", "collected": date(2026, 6, 1)}
    assert tomllib.loads(printed)["ca_names"] == [
        {"name": "Test Root 1", "pin": root.pin, **common},
        {"name": "Test Test Intermediate", "pin": site.intermediate.pin, **common},
    ]
