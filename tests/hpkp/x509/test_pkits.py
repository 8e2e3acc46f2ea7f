"""NIST's Public Key Interoperability Test Suite, the 51 cases that ask for no more than paths.

Left out are revocation, policies, and name constraints of kinds that restrict neither DNS names nor addresses; of DSA
the inheritance of parameters, which `cryptography` cannot load. All CA certificates of the suite are handed in at
once, as a server with some 180 superfluous certificates might: that tests building, not only checking.
"""

import re
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import pytest

from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.path_defects import PathClass
from app.hpkp.x509.paths import complete_paths

CERTIFICATES = files("cryptography_vectors") / "x509" / "PKITS_data" / "certs"
MOMENT = datetime(2012, 6, 1, tzinfo=UTC)
"""All certificates that do not test dates are valid from 2010 to 2030."""

_FAMILIES = re.compile(
    r"(Valid|Invalid)(?:"
    r"CertificatePathTest|CASignatureTest|EESignatureTest|DSASignaturesTest|DSASignatureTest"
    r"|\w*not(?:Before|After)DateTest"
    r"|NameChaining\w*Test|NameUIDsTest|RFC3280\w+Test|UTF8String\w+Test|Rollover\w+Test"
    r"|MissingbasicConstraintsTest|cAFalseTest|basicConstraintsNotCriticalTest|(?:SelfIssued)?pathLenConstraintTest"
    r"|keyUsage(?:Not)?CriticalkeyCertSignFalseTest|keyUsageNotCriticalTest"
    r"|DNSnameConstraintsTest|Unknown(?:Not)?CriticalCertificateExtensionTest)\d+EE\.crt"
)
CASES = sorted(entry.name for entry in CERTIFICATES.iterdir() if _FAMILIES.fullmatch(entry.name))


@cache
def _read(name: str) -> Certificate:
    element = read_certificate((CERTIFICATES / name).read_bytes())
    assert isinstance(element, Certificate)
    return element


@cache
def _pool() -> tuple[Certificate, ...]:
    names = (entry.name for entry in CERTIFICATES.iterdir() if entry.name.endswith(".crt"))
    return tuple(_read(name) for name in sorted(names) if not name.endswith("EE.crt"))


def test_the_suite_is_whole() -> None:
    assert len(CASES) == 51
    assert len(_pool()) == 182


@pytest.mark.parametrize("name", CASES)
def test_a_path_is_found_where_the_suite_says_that_there_is_one(name: str) -> None:
    known = KnownCertificates(operator=(_read("TrustAnchorRootCertificate.crt"),))
    paths = complete_paths(_read(name), _pool(), known)
    best = paths.at(MOMENT).best
    valid = best.path_class in (PathClass.USABLE, PathClass.POSSIBLE)
    assert valid is name.startswith("Valid"), best
    assert paths.limits_reached == ()
