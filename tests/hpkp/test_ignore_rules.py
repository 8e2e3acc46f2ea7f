"""Which violations count: all but those only from networks whose reports of the same cause are ignored."""

import pytest

from app.hpkp.clients import network_of
from app.hpkp.judgement.causes import POSSIBLE_ATTACKS, Cause
from app.hpkp.readiness.ignore_rules import FEW, build_ignore_rules, is_counted, is_proven

ONE, TWO, THREE = (bytes((number,)) * 8 for number in (1, 2, 3))
MANY = frozenset(bytes((number,)) * 8 for number in range(1, FEW + 1))
OURS, PATH = Cause.OWN_KEY_NOT_PINNED, Cause.OTHER_TRUST_PATH


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.250", "203.0.113.0/24"),
        ("203.0.114.7", "203.0.114.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::3", "2001:db8:1::/48"),
        ("2001:db8:2::3", "2001:db8:2::/48"),
        ("fe80::1%eth0", ""),
        ("127.0.0.1", ""),
        ("10.1.2.3", ""),
        ("100.64.0.1", ""),
        ("192.168.7.7", ""),
        ("fd00::1", ""),
        ("::1", ""),
        ("::ffff:10.0.0.1", ""),
        ("", ""),
        ("a.socket", ""),
    ],
)
def test_a_network_is_as_large_as_one_subscriber_may_have_and_inside_there_is_none(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("ignored", "cause", "networks", "counts"),
    [
        ([], OURS, {ONE}, True),
        ([(OURS, {ONE})], OURS, {ONE}, False),
        ([(OURS, {ONE})], OURS, {ONE, TWO}, True),
        ([(OURS, {ONE}), (OURS, {TWO})], OURS, {ONE, TWO}, False),
        ([(OURS, {ONE})], PATH, {ONE}, True),
        ([(OURS, {ONE})], OURS, {TWO}, True),
        ([(OURS, {ONE})], OURS, None, True),
        ([(OURS, {ONE})], OURS, set(), True),
        ([(OURS, None)], OURS, {ONE}, True),
        ([(OURS, MANY)], OURS, {ONE}, True),
        ([(OURS, MANY - {ONE}), (OURS, {ONE})], OURS, MANY, True),
        ([(OURS, MANY - {ONE})], OURS, {TWO, THREE}, False),
    ],
)
def test_what_comes_only_from_where_the_same_cause_is_ignored_does_not_count(
    ignored: list[tuple[Cause, set[bytes] | None]], cause: Cause, networks: set[bytes] | None, counts: bool
) -> None:
    known = [(of, None if where is None else frozenset(where), False) for of, where in ignored]
    where = None if networks is None else frozenset(networks)
    assert is_counted(cause, where, build_ignore_rules(known)) is counts


@pytest.mark.parametrize("cause", sorted(POSSIBLE_ATTACKS))
def test_a_proven_attack_is_never_left_out(cause: Cause) -> None:
    assert build_ignore_rules([(cause, frozenset({ONE}), True)]) == frozenset()
    assert is_counted(cause, frozenset({ONE}), frozenset({(cause, ONE)}), proven=True)


@pytest.mark.parametrize("cause", sorted(POSSIBLE_ATTACKS))
def test_one_decision_ends_a_claimed_attack_that_can_be_forged(cause: Cause) -> None:
    ignored = build_ignore_rules([(cause, frozenset({ONE}), False)])
    assert not is_counted(cause, frozenset({ONE}), ignored)
    assert is_counted(cause, frozenset({ONE, TWO}), ignored)


@pytest.mark.parametrize(
    ("cause", "anchor", "checkable", "proven"),
    [
        (Cause.UNKNOWN_KEY_PUBLIC_CA, "public", True, True),
        (Cause.UNKNOWN_KEY_PUBLIC_CA, "former_public", True, True),
        (Cause.UNKNOWN_KEY_PUBLIC_CA, "operator", True, True),
        (Cause.UNKNOWN_KEY_PUBLIC_CA, "public", False, False),
        (Cause.UNKNOWN_KEY_PUBLIC_CA, "private", True, False),
        (Cause.KNOWN_BAD_KEY, "known_bad", True, False),
        (Cause.OWN_KEY_NOT_PINNED, "public", True, False),  # anybody can send a certificate from a public log
    ],
)
def test_only_checked_signatures_to_a_public_root_prove(
    cause: Cause, anchor: str, checkable: bool, proven: bool
) -> None:
    assert is_proven(cause, anchor, path_checkable=checkable) is proven
