"""What to do about a violation, and certificates decoded in full."""

from ssl import PEM_cert_to_DER_cert

import pytest

from app.hpkp.judgement.causes import Cause
from app.hpkp.x509.certificate import UnreadableCertificate, read_certificate
from app.web.certificate_facts import decode, write_chain
from app.web.steps import _STEPS
from tests.support.authority import make_root, pss_certificate, self_signed
from tests.support.web.stock import NAMES


def test_every_cause_has_steps() -> None:
    assert _STEPS.keys() == set(Cause)


def test_a_certificate_is_decoded_with_all_of_its_extensions() -> None:
    root = make_root("Decoded Root")
    leaf = root.issue("www.example.com", names=NAMES)
    facts = decode(read_certificate(leaf.der))
    assert facts is not None
    assert PEM_cert_to_DER_cert(facts.pem) == leaf.der
    assert not facts.is_ca
    rows = dict(facts.rows)
    assert rows["Pin (SHA-256 of the public key)"] == leaf.pin
    assert "CN=Decoded Root" in rows["Issuer"]
    extensions = {name: value for name, _, value in facts.extensions}
    assert extensions["Subject Alternative Name"].startswith(NAMES[0])
    assert extensions["Subject Alternative Name"].endswith("and 460 more")
    root_facts = decode(read_certificate(root.der))
    assert root_facts is not None
    assert root_facts.is_ca
    [(_, critical, value)] = [found for found in root_facts.extensions if found[0] == "Basic Constraints"]
    assert (critical, value[:2]) == (True, "CA")


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_a_damaged_certificate_is_decoded_as_far_as_it_goes(place: int) -> None:
    der = bytearray(self_signed().der)
    der[place % len(der)] ^= 0xFF
    element = read_certificate(bytes(der))
    facts = decode(element)
    assert facts is not None
    assert facts.pem.startswith("-----BEGIN CERTIFICATE-----")


def test_what_has_no_bytes_has_no_facts_and_is_left_out_of_a_chain() -> None:
    nothing = UnreadableCertificate(0, "no base64")
    assert decode(nothing) is None
    pss = read_certificate(pss_certificate())
    assert write_chain([nothing, pss]).count("BEGIN CERTIFICATE") == 1
