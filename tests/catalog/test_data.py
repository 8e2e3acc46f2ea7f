"""The catalog's files: what each entry must hold, and facts of which we are sure from elsewhere."""

import hashlib
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.catalog.load import PACKAGED, load_catalog, parse_catalog_file
from app.catalog.roots import DEPARTURES, HISTORY
from app.hpkp.catalog import Basis, CaName, CaState, Catalog
from app.hpkp.errors import InvalidFile
from app.hpkp.pins import Pin, parse_pin, pin_of_spki
from app.hpkp.x509.certificate import Certificate, read_certificate
from tests.support.authority import make_root

DIRECTORY = Path(__file__).parents[2] / "app" / "catalog"
CATALOG = load_catalog()

ISSUERS = [
    ("AdGuard", "Adguard Personal CA", None),
    ("Avast Antivirus", "Avast Web/Mail Shield Root", "Avast Web/Mail Shield"),
    ("Avast Antivirus", "avast! Web/Mail Shield Root", "avast! Web/Mail Shield"),
    ("AVG Antivirus", "AVG Web/Mail Shield Root", None),
    ("BadSSL Antivirus (test)", "BadSSL MITM Software Test", None),
    ("Bitdefender Antivirus", "Bitdefender Personal CA.Net-Defender", "Bitdefender"),
    ("Burp Suite", "PortSwigger CA", "PortSwigger"),
    ("Charles Proxy", "Charles Proxy CA (1 Jun 2026, laptop)", "XK72 Ltd"),
    ("Charles Proxy", "Charles Proxy Custom Root Certificate (built on laptop)", "XK72 Ltd"),
    ("Cisco Umbrella", "Cisco Umbrella Primary SubCA", "Cisco"),
    ("Cisco Umbrella", "Cisco Umbrella Root CA", "Cisco"),
    ("ContentKeeper", "ContentKeeper Appliance CA (1234)", "ContentKeeper Technologies"),
    ("Cyberoam Firewall", "Cyberoam SSL CA", "Cyberoam Certificate Authority"),
    ("Dell DSDTestProvider", "DSDTestProvider", "DSDTestProvider"),
    ("Dell eDellRoot", "eDellRoot", None),
    ("ESET", "ESET SSL Filter CA", "ESET, spol. s r. o."),
    ("Fiddler", "DO_NOT_TRUST_FiddlerRoot", "DO_NOT_TRUST"),
    ("Fiddler Everywhere", "Fiddler Root Certificate Authority", None),
    ("ForcePoint", "Forcepoint Cloud CA", "Forcepoint LLC"),
    ("Fortigate", "FortiGate CA", "Fortinet"),
    ("Fortinet", "FGT60F", "Fortinet Ltd."),
    ("HTTP Toolkit", "HTTP Toolkit CA", None),
    ("Kaspersky Internet Security", "Kaspersky Anti-Virus Personal Root Certificate", "AO Kaspersky Lab"),
    ("McAfee Web Gateway", "McAfee Web Gateway", None),
    ("Microsoft Family Safety", "Microsoft Family Safety", "Microsoft Corporation"),
    ("mitmproxy", "mitmproxy", "mitmproxy"),
    ("Netskope", "ca.example.eu.goskope.com", None),
    ("NetSpark", "www.netspark.com", "NetSpark"),
    ("Norton Antivirus", "Norton Web/Mail Shield Root", "Norton Web/Mail Shield"),
    ("Proxyman", "Proxyman CA (1 Jun 2026, laptop)", None),
    ("SmoothWall Firewall", "Smoothwall-default-root-certificate-authority", None),
    ("SonicWall Firewall", "SonicWall Firewall DPI-SSL", "HTTPS Management Certificate for SonicWALL"),
    ("Sophos", "Sophos SSL CA_C1-2", "Sophos"),
    ("Sophos", "Sophos_CA_C12345", None),
    ("Sophos UTM", "sophosutm Proxy CA", "sophosutm"),
    ("Sophos Web Appliance", "Sophos Web Appliance", "Sophos Plc"),
    ("Superfish", "Superfish, Inc.", "Superfish, Inc."),
    ("Symantec Blue Coat", "proxy.example.com", "Blue Coat SG210 Series"),
    ("Trend Micro InterScan Web Security Suite (IWSS)", "IWSS.TREND", None),
    ("ZAP", "OWASP Zed Attack Proxy Root CA", "OWASP Root CA"),
    ("Zscaler", "Zscaler Intermediate Root CA", "Zscaler Inc."),
]
"""Issuers as the products write them: the product's name, common name, organization."""


def leaf_of(common_name: str, organization: str | None) -> Certificate:
    leaf = read_certificate(make_root(common_name, organization=organization).issue("www.example.com").der)
    assert isinstance(leaf, Certificate)
    return leaf


def entries(file: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for table, found in tomllib.loads((DIRECTORY / file).read_text(encoding="utf-8")).items():
        for index, entry in enumerate(found):
            yield f"{table}[{index}] {entry.get('name')}", entry


def names_of(pin: str) -> list[str]:
    return [key.name for key in CATALOG.known_bad.get(parse_pin(pin), ())]


def test_every_file_of_the_directory_is_loaded_and_holds_the_table_of_its_name() -> None:
    assert {path.name for path in DIRECTORY.glob("*.toml")} == {*PACKAGED, HISTORY, DEPARTURES}
    for file in PACKAGED:
        assert list(tomllib.loads((DIRECTORY / file).read_text(encoding="utf-8"))) == [Path(file).stem]


@pytest.mark.parametrize("file", PACKAGED)
def test_every_entry_says_where_and_when_it_was_read_and_none_stands_twice(file: str) -> None:
    seen = []
    for place, entry in entries(file):
        assert isinstance(entry.get("collected"), date), place
        assert entry.get("source"), place
        if file != "example_pins.toml":
            assert entry["source"].startswith("https://"), place
        seen.append(entry)
    assert [entry for index, entry in enumerate(seen) if entry in seen[:index]] == []


@pytest.mark.parametrize(("name", "common_name", "organization"), ISSUERS)
def test_a_product_is_known_by_the_issuer_that_it_writes(name: str, common_name: str, organization: str | None) -> None:
    found = CATALOG.product_of(leaf_of(common_name, organization))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("common_name", "organization"),
    [
        ("FortiGate CA", None),
        ("Zscaler Root CA", "Zscaler Inc. (imitation)"),
        ("My mitmproxy", "mitmproxy"),
        ("avast! Web/Mail Shield Root", None),
        ("goskope.com.example.org", None),
        ("ESET SSL Filter CA 2", None),
        ("Test Root", "Test Trust Services"),
    ],
)
def test_an_issuer_that_only_resembles_a_product_is_not_one(common_name: str, organization: str | None) -> None:
    assert CATALOG.product_of(leaf_of(common_name, organization)) is None


def test_every_product_has_an_example_above() -> None:
    leaves = [leaf_of(common_name, organization) for _, common_name, organization in ISSUERS]
    assert [entry.name for entry in CATALOG.products if not any(entry.signed(leaf) for leaf in leaves)] == []


def test_what_a_browser_matches_by_is_told_from_what_was_only_seen_or_guessed() -> None:
    published = {entry.source for entry in CATALOG.products if entry.basis is Basis.PUBLISHED}
    assert [source.rpartition("/")[2] for source in published] == ["ssl_error_assistant.asciipb"]
    assert {entry.name for entry in CATALOG.products if entry.basis is Basis.JUDGED} == {
        "AVG Antivirus",
        "Netskope",
        "Proxyman",
    }


@pytest.mark.parametrize(
    ("pin", "word"),
    [
        ("S7jzW6HhJvjd4bDEIGJe2G3OYae92tveqauleP8TFF4=", "Superfish"),
        ("GvVsmP8EPvkr6/9UzrtN1nolupVsgX8+bdPB5S61hME=", "Cyberoam"),
        ("MuzJb5EvltiJ5zCIzQMcfe0sZRyAUBYVeiO28y95ijs=", "Trustwave"),
        ("ze6fMwVXKmd+GmyC3B4Co1sRyuamhDOMnzf+Gsja7CM=", "eDellRoot"),
        ("71UShHFSMt6S4kbDIzKTYrEySTuxa1ieR3VSC+uHGlY=", "Mitel"),
    ],
)
def test_a_bad_key_is_known_under_its_name(pin: str, word: str) -> None:
    assert any(word in name for name in names_of(pin))


def test_a_key_that_two_lists_hold_is_told_with_both_sources() -> None:
    [one, other] = CATALOG.known_bad[parse_pin("cH02TnKuUhQx3ZU4l/nEhG1bjDJCmP5T+9StofLRFX8=")]
    assert one.name == other.name
    assert one.source != other.source


def test_no_pin_is_at_once_a_working_cas_and_bad_or_a_portals_or_an_example() -> None:
    cas = CATALOG.ca_names.keys() - CATALOG.departed_roots.keys()
    others = (CATALOG.known_bad.keys(), CATALOG.captive_portals.keys(), CATALOG.example_pins.keys())
    assert [cas & pins for pins in others] == [set(), set(), set()]
    assert not CATALOG.known_bad.keys() & CATALOG.captive_portals.keys()


def ca(pin: str) -> tuple[CaName, ...]:
    return CATALOG.ca_names_of(parse_pin(pin))


def test_public_roots_are_named_by_their_subject() -> None:
    assert CaName("DigiCert Global Root G2", CaState.ROOT) in ca("i7WTqTvh0OioIruIfFR4kMPnBqrS2rdiVPl/s2uC/CY=")
    [ecc] = ca("CLOmM1/OXvSPjw5UOYbAf9GKOxImEp9hhku9W90fHMk=")
    assert ecc == CaName("CN=GlobalSign,O=GlobalSign,OU=GlobalSign ECC Root CA - R4", CaState.ROOT)


def test_our_own_list_and_the_bundle_agree_on_isrgs_roots() -> None:
    assert ca("C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=") == (CaName("ISRG Root X1", CaState.ROOT),)
    assert ca("diGVwiVYbubAI3RW4hB9xU8e/CH2GnkuvVFZE8zmgzI=") == (CaName("ISRG Root X2", CaState.ROOT),)


@pytest.mark.parametrize(
    ("pin", "name", "state"),
    [
        ("sCkq5UWXjg+7mKu9lMhhYF5bGLsy7VI/UNW3tccdR7w=", "ISRG Root YE", CaState.PENDING),
        ("fk6IOKit1ild5647BH06ujSIq5XbCgqlbYl6ANhhi88=", "ISRG Root YR", CaState.PENDING),
    ],
)
def test_a_root_to_come_is_a_root_and_no_intermediate(pin: str, name: str, state: CaState) -> None:
    """Both are in no bundle yet; the test fails when certifi takes them in, and their entries can go."""
    assert ca(pin) == (CaName(name, state),)


def test_lets_encrypts_issuers_have_a_state_and_two_of_them_share_a_key() -> None:
    assert ca("brzvtCELCIZUo4sD/qPX0ccRtPsd3DY6RfmxpOU9oB4=") == (CaName("Let's Encrypt YE1", CaState.ACTIVE),)
    assert ca("NYbU7PBwV4y9J67c4guWTki8FJ+uudrXL0a4V4aRcrg=") == (CaName("Let's Encrypt E5", CaState.RETIRED),)
    shared = ca("YLh1dUR9y6Kja30RrAn7JKnbQG/uEtLMkBgFF2Fuihg=")
    assert {name.name for name in shared} == {"Let's Encrypt Authority X1", "Let's Encrypt Authority X3"}


@pytest.mark.parametrize(
    ("pin", "name"),
    [
        (pin_of_spki(b""), "SHA-256 of nothing"),
        (Pin(hashlib.sha256(b"\n").digest()), "SHA-256 of a single newline"),
        (Pin(bytes(32)), "placeholder of A's"),
        (parse_pin("B" * 43 + "="), "placeholder of B's"),
        (parse_pin("d6qzRu9zOECb90Uez27xWltNsj0e1Md7GkYYkVoZWmM="), "RFC 7469"),
        (parse_pin("cUPcTAZWKaASuYWhhneDttWpY3oBAkE3h2+soZS7sWs="), "MDN"),
        (parse_pin("HXXQgxueCIU5TTLHob/bPbwcKOKw6DkfsTWYHbxbqTY="), "TrustKit"),
        (parse_pin("0SDf3cRToyZJaMsoS17oF72VMavLxj/N7WBNasNuiR8="), "TrustKit"),
        (parse_pin("TQEtdMbmwFgYUifM4LDF+xgEtd0z69mPGmkp014d6ZY="), "TrustKit"),
        (parse_pin("rFjc3wG7lTZe43zeYTvPq8k4xdDEutCmIhI5dn4oCeE="), "TrustKit"),
    ],
)
def test_a_copied_pin_is_told_by_where_it_stands(pin: Pin, name: str) -> None:
    assert name in CATALOG.example_pins[pin]


OPERATORS_FILE = """
[[interception_products]]
name = "Our proxy"
issuer_organization = "Zscaler Inc\\\\."
basis = "observed"
source = "our network team"
collected = 2026-11-23

[[known_bad_keys]]
name = "key of the laptop that was stolen"
pin = "sha256/AbpHGcgLb+kRsJGnwFEktk7uzpZOCcBY74+YBdrKVGs="
source = "ticket 12"
collected = 2026-11-23
"""


def test_an_operators_file_is_read_before_the_packages(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(OPERATORS_FILE, encoding="utf-8")
    merged = load_catalog(file)
    found = merged.product_of(leaf_of("Zscaler Root CA", "Zscaler Inc."))
    assert found is not None
    assert found.name == "Our proxy"
    assert [key.name for key in merged.known_bad[pin_of_spki(b"\n")]] == ["key of the laptop that was stolen"]
    assert merged.known_bad.keys() > CATALOG.known_bad.keys()


BAD = 'name = "x"\nsource = "s"\ncollected = 2026-11-23\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[known_bad_keys]]\n" + BAD + 'pin = "abc"', "known_bad_keys[0].pin: not base64"),
        ("[[known_bad_keys]]\n" + BAD + "pin = 5", "known_bad_keys[0].pin: must be text"),
        ("[[known_bad_keys]]\n" + BAD, "known_bad_keys[0].pin: Field required"),
        ("[[interception_products]]\n" + BAD, "interception_products[0]: x: neither a pattern"),
        (
            "[[interception_products]]\n" + BAD + 'issuer_common_name = "(a+)+"',
            "interception_products[0].issuer_common_name: the pattern repeats a group",
        ),
        ("[[captive_portals]]\nname = ''\n", "captive_portals[0].name: String should have at least 1 character"),
        ("[[ca_names]]\n" + BAD + f'pin = "{"A" * 43}="\nstate = "gone"', "ca_names[0].state: Input should be"),
        ("[[ca_names]]\n" + BAD + 'stat = "root"', "ca_names[0].stat: Extra inputs are not permitted"),
        ("[[ca_name]]\n", "ca_name: Extra inputs are not permitted"),
        ("[[example_pins]]\nname = 'x'\nsource = 's'\n", "example_pins[0].collected: Field required"),
        ("[ca_names]\n", "ca_names: Input should be a valid tuple"),
        ("[[ca_names\n", "not TOML"),
    ],
)
def test_a_broken_entry_is_named_by_file_table_index_and_reason(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the message is the point, and is compared below
        load_catalog(file)
    assert f"{file}: {message}" in str(raised.value)


def test_every_broken_entry_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"f: ca_names\[0\]\.name: [^\n]*\n(f: [^\n]*\n)*f: ca_names\[1\]\.name: "):
        parse_catalog_file("[[ca_names]]\n[[ca_names]]\n", "f")


def test_a_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ValueError, match=r"catalog\.toml: not UTF-8 at byte 5"):
        load_catalog(file)


def test_an_empty_file_adds_nothing(tmp_path: Path) -> None:
    assert parse_catalog_file("", "f").value() == Catalog()
    with pytest.raises(InvalidFile, match=r"^HPKP_CATALOG: .*absent\.toml: No such file or directory$"):
        load_catalog(tmp_path / "absent.toml")
