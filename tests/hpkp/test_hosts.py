"""Host names in one form, and what a name covers."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.errors import InvalidHost
from app.hpkp.hosts import canonical_host, is_address, is_subdomain, matches_name, superdomains
from tests.support.odd_hosts import PLAIN_HOST, odd_hosts


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM", "www.example.com"),
        ("www.example.com.", "www.example.com"),
        (" www.example.com ", "www.example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_a_host_has_one_form(text: str, host: str) -> None:
    assert canonical_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "", ".", " ", "a..b", "-a.example", "a-.example", "a b.example", "<script>", "a\nb.example",
        "a\r\nSet-Cookie: x",
        "a\x00.example", "https://www.example.com", "www.example.com:443", "www.example.com/", "*.example.com",
        "192.0.2.1.", "a" * 64 + ".example", ".".join(["abcdefgh"] * 40), "x" * 100_000,
        "\ud800.example", "b\u00fc..example",
        "fe80::1%eth0", "[fe80::1%25eth0]", "::1%" + "x" * 300, "::1%\r\nx", "::1%<b>", "1.2.3.4%x", "a%00.example",
        "[192.0.2.1]", "[::1", "::1]", "[[::1]]", "\x1b[31m.example", "a\u2028b.example", "a\u202eb.example",
    ],
)  # fmt: skip
def test_what_names_no_host_is_refused_briefly(text: str) -> None:
    with pytest.raises(InvalidHost) as refused:
        canonical_host(text)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


@given(st.one_of(st.text(max_size=80), odd_hosts()))
def test_a_canonical_name_stays_as_it_is_and_is_plain_whatever_it_was_read_from(text: str) -> None:
    with contextlib.suppress(InvalidHost):
        host = canonical_host(text)
        assert canonical_host(host) == host
        assert re.fullmatch(PLAIN_HOST, host)
        assert (":" not in host) or is_address(host)


def test_addresses_are_told_from_names() -> None:
    assert is_address("192.0.2.1")
    assert is_address("2001:db8::1")
    assert not is_address("www.example.com")
    assert superdomains("192.0.2.1") == ()
    assert not is_subdomain("10.192.0.2.1", of="192.0.2.1") or not is_address("10.192.0.2.1")


def test_names_above_and_below() -> None:
    assert superdomains("a.b.example.com") == ("b.example.com", "example.com", "com")
    assert is_subdomain("a.example.com", of="example.com")
    assert not is_subdomain("example.com", of="example.com")
    assert not is_subdomain("badexample.com", of="example.com")


@pytest.mark.parametrize(
    ("host", "pattern", "covered"),
    [
        ("www.example.com", "www.example.com", True),
        ("www.example.com", "WWW.EXAMPLE.COM.", True),
        ("www.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("a.www.example.com", "*.example.com", False),
        ("www.example.com", "w*.example.com", False),
        ("www.example.com", "*.*.com", False),
        ("example.com", "*.com", False),
        ("www.example.com", "*", False),
        ("www.example.com", "", False),
    ],
)
def test_a_certificate_s_name_covers_by_rfc_6125(host: str, pattern: str, covered: bool) -> None:
    assert matches_name(host, pattern) is covered
