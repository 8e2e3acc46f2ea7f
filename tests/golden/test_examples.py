"""The examples that the README's tour sends are what it says they are."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.judge import judge
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy, PolicyHistory
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate
from app.hpkp.x509.keys import read_keys
from app.senders import CertificateReader, read_report
from tests.support.authority import pem_with
from tests.support.golden.make_examples import EXAMPLES, make_files

MOMENT = datetime(2026, 11, 23, 10, tzinfo=UTC)
POLICY = json.loads((EXAMPLES / "policy.json").read_bytes())


def read_example(body: bytes) -> ViolationReport:
    report = read_report(body, certificates=CertificateReader())
    assert isinstance(report, ViolationReport)
    return report


@pytest.fixture(scope="module")
def report() -> ViolationReport:
    return read_example((EXAMPLES / "report.json").read_bytes())


def test_the_report_is_chromiums_in_report_only_mode(report: ViolationReport) -> None:
    assert (report.sender, report.mode) == (Sender.CHROMIUM, Mode.REPORT_ONLY)
    assert (report.hostname, report.port, report.date_time) == ("www.example.com", 443, MOMENT)


def test_the_policy_expects_the_pins_that_the_report_knows(report: ViolationReport) -> None:
    assert POLICY.keys() == {"pins", "max_age", "mode", "report_uri"}
    assert [pin["sha256"] for pin in POLICY["pins"]] == [str(pin) for pin in report.known_pins]
    assert [pin["label"] for pin in POLICY["pins"]] == ["old root", "backup key"]


def test_the_pinned_root_is_served_but_not_on_the_validated_path(report: ViolationReport) -> None:
    assert report.served_chain is not None
    assert report.validated_chain is not None
    pinned = parse_pin(POLICY["pins"][0]["sha256"])
    assert [element.pin == pinned for element in report.served_chain] == [False, False, True]
    assert [element.pin == pinned for element in report.validated_chain] == [False, False, False]
    assert report.served_chain[0] == report.validated_chain[0]
    assert report.served_chain[1] != report.validated_chain[1]
    assert report.served_chain[1].pin == report.validated_chain[1].pin


def test_the_chain_is_the_served_one(report: ViolationReport) -> None:
    def refuse() -> bytes:
        pytest.fail("no passphrase is needed")

    keys = read_keys((EXAMPLES / "chain.pem").read_bytes(), passphrase=refuse)
    assert tuple(key.certificate for key in keys) == report.served_chain


def test_the_certificates_hold_for_ten_years(report: ViolationReport) -> None:
    for element in (*(report.served_chain or ()), *(report.validated_chain or ())):
        assert isinstance(element, Certificate)
        assert element.not_before is not None
        assert element.not_after is not None
        assert (element.not_before.year, element.not_after.year) == (2026, 2036)


def test_the_example_is_judged_as_another_trust_path_with_nothing_else_to_say_first(report: ViolationReport) -> None:
    pins = tuple(ExpectedPin(parse_pin(pin["sha256"]), pin["label"]) for pin in POLICY["pins"])
    policy = PinningPolicy(Host("www.example.com"), pins, effective_from=MOMENT)
    judgement = judge(report, PolicyHistory((policy,)), KnownCertificates(), received_at=MOMENT, at=MOMENT)
    assert judgement.cause is Cause.OTHER_TRUST_PATH
    assert (judgement.judged_chain, judgement.failing) == ("validated", 2)
    assert [finding.in_expected_pins for finding in judgement.served] == [False, False, True]


def test_openssl_agrees_that_both_chains_hold(report: ViolationReport, tmp_path: Path) -> None:
    assert shutil.which("openssl"), "install the openssl command"
    for chain in (report.served_chain, report.validated_chain):
        files = []
        for name, element in zip(("leaf", "intermediate", "root"), chain or (), strict=True):
            files.append(tmp_path / f"{name}.pem")
            files[-1].write_text(pem_with(element.der or b""))
        leaf, intermediate, root = map(str, files)
        command = [
            "openssl",
            "verify",
            "-attime",
            str(int(MOMENT.timestamp())),
            "-CAfile",
            root,
            "-untrusted",
            intermediate,
            leaf,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_maker_still_makes_what_stands_there() -> None:
    made = make_files()
    assert made.keys() == {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    for name in ("policy.json", "report.json"):
        stored, fresh = json.loads((EXAMPLES / name).read_bytes()), json.loads(made[name])
        assert list(stored) == list(fresh)
        assert {k: v for k, v in stored.items() if isinstance(v, str | int)} == {
            k: v for k, v in fresh.items() if isinstance(v, str | int)
        }
    assert len(read_example(made["report.json"]).served_chain or ()) == 3
