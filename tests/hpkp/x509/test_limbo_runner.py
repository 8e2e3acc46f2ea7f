"""The runner of x509-limbo's cases, on cases in the form of its file."""

from typing import Any

from tests.support.authority import NOW, make_root, make_site
from tests.support.hpkp.x509.limbo import is_about_paths, run

SITE = make_site()


def _case(name: str, result: str, **different: Any) -> dict[str, Any]:
    case = {
        "id": f"pathlen::{name}",
        "features": [],
        "validation_kind": "SERVER",
        "trusted_certs": [SITE.root.pem],
        "untrusted_intermediates": [SITE.intermediate.pem],
        "peer_certificate": SITE.leaf.pem,
        "validation_time": NOW.isoformat(),
        "expected_result": result,
        "expected_peer_name": {"kind": "DNS", "value": "www.example.com"},
        "max_chain_depth": None,
        "crls": [],
    }
    return case | different


def test_right_answers_are_counted_and_wrong_ones_named() -> None:
    cases = [
        _case("good", "SUCCESS"),
        _case("stranger", "FAILURE", trusted_certs=[make_root("Stranger").pem]),
        _case("name", "FAILURE", expected_peer_name={"kind": "DNS", "value": "other.example.com"}),
        _case("shallow", "FAILURE", max_chain_depth=0),
        _case("wrong", "FAILURE"),
    ]
    assert run(cases, {}) == ({"right": 4, "deviating": 1}, ["pathlen::wrong"])


def test_a_deviation_with_a_reason_is_no_fault_and_one_that_is_none_any_more_is() -> None:
    cases = [_case("wrong", "FAILURE"), _case("good", "SUCCESS")]
    reasons = {"pathlen::wrong": "because", "pathlen::good": "because"}
    assert run(cases, reasons) == ({"right": 1, "deviating": 1}, ["pathlen::good"])


def test_what_is_not_about_paths_is_left_out() -> None:
    assert is_about_paths(_case("good", "SUCCESS"))
    for other in ({"id": "rfc5280::serial::zero"}, {"validation_kind": "CLIENT"}, {"features": ["pedantic-rfc5280"]}):
        assert not is_about_paths(_case("good", "SUCCESS", **other))
