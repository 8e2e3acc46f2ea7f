"""Texts of the verdict: every finding has a title, changes are described by it, and no bound is rounded down."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.judgement.causes import CAUSES, Cause
from app.hpkp.readiness.messages import TITLES, at_most, describe_change, percent, title_of
from tests.test_docs import findings_of_the_rules


def test_every_finding_of_the_rules_has_a_title_and_no_other() -> None:
    codes = {code for code, _, _ in findings_of_the_rules()} - {"open_<cause>"}
    assert TITLES.keys() == codes
    assert CAUSES.keys() == set(Cause)
    titles = [*TITLES.values(), *(words.title for words in CAUSES.values())]
    assert len(set(titles)) == len(titles)


def test_a_finding_that_is_gone_from_the_rules_keeps_its_code_for_a_title() -> None:
    assert title_of("no_pin_in_live_chain") == TITLES["no_pin_in_live_chain"]
    assert title_of("open_clock") == CAUSES[Cause.CLOCK].title
    assert title_of("a_former_rule") == "a_former_rule"
    assert title_of("open_a_former_cause") == "open_a_former_cause"


@pytest.mark.parametrize(
    ("before", "now", "revisions", "told"),
    [
        (None, {"no_reports": "info"}, (None, 1), "First verdict."),
        ({}, {"no_reports": "info"}, (1, 1), "New: No reports."),
        ({"no_reports": "info"}, {}, (1, 2), "Policy changed to revision 2. Resolved: No reports."),
        (
            {"canary_missing": "caution"},
            {"open_clock": "info", "open_private_root": "caution"},
            (1, 1),
            "New: Certificate not valid at the client's clock; TLS interception: private CA. "
            "Resolved: No canary report arrived.",
        ),
        (
            {"open_matches_expected": "info"},
            {"open_matches_expected": "caution"},
            (1, 1),
            "Severity changed: Pin matched, not a violation (now warning).",
        ),
        ({"no_reports": "info"}, {"no_reports": "info"}, (1, 1), "Findings unchanged."),
    ],
)
def test_describe_change_names_findings_and_revisions(
    before: dict[str, str] | None, now: dict[str, str], revisions: tuple[int | None, int], told: str
) -> None:
    assert describe_change(before, now, revision=revisions[1], before_revision=revisions[0]) == told


@given(st.floats(0, 1, allow_subnormal=False))
def test_an_upper_bound_is_never_rounded_down(share: float) -> None:
    told = at_most(share)
    assert told.endswith("%")
    assert Decimal(told.removesuffix("%")) >= Decimal(str(share)) * 100
    assert float(told.removesuffix("%")) <= max(100 * share * 1.1, 1e-300)


@pytest.mark.parametrize(
    ("share", "text", "bound"),
    [
        (0.0, "0%", "0%"),
        (0.001, "0.1%", "0.1%"),
        (0.000748, "0.075%", "0.075%"),
        (0.0301, "3%", "3.1%"),
        (1, "100%", "100%"),
    ],
)
def test_shares_have_two_digits(share: float, text: str, bound: str) -> None:
    assert (percent(share), at_most(share)) == (text, bound)
