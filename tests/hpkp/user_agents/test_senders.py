"""The senders' records: one for each sender, and the table of the documentation is made of them."""

from pathlib import Path

import pytest

from app.hpkp.hosts import Host
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.user_agents.model import Proof
from app.hpkp.user_agents.senders import MODELS, proof_of
from tools.senders_table import insert

DOCUMENT = (Path(__file__).parents[3] / "docs/senders.md").read_text()


def test_every_sender_has_a_record_with_sources() -> None:
    assert set(MODELS) == set(Sender)
    assert all(model.sources and model.validates and model.reports and model.never_reports for model in MODELS.values())


def test_the_table_of_the_documentation_is_made_of_the_records() -> None:
    assert insert(DOCUMENT) == DOCUMENT, "run: python -m tools.senders_table"


@pytest.mark.parametrize("sender", list(Sender))
def test_a_report_that_contradicts_its_sender_proves_nothing(sender: Sender) -> None:
    report = ViolationReport(Host("www.example.com"), sender, contradictions=("its form is another",))
    assert proof_of(report) == Proof()


@pytest.mark.parametrize("sender", [Sender.TRUSTKIT_APPLE, Sender.TRUSTKIT_ANDROID])
@pytest.mark.parametrize(
    ("result", "trusted", "failed"),
    [
        (SenderResult.PINS_NOT_MATCHED, True, True),
        (SenderResult.CHAIN_NOT_TRUSTED, False, None),
        (SenderResult.OTHER, None, None),
        (None, None, None),
    ],
)
def test_trustkits_result_says_what_it_checked(
    sender: Sender, result: SenderResult | None, trusted: bool | None, failed: bool | None
) -> None:
    proof = proof_of(ViolationReport(Host("www.example.com"), sender, sender_result=result))
    assert (proof.path_trusted, proof.pins_failed) == (trusted, failed)


def test_only_chromium_proves_a_shipped_root() -> None:
    assert [s for s in Sender if any(p.shipped_root for p in MODELS[s].results.values())] == [Sender.CHROMIUM]
