"""Which addresses are on the public Internet, in every form in which one stands for another."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.addresses import is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::93.184.215.14", True),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b:1::93.184.215.14", False),
        ("64:ff9b:1:7f00:1::", False),
        ("::127.0.0.1", False),
        ("::93.184.215.14", False),
        ("::ffff:93.184.215.14", True),
        ("::ffff:0:93.184.215.14", False),
        ("fec0::1", False),
        ("feff::1", False),
        ("2002:5db8:d70e::", True),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("100::1", False),
        ("192.0.0.8", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("203.0.113.1", False),
        ("240.0.0.1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@given(st.ip_addresses(v=4))
def test_no_form_of_an_inner_address_is_public_where_that_is_not(inner: IPv4Address) -> None:
    number = int(inner)
    for form in (
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
    ):
        assert not is_public(str(IPv6Address(form))) or is_public(str(inner))


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_what_is_given_out_is_public(address: IPv6Address) -> None:
    if is_public(str(address)):
        assert IPv6Address("2000::") <= address < IPv6Address("4000::") or is_public(
            str(IPv4Address(int(address) & 0xFFFFFFFF))
        )
