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
from app.hpkp.x509.budget import BodyBudget
from app.hpkp.x509.certificate import Element, read_certificate
from app.hpkp.x509.paths import CompletedPaths, PathsAt
from app.hpkp.x509.public_keys import PublicKey
from app.senders import pem
from app.senders.reporting_api import MAX_CERTIFICATES
from app.senders.wire import MAX_CHAIN
from bench.worst_bodies import BODIES, MOST_BYTES, judge_all, measure, read_at_the_door, read_in_the_fold

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
BODY = BodyBudget()
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

    def verify_counted(key: PublicKey, *args: Any) -> bool:
        spent["signatures verified"] += 1
        spent["microseconds of signatures"] += key.cost
        return verify(key, *args)

    def assess_counted(paths: CompletedPaths, moment: datetime, *, host: str | None = None) -> PathsAt:
        found = assess(paths, moment, host=host)
        spent["certificates assessed"] += sum(len(path.certificates) for path in found.paths)
        return found

    monkeypatch.setattr(pem, "read_certificate", read_counted)
    monkeypatch.setattr(signatures, "_verify_by_key", verify_counted)
    monkeypatch.setattr(CompletedPaths, "at", assess_counted)
    body = BODIES[title]()
    signatures._KEPT.clear()
    entry = read_at_the_door(body)
    submissions = read_in_the_fold(entry)
    assert spent["certificates read"] <= 2 * (2 * MAX_CHAIN if len(submissions) == 1 else MAX_CERTIFICATES)
    judgements, budgets = judge_all(submissions, KnownCertificates(), Catalog())
    assert judgements[:1] != [None], "the first report is always judged"
    for budget in budgets:
        assert 0 <= 100 - budget.checks <= 100
        assert min(budget.steps, budget.paths, budget.microseconds) >= 0
    # Of one body, whatever number of reports is in it.
    assert len(submissions) != 1 or spent["signatures verified"] <= 100
    assert spent["microseconds of signatures"] <= BODY.microseconds
    assert spent["certificates assessed"] * 25 // _MOMENTS <= BODY.microseconds


@pytest.mark.parametrize("title", [title for title in BODIES if title.startswith("batch")])
def test_a_report_of_a_batch_has_the_answer_that_it_has_by_itself(title: str) -> None:
    submissions = read_in_the_fold(read_at_the_door(BODIES[title]()))
    assert len(submissions) > 1
    judgements, _ = judge_all(submissions, KnownCertificates(), Catalog())
    for submission, judgement in zip(submissions, judgements, strict=True):
        if judgement is not None:
            assert [judgement] == judge_all([submission], KnownCertificates(), Catalog())[0]


def test_the_costliest_batches_are_not_judged_to_their_end() -> None:
    for title in ("batch, 4 dear keys a report", "batch, all at once", "batch, some of each"):
        cost = measure(BODIES[title](), KnownCertificates())
        assert 0 < cost.judged < cost.reports, title


def test_a_batch_of_usual_reports_is_judged_to_its_end() -> None:
    cost = measure(BODIES["batch, 100 reports of one site"](), KnownCertificates())
    assert cost.judged == cost.reports == 100
