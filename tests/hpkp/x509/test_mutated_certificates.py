"""Certificates mutated as DER trees: every part of every one is a value or a reason."""

import random

from app.hpkp.x509.certificate import Certificate, read_certificate
from tests.support.hpkp.x509.fuzz import corpus, fuzz

CASES = 4000
"""For every run other ones; ``python -W error -m tests.support.hpkp.x509.fuzz 100000`` reads more."""


def test_no_mutated_certificate_raises_anywhere() -> None:
    seed = random.randrange(10**9)
    read = fuzz(CASES, seed)
    assert read > CASES // 3, f"with seed {seed} too few of the mutations left a certificate to read"


def test_the_certificates_that_are_mutated_are_of_many_kinds() -> None:
    read = [read_certificate(der) for der in corpus()]
    kinds = {one.key_kind for one in read if isinstance(one, Certificate)}
    assert len(corpus()) > 50
    assert {"EC secp256r1", "RSA 2048", "DSA 2048", None} <= kinds
