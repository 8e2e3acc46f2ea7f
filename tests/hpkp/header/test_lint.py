"""Headers as people write them, and what the standard and the browsers make of each."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.load import load_catalog
from app.hpkp.findings import Severity
from app.hpkp.header.lint import Conformance, HeaderReview, Subject, lint_header
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin, parse_pin

LIVE, BACKUP, OTHER = (Pin(bytes((number,)) * 32) for number in (1, 2, 3))
CATALOG = load_catalog()
VALID, LENIENT = Conformance.VALID, Conformance.LENIENT
INVALID, NO_EFFECT = Conformance.INVALID, Conformance.NO_EFFECT
PINS = f"{LIVE.directive}; {BACKUP.directive}"
REPORT = 'report-uri="https://reports.example.net/report"'
X2 = "sRHdihwgkaib1P1gxX8HFszlD+7/gTfNvuAybgLPNis="
YE1 = "brzvtCELCIZUo4sD/qPX0ccRtPsd3DY6RfmxpOU9oB4="


@dataclass(frozen=True)
class Case:
    """A value, and what has to be said of it."""

    name: str
    value: str
    conformance: Conformance
    chromium: bool
    firefox: bool
    codes: frozenset[str] = frozenset()
    report_only: bool = False
    chain: frozenset[Pin] | None = frozenset({LIVE})


def _case(
    name: str, value: str, conformance: Conformance, chromium: bool, firefox: bool, *codes: str, ro: bool = False
) -> Case:
    return Case(name, value, conformance, chromium, firefox, frozenset(codes), ro)


CASES = (
    _case("as it should be", f"{PINS}; max-age=300; {REPORT}", VALID, True, True),
    _case("any order and case", f"MAX-AGE=300; includeSUBdomains; {PINS}", VALID, True, True),
    _case("a quoted max-age", f'max-age="300"; {PINS}', VALID, True, True),
    _case("a semicolon too many", f"{PINS}; max-age=300;", LENIENT, True, True, "outside_grammar"),
    _case("blanks around the equals sign", f"{PINS}; max-age = 300", LENIENT, True, True, "outside_grammar"),
    _case("an unknown directive", f"{PINS}; max-age=300; preload", VALID, True, True, "unknown_directive"),
    _case("another algorithm", f'{PINS}; max-age=300; pin-sha512="AAAA"', VALID, True, True, "unknown_pin"),
    _case("max-age beyond counting", f"{PINS}; max-age={'9' * 50}", VALID, True, True, "max_age_over_60_days"),
    _case("pins forgotten, with pins", f"{PINS}; max-age=0", VALID, True, True),
    _case("pins forgotten, without", "max-age=0", VALID, False, True, "max_age_zero_alone"),
    _case("nothing", "   ", INVALID, False, False, "empty"),
    _case("no pins", "max-age=300", INVALID, False, False, "no_pins"),
    _case("no max-age", PINS, INVALID, False, False, "max_age_missing"),
    _case("a negative max-age", f"{PINS}; max-age=-5", INVALID, False, False, "invalid_directive"),
    _case("one pin", f"{LIVE.directive}; max-age=300", INVALID, False, False, "no_backup_pin"),
    _case("one pin twice", f"{LIVE.directive}; {LIVE.directive}; max-age=3", INVALID, False, False, "no_backup_pin", "pin_repeated"),
    _case("max-age twice", f"{PINS}; max-age=3; max-age=4", INVALID, True, False, "duplicate_directive"),
    _case("includeSubDomains=true", f"{PINS}; max-age=3; includeSubDomains=true", INVALID, True, False, "invalid_directive"),
    _case("an unquoted pin", f"pin-sha256={LIVE}; {BACKUP.directive}; max-age=3", INVALID, False, False, "unquoted_pin"),
    _case("single quotes", f"{PINS}; max-age=3; report-uri='https://r.example/'", INVALID, True, False, "single_quotes", "syntax"),
    _case("single quotes, report-only", f"{PINS}; report-uri='https://r.example/'", LENIENT, True, False, "single_quotes", ro=True),
    _case("typographic quotes", f"pin-sha256=\u201c{LIVE}\u201d; {BACKUP.directive}; max-age=3", INVALID, False, False, "typographic_quotes"),
    _case("hexadecimal", f'pin-sha256="{LIVE.digest.hex()}"; {BACKUP.directive}; max-age=3', INVALID, False, False, "hex_pin"),
    _case("20 bytes", f'pin-sha256="{"A" * 27}="; {BACKUP.directive}; max-age=3', INVALID, False, False, "wrong_length_pin"),
    _case("the form of OkHttp", f'pin-sha256="sha256/{LIVE}"; {BACKUP.directive}; max-age=3', INVALID, False, False, "prefixed_pin"),
    _case("a blank inside the quotes", f'pin-sha256="{LIVE} "; {BACKUP.directive}; max-age=3', INVALID, False, False, "blank_in_pin"),
    _case("a tab inside the quotes", f'pin-sha256="\t{LIVE}"; {BACKUP.directive}; {REPORT}', INVALID, False, False, "blank_in_pin", ro=True),
    _case("the URL-safe alphabet", f'pin-sha256="{"_" * 43}="; {BACKUP.directive}; max-age=3', INVALID, False, False, "invalid_pin"),
    _case("a line break", f"{PINS};\n max-age=3", INVALID, False, True, "line_break"),
    _case("a comma between two", f"{PINS}; max-age=300, max-age=5; {PINS}", VALID, True, False, "comma"),
    _case("a bare report-uri", f"{PINS}; max-age=3; report-uri=https://r.example/", INVALID, False, False, "syntax"),
    _case("a relative report-uri", f'{PINS}; max-age=3; report-uri="/report"', INVALID, False, True, "report_uri_not_absolute"),
    _case("reports over http", f'{PINS}; max-age=3; report-uri="http://r.example/"', VALID, True, True, "report_uri_http"),
    _case("reports to the pinned host", f'{PINS}; max-age=3; report-uri="https://www.example.com/r"', VALID, True, True, "report_uri_on_pinned_host"),
    _case("report-only", f"{PINS}; {REPORT}", VALID, True, False, ro=True),
    _case("report-only, one pin", f"{LIVE.directive}; {REPORT}", VALID, True, False, "no_backup_pin", ro=True),
    _case("report-only without report-uri", PINS, NO_EFFECT, False, False, "report_only_without_report_uri", ro=True),
    _case("a retired CA key", f'pin-sha256="{X2}"; {LIVE.directive}; max-age=3', VALID, True, True, "retired_ca_key"),
    _case("a rotating CA key", f'pin-sha256="{YE1}"; {LIVE.directive}; max-age=3', VALID, True, True, "rotating_ca_key"),
    _case("nobody's key", f'pin-sha256="{"A" * 43}="; {LIVE.directive}; max-age=3', VALID, True, True, "example_pin"),
    _case("a year at once", f"{PINS}; max-age=31536000", VALID, True, True, "max_age_over_60_days", "max_age_long_for_a_first_step"),
)  # fmt: skip


def _review(case: Case) -> HeaderReview:
    return lint_header(Subject((case.value,), case.report_only, Host("www.example.com"), case.chain, CATALOG))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_value_is_judged_by_the_standard_and_by_the_browsers(case: Case) -> None:
    review = _review(case)
    codes = {finding.code for finding in review.findings}
    assert (review.conformance, review.chromium, review.firefox) == (case.conformance, case.chromium, case.firefox), (
        codes
    )
    assert case.codes <= codes


def test_a_good_value_has_nothing_to_mend() -> None:
    assert _review(CASES[0]).findings == ()


@pytest.mark.parametrize(
    ("chain", "code"),
    [(frozenset({OTHER}), "no_matching_pin"), (frozenset({LIVE, BACKUP}), "no_backup_pin"), (None, "chain_not_given")],
)
def test_the_chain_decides_whether_pins_match_and_one_is_a_backup(chain: frozenset[Pin] | None, code: str) -> None:
    review = lint_header(Subject((f"{PINS}; max-age=300",), chain=chain))
    assert code in {finding.code for finding in review.findings}
    assert review.chromium is (chain is None)


def test_only_the_first_of_several_fields_counts() -> None:
    review = lint_header(Subject((f"{PINS}; max-age=300", "max-age=oh"), chain=frozenset({LIVE})))
    assert review.conformance is VALID
    assert "several_headers" in {finding.code for finding in review.findings}


def test_what_was_read_is_shown() -> None:
    review = lint_header(Subject((f"{PINS}; max-age=300; includeSubDomains; {REPORT}",)))
    assert review.parsed == PinningHeader((LIVE, BACKUP), 300, True, "https://reports.example.net/report")


@given(st.text(max_size=300))
def test_no_value_makes_the_linter_fail(value: str) -> None:
    for report_only in (False, True):
        review = lint_header(Subject((value,), report_only))
        assert review.conformance in Conformance
        assert all(finding.message and finding.fix for finding in review.findings)


_PIN_FORMS = (
    "{}", "sha256/{}", " {}", "{} ", "{}\t", "'{}'", "{}=", "={}", "pin-sha256={}", "\u00a0{}", "{}{}", "", "AAAA", "\\{}",
)  # fmt: skip
_NAMES = ("pin-sha256", "PIN-SHA256", "pin-sha1", "max-age", "includeSubDomains", "report-uri", "report-to", "x", "")
_OTHER_VALUES = (
    "300",
    "0",
    "-1",
    "",
    "true",
    "https://r.example/",
    "/r",
    "http://r.example",
    "mailto:x",
    "https://",
    "é",
)
_QUOTES = ('"{}"', "'{}'", "{}", '"{}', "`{}`", "\u201c{}\u201d")
_directives = st.one_of(
    st.builds(
        lambda form, pin, quotes, name: f"{name}={quotes.format(form.format(pin, pin))}",
        st.sampled_from(_PIN_FORMS),
        st.sampled_from([LIVE, BACKUP, OTHER]),
        st.sampled_from(_QUOTES),
        st.sampled_from(_NAMES[:3]),
    ),
    st.builds(
        lambda name, equals, quotes, value: f"{name}{equals}{quotes.format(value) if equals else ''}",
        st.sampled_from(_NAMES),
        st.sampled_from(["=", " = ", "", ":"]),
        st.sampled_from(_QUOTES),
        st.sampled_from(_OTHER_VALUES),
    ),
    st.sampled_from([LIVE.directive, BACKUP.directive, "max-age=300", REPORT, "includeSubDomains"]),
)
_headers = st.builds(
    lambda directives, separator: separator.join(directives),
    st.lists(_directives, max_size=7),
    st.sampled_from(["; ", ";", ", ", " ", ";;", ";\n"]),
)


@given(_headers, st.booleans(), st.sampled_from([None, frozenset({LIVE}), frozenset({LIVE, BACKUP}), frozenset[Pin]()]))
@settings(max_examples=1000)
def test_what_both_browsers_ignore_is_an_error(value: str, report_only: bool, chain: frozenset[Pin] | None) -> None:
    review = lint_header(Subject((value,), report_only, Host("www.example.com"), chain, CATALOG))
    if not review.chromium and not review.firefox:
        assert any(finding.severity is Severity.BLOCKER for finding in review.findings)


@given(st.lists(st.sampled_from([LIVE, BACKUP, OTHER]), min_size=2, max_size=3, unique=True), st.integers(1, 10**9))
def test_what_we_write_is_valid_and_every_browser_acts_on_it(pins: list[Pin], max_age: int) -> None:
    header = PinningHeader(tuple(pins), max_age, report_uri="https://reports.example.net/report")
    review = lint_header(Subject((str(header),), chain=frozenset(pins[:1])))
    assert (review.conformance, review.chromium, review.firefox) == (VALID, True, True)
    assert review.parsed == header


def test_the_ca_keys_of_these_cases_are_in_the_catalog() -> None:
    assert {parse_pin(X2), parse_pin(YE1)} <= CATALOG.ca_names.keys()
