"""The bodies of ``bench/worst_bodies.py``: the intake takes each, and each spends what it is meant to spend."""

import base64

import pytest

from app.hpkp.x509.anchors import KnownCertificates
from bench.worst_bodies import BODIES, MOST_BYTES, measure

MEANT = {
    "one name, brainpoolP512r1": "signature checks",
    "one name, RSA 8192, exponent of 33 bits": "signature checks",
    "one name, RSA 3072, exponent of 3064 bits": "steps of the search",
    "clique of 6 CAs": "paths",
    "lattice of 2 by 9 CAs": "paths",
    "4,900 names, 2 constrained CAs": "name constraints",
    "names of 24 attributes": "certificates on a path",
    "all at once": "signature checks",
}


@pytest.mark.parametrize("title", BODIES)
def test_a_body_is_within_the_intakes_limits_and_reaches_its_own(title: str) -> None:
    ders = BODIES[title]()[:40]
    assert sum(len(base64.b64encode(der)) + 60 for der in ders) <= MOST_BYTES
    cost = measure(ders, KnownCertificates())
    assert cost.checks <= 100
    assert cost.paths <= 2 * 64 + 2
    assert title not in MEANT or any(MEANT[title] in limit for limit in cost.limits)
