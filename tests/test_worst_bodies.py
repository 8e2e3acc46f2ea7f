"""The bodies of ``bench/worst_bodies.py``: within the intake's limits, and within the budgets on the whole way.

Counted is what is spent, because times depend on the machine.
"""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from app.hpkp.catalog import Catalog
from app.hpkp.x509 import signatures
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Element, read_certificate
from app.hpkp.x509.paths import CompletedPaths, PathsAt
from app.senders import pem
from app.senders.wire import MAX_CHAIN
from bench.worst_bodies import BODIES, MOST_BYTES, judge_one, measure, read

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
_REFUSED = {"40,000 lists 180 deep"}
_MOMENTS = 4
"""The client's, 14 hours to either side, and that of receipt."""


@pytest.fixture(params=BODIES)
def title(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_body_is_within_the_intakes_limits_and_reaches_its_own(title: str) -> None:
    body = BODIES[title]()
    assert len(body) <= MOST_BYTES
    cost = measure(body, KnownCertificates())
    assert (cost.reports == 0) == (title in _REFUSED)
    assert title not in MEANT or any(MEANT[title] in limit for limit in cost.limits)


def test_the_whole_way_of_a_body_stays_within_the_budgets(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = Counter[str]()
    verify, assess = signatures._verify_by_key, CompletedPaths.at

    def read_counted(der: bytes) -> Element:
        spent["certificates read"] += 1
        return read_certificate(der)

    def verify_counted(*args: Any) -> bool:
        spent["signatures verified"] += 1
        return verify(*args)

    def assess_counted(paths: CompletedPaths, moment: datetime, *, host: str | None = None) -> PathsAt:
        found = assess(paths, moment, host=host)
        spent["paths assessed"] += len(found.paths)
        return found

    monkeypatch.setattr(pem, "read_certificate", read_counted)
    monkeypatch.setattr(signatures, "_verify_by_key", verify_counted)
    monkeypatch.setattr(CompletedPaths, "at", assess_counted)
    body = BODIES[title]()
    signatures._KEPT.clear()
    reports = read(body)
    assert spent["certificates read"] <= 2 * MAX_CHAIN * len(reports)
    for report in reports:
        spent.clear()
        judge_one(report, KnownCertificates(), Catalog())
        assert spent["signatures verified"] <= 100
        assert spent["paths assessed"] <= 40 * _MOMENTS
