"""Every golden report is read as it is meant."""

import json
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.hpkp.pins import Pin
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.x509.certificate import Certificate, UnreadableCertificate
from app.senders import CertificateReader, read_report
from tests.support.golden.cases import RECEIVED_AT
from tests.support.golden.make import GOLDEN, make_cases, paths_of

REPORTS = sorted(path for path in GOLDEN.glob("*/*.json") if not path.name.endswith(".expected.json"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def render(value: Any) -> Any:
    """Render a value of a report plainly."""
    match value:
        case ViolationReport():
            return {field.name: render(getattr(value, field.name)) for field in fields(value)}
        case Certificate():
            return {"sha256": value.fingerprint.hex(), "pin": str(value.pin)}
        case UnreadableCertificate(position, reason):
            fingerprint = value.fingerprint and value.fingerprint.hex()
            return {"unreadable": reason, "position": position, "sha256": fingerprint, "pin": render(value.pin)}
        case Pin():
            return str(value)
        case datetime():
            return value.isoformat()
        case tuple():
            return [render(item) for item in value]
    return value


@pytest.mark.parametrize("path", REPORTS, ids=name_of)
def test_a_golden_report_is_read_as_it_is_meant(path: Path) -> None:
    report = read_report(path.read_bytes(), certificates=CertificateReader(), received_at=RECEIVED_AT)
    assert isinstance(report, ViolationReport), report
    assert render(report) == json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", REPORTS, ids=name_of)
def test_the_folder_of_a_golden_report_is_its_sender(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert expected["sender"] == path.parent.name


def test_every_sender_has_golden_reports() -> None:
    assert {path.parent.name for path in REPORTS} == set(Sender)


def test_every_case_stands_in_its_files_and_no_file_is_left_over() -> None:
    wanted = {path for case in make_cases() for path in paths_of(case)}
    assert wanted == set(GOLDEN.glob("*/*.json"))


def test_a_case_made_anew_is_read_as_it_is_meant() -> None:
    for case in make_cases():
        report = read_report(case.body, certificates=CertificateReader(), received_at=RECEIVED_AT)
        assert render(report) == case.expected, case.name
