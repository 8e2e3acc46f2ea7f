"""The grammar of a Public-Key-Pins value, strict where RFC 7469 is and lenient where every browser was."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.errors import InvalidHeader
from app.hpkp.header.value import LONGEST_MAX_AGE, PinningHeader, is_strict, parse_header
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, PinningPolicy

ONE, TWO = (Pin(bytes((number,)) * 32) for number in (1, 2))
PINS = f"{ONE.directive}; {TWO.directive}"


@pytest.mark.parametrize(
    ("value", "header"),
    [
        (PINS, PinningHeader((ONE, TWO))),
        (f"{PINS}; max-age=300", PinningHeader((ONE, TWO), 300)),
        (f"{PINS};max-age=300", PinningHeader((ONE, TWO), 300)),
        (f'MAX-AGE="300";\t{PINS}', PinningHeader((ONE, TWO), 300)),
        (f"{PINS}; includeSubDomains", PinningHeader((ONE, TWO), include_subdomains=True)),
        (f'{PINS}; report-uri="https://r.example/a;b"', PinningHeader((ONE, TWO), report_uri="https://r.example/a;b")),
        (
            rf'{PINS}; report-uri="https://r.example/\"q\\"',
            PinningHeader((ONE, TWO), report_uri='https://r.example/"q\\'),
        ),
        (f'{PINS}; pin-sha512="AAAA"; preload; x=y', PinningHeader((ONE, TWO))),
        (f"{PINS}; {ONE.directive}", PinningHeader((ONE, TWO))),
        (f"{PINS}; max-age={'9' * 60}", PinningHeader((ONE, TWO), LONGEST_MAX_AGE)),
        (f"{PINS}; max-age=00000000000300", PinningHeader((ONE, TWO), 300)),
    ],
)
def test_a_value_within_the_grammar_is_read(value: str, header: PinningHeader) -> None:
    assert is_strict(value)
    assert parse_header(value) == header


@pytest.mark.parametrize("value", [f"{PINS};", f";{PINS}", f"{PINS};;max-age=3", f"{PINS}; max-age = 3"])
def test_an_empty_directive_and_blanks_around_equals_are_taken_too(value: str) -> None:
    assert not is_strict(value)
    assert parse_header(value).pins == (ONE, TWO)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "no pin-sha256"),
        ("max-age=300", "no pin-sha256"),
        (f"{PINS}; max-age", "no number"),
        (f"{PINS}; max-age=-1", "no number"),
        (f"{PINS}; max-age=1.5", "no number"),
        (f"{PINS}; max-age=\u0663", "max-age|expected|character"),
        (f"{PINS}; max-age=3; MAX-age=3", "twice"),
        (f"{PINS}; includeSubDomains; includesubdomains", "twice"),
        (f"{PINS}; includeSubDomains=true", "takes no value"),
        (f'{PINS}; includeSubDomains=""', "takes no value"),
        (f"{PINS}; report-uri", "double quotes"),
        (f"{PINS}; report-uri=token", "double quotes"),
        (f"{PINS}; report-uri=https://r.example/", "expected at character"),
        (f'{PINS}; report-uri="https://r.example/', "expected at character|no directive"),
        (f"{PINS}, max-age=3", "expected at character"),
        (f"{PINS} max-age=3", "expected at character"),
        (f"{PINS}\n; max-age=3", "expected at character"),
        (f"pin-sha256={ONE}", "expected at character|double quotes"),
        (f"pin-sha256='{ONE}'", "expected at character|double quotes"),
        ('pin-sha256="AAAA"', "32 bytes"),
        (f'pin-sha256="sha256/{ONE}"', "prefix sha256/"),
        (f'pin-sha256=" {ONE}"', "blank inside the quotes"),
        (f'pin-sha256="pin-sha256={ONE}"', "not base64"),
        (f'pin-sha256="{ONE.digest.hex()}"', "hexadecimal"),
        ("=x", "no directive"),
        ('"pin"', "no directive"),
    ],
)
def test_a_value_outside_the_grammar_is_refused_whole_with_the_reason(value: str, reason: str) -> None:
    with pytest.raises(InvalidHeader, match=reason):
        parse_header(value)


uris = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
headers = st.builds(
    PinningHeader,
    st.lists(st.sampled_from([ONE, TWO, Pin(bytes(32))]), min_size=1, unique=True).map(tuple),
    st.none() | st.integers(0, LONGEST_MAX_AGE),
    st.booleans(),
    st.none() | uris,
)


@given(headers)
def test_a_header_written_and_read_is_the_same_and_strict(header: PinningHeader) -> None:
    assert parse_header(str(header)) == header
    assert is_strict(str(header))


@given(st.text(max_size=200))
def test_any_text_is_a_header_or_refused(value: str) -> None:
    with contextlib.suppress(InvalidHeader):
        assert parse_header(value).pins


def test_a_policy_says_what_its_host_serves() -> None:
    pins = (ExpectedPin(ONE, "live"), ExpectedPin(TWO))
    policy = PinningPolicy(Host("a.example"), pins, include_subdomains=True, max_age=5, report_uri="https://r.example/")
    expected = f'{PINS}; max-age=5; includeSubDomains; report-uri="https://r.example/"'
    assert str(PinningHeader.of_policy(policy)) == expected
