"""The operator's files of roots and of intermediates."""

from pathlib import Path

import pytest

from app.catalog import load_known_certificates
from app.catalog.roots import load_former_roots, load_public_roots
from tests.support.authority import make_site

SITE = make_site()
BROKEN = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


def test_without_files_the_roots_of_the_store_are_known_public_and_former() -> None:
    known = load_known_certificates()
    assert known.public == load_public_roots()
    assert known.former == tuple(root.stored for root in load_former_roots())
    assert known.operator == known.intermediates == ()


def test_each_file_of_the_operators_is_read_for_its_own_use(tmp_path: Path) -> None:
    roots, intermediates = tmp_path / "roots.pem", tmp_path / "intermediates.pem"
    roots.write_text(SITE.root.pem)
    intermediates.write_text(f"Issuer of ours\n{SITE.intermediate.pem}\n-----BEGIN CRL-----\nAA==\n-----END CRL-----\n")
    known = load_known_certificates(roots, intermediates)
    assert [root.der for root in known.operator] == [SITE.root.der]
    assert [certificate.der for certificate in known.intermediates] == [SITE.intermediate.der]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("nothing here", "contains no certificate"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "contains no certificate"),
        (SITE.root.pem + BROKEN.format("AAAA"), "certificate 2 cannot be read: "),
        (BROKEN.format("A"), "certificate 1 is not base64: "),
    ],
)
@pytest.mark.parametrize("setting", ["HPKP_TRUST_ANCHORS", "HPKP_KNOWN_CERTIFICATES"])
def test_a_file_that_cannot_be_used_is_named_with_its_setting(
    tmp_path: Path, setting: str, content: str | None, reason: str
) -> None:
    file = tmp_path / "given.pem"
    if content is not None:
        file.write_text(content)
    given = (file, None) if setting == "HPKP_TRUST_ANCHORS" else (None, file)
    with pytest.raises((OSError, ValueError)) as raised:
        load_known_certificates(*given)
    assert str(raised.value).startswith(f"{setting}: {file}")
    assert reason in str(raised.value)
