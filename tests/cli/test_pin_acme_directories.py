"""``hpkp pin DIRECTORY`` on directories as dehydrated, acme.sh and lego keep them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from app.cli import app
from tests.support.authority import Issued, PrivateKey, make_site, new_key
from tests.support.lineage import NAME, private_pem

runner = CliRunner()
SITE = make_site()
FIRST, SECOND = 1_790_000_000, 1_795_500_000


def _items(directory: Path, *, exit_code: int = 0) -> list[dict[str, Any]]:
    result = runner.invoke(app, ["pin", "--json", str(directory)])
    assert result.exit_code == exit_code, (result.output, result.exception)
    items: list[dict[str, Any]] = json.loads(result.stdout)
    return items


def _told(items: list[dict[str, Any]]) -> list[tuple[str, str, int | None, str]]:
    return [(item["state"], item["kind"], item["generation"], item["pin"]) for item in items if "state" in item]


def _issue(name: str = NAME, key: PrivateKey | None = None) -> Issued:
    return SITE.intermediate.issue(name, names=[name], key=key)


def _request(key: PrivateKey) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode("ascii")


def _pin(key: PrivateKey) -> str:
    return SITE.root.issue("a key", key=key).pin


class Dehydrated:
    """A directory certs/NAME: files named by the time of issue, links beside them."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "certs" / NAME
        self.directory.mkdir(parents=True)

    def issue(self, time: int, key: PrivateKey | None = None) -> Issued:
        """Issue as dehydrated does; a ``key`` is one that was kept, so that no new key file is written."""
        issued = _issue(key=key)
        files = {
            "cert": issued.pem,
            "chain": SITE.intermediate.pem,
            "fullchain": issued.pem + SITE.intermediate.pem,
        } | ({} if key else {"privkey": private_pem(issued.key)})
        for part, text in files.items():
            self.write(f"{part}-{time}.pem", text)
            (self.directory / f"{part}.pem").unlink(missing_ok=True)
            (self.directory / f"{part}.pem").symlink_to(f"{part}-{time}.pem")
        self.write(f"cert-{time}.csr", _request(issued.key))
        return issued

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def make_rollover_key(self) -> PrivateKey:
        key = new_key()
        self.write("privkey.roll.pem", private_pem(key))
        return key


@pytest.fixture
def dehydrated(tmp_path: Path) -> Dehydrated:
    return Dehydrated(tmp_path)


def test_of_dehydrated_every_generation_is_told_and_the_rollover_key_is_the_next(dehydrated: Dehydrated) -> None:
    first, second = dehydrated.issue(FIRST), dehydrated.issue(SECOND)
    rollover = dehydrated.make_rollover_key()
    items = _items(dehydrated.directory)
    assert _told(items) == [
        ("previous", "certificate", FIRST, first.pin),
        ("previous", "certification request", FIRST, first.pin),
        ("previous", "private key", FIRST, first.pin),
        ("current", "certificate", SECOND, second.pin),
        ("current", "certification request", SECOND, second.pin),
        ("current", "private key", SECOND, second.pin),
        ("next", "private key", None, _pin(rollover)),
    ]
    assert {item["lineage"] for item in items} == {NAME}
    [intermediate] = [item for item in items if "state" not in item]
    assert (intermediate["pin"], intermediate["generations"]) == (SITE.intermediate.pin, [FIRST, SECOND])


def test_of_dehydrated_a_key_that_was_kept_belongs_to_both_certificates(dehydrated: Dehydrated) -> None:
    first = dehydrated.issue(FIRST)
    dehydrated.issue(SECOND, key=first.key)
    items = _items(dehydrated.directory)
    current = [item for item in items if item.get("state") == "current"]
    assert {(item["pin"], item["key_reused"], item["belong_together"]) for item in current} == {(first.pin, True, True)}
    assert [item["kind"] for item in current] == ["certificate", "certification request", "private key"]
    assert [finding for item in current for finding in item["findings"]] == []


def test_of_dehydrated_certificate_links_of_two_times_are_said_loudly(dehydrated: Dehydrated) -> None:
    dehydrated.issue(FIRST)
    dehydrated.issue(SECOND)
    (dehydrated.directory / "cert.pem").unlink()
    (dehydrated.directory / "cert.pem").symlink_to(f"cert-{FIRST}.pem")
    items = _items(dehydrated.directory, exit_code=1)
    assert "live_mixes_generations" in {finding["code"] for item in items for finding in item["findings"]}


def test_a_copy_of_dehydrated_s_directory_has_files_for_links(dehydrated: Dehydrated, tmp_path: Path) -> None:
    dehydrated.issue(FIRST)
    current = {path.name: path.read_bytes() for path in dehydrated.directory.iterdir() if path.is_symlink()}
    dehydrated.issue(SECOND)
    copy = tmp_path / "copy"
    shutil.copytree(dehydrated.directory, copy, symlinks=False)
    for name, content in current.items():  # back to the first, as after a rollback by copying
        (copy / name).write_bytes(content)
    states = {generation: state for state, _, generation, _ in _told(_items(copy))}
    assert states == {FIRST: "current", SECOND: "next"}
    (copy / "cert.pem").unlink()
    items = _items(copy)
    assert {generation: state for state, _, generation, _ in _told(items)} == {FIRST: "previous", SECOND: "current"}
    assert "current_assumed" in {finding["code"] for item in items for finding in item["findings"]}


@pytest.mark.parametrize("directory_name", [NAME, f"{NAME}_ecc"])
def test_of_acme_sh_certificate_request_and_key_are_told(directory_name: str, tmp_path: Path) -> None:
    issued, directory = _issue(), tmp_path / directory_name
    directory.mkdir()
    files = {
        f"{NAME}.cer": issued.pem,
        f"{NAME}.key": private_pem(issued.key),
        f"{NAME}.csr": _request(issued.key),
        f"{NAME}.conf": "Le_Domain='www.example.com'",
        "ca.cer": SITE.intermediate.pem,
        "fullchain.cer": issued.pem + SITE.intermediate.pem,
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    items = _items(directory)
    kinds = ["certificate", "certification request", "private key"]
    assert _told(items) == [("current", kind, None, issued.pin) for kind in kinds]
    assert {item["lineage"] for item in items} == {NAME}
    assert [item["pin"] for item in items if "state" not in item] == [SITE.intermediate.pin]
    (directory / f"{NAME}.key").write_text(private_pem(new_key()))
    assert {item["belong_together"] for item in _items(directory, exit_code=1) if "state" in item} == {False}


def test_of_lego_every_name_of_the_directory_is_told(tmp_path: Path) -> None:
    directory = tmp_path / ".lego" / "certificates"
    directory.mkdir(parents=True)
    pins = {}
    for name in ("_.example.org", NAME):
        issued = _issue(name.replace("_", "*"))
        pins[name] = issued.pin
        (directory / f"{name}.crt").write_text(issued.pem + SITE.intermediate.pem)
        (directory / f"{name}.issuer.crt").write_text(SITE.intermediate.pem)
        (directory / f"{name}.key").write_text(private_pem(issued.key))
        (directory / f"{name}.json").write_text("{}")
    items = _items(directory)
    told = {(item["lineage"], item["kind"], item["pin"]) for item in items if "state" in item}
    assert told == {(name, kind, pin) for name, pin in pins.items() for kind in ("certificate", "private key")}
    result = runner.invoke(app, ["pin", str(directory.parent)])
    assert result.exit_code == 2
    assert f"; give {directory}" in result.stderr
