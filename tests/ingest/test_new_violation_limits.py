"""Fair limits: whatever is sent, no limit is exceeded, and a flood does not displace honest evidence."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.overflow import OverflowReason
from app.ingest.entry import UNKNOWN_NETWORK
from app.ingest.limits import (
    Accepted,
    NewViolation,
    NewViolationLimits,
    Overflow,
    Usage,
    decide,
)

_DAY = 86_400_000
_SMALL = NewViolationLimits(
    per_host=10,
    reserved_for_checked=4,
    per_checked_leaf=2,
    per_network_and_host=3,
    per_network=5,
    unregistered_hosts=3,
    unregistered_hosts_per_network=2,
    unregistered_violations=7,
)
_NETWORKS = [bytes([number]) * 8 for number in range(1, 7)] + [UNKNOWN_NETWORK]
_LEAVES = [bytes([number]) * 32 for number in range(1, 4)]
_numbers = itertools.count()


def _violation(network: bytes, host: str = "www.example.com", *, leaf: bytes | None = None) -> NewViolation:
    return NewViolation(next(_numbers).to_bytes(32, "big"), host, network, 0, checked_leaf=leaf)


def _leaf(number: int) -> bytes:
    return number.to_bytes(32, "big")


_VIOLATIONS = st.builds(
    NewViolation,
    identity=st.builds(lambda: next(_numbers).to_bytes(32, "big")),
    host=st.sampled_from(["a.example", "b.example", "c.example", "d.example", "e.example"]),
    network=st.sampled_from(_NETWORKS),
    day=st.sampled_from([0, _DAY]),
    checked_leaf=st.none() | st.sampled_from(_LEAVES),
).map(lambda violation: violation if violation.host == "a.example" else _unregistered(violation))
_BATCHES = st.lists(st.lists(_VIOLATIONS, max_size=40), max_size=4)


def _unregistered(violation: NewViolation) -> NewViolation:
    return replace(violation, is_registered=False)


def _decide_all(batches: list[list[NewViolation]], limits: NewViolationLimits) -> list[NewViolation]:
    """Decide on batches one after the other; return what was accepted."""
    used, accepted = Usage(), list[NewViolation]()
    for batch in batches:
        decisions = decide(batch, used, limits)
        assert decisions.by_identity.keys() == {violation.identity for violation in batch}
        accepted += [v for v in batch if isinstance(decisions.by_identity[v.identity], Accepted)]
        used = used.plus(decisions.added)
    return accepted


def _reserved(accepted: list[NewViolation]) -> Iterator[NewViolation]:
    """Yield two violations of each leaf, host and day: any two, for what it is worth to a limit is their number."""
    left = Counter[tuple[bytes | None, str, int]]()
    for v in accepted:
        left[v.checked_leaf, v.host, v.day] += 1
        if v.is_registered and v.checked_leaf and left[v.checked_leaf, v.host, v.day] <= 2:
            yield v


@given(_BATCHES)
def test_no_limit_is_exceeded(batches: list[list[NewViolation]]) -> None:
    accepted = _decide_all(batches, _SMALL)
    assert max(Counter((v.host, v.day) for v in accepted).values(), default=0) <= 10
    reserved = list(_reserved(accepted))
    assert max(Counter((v.host, v.day) for v in accepted if v not in reserved).values(), default=0) <= 6
    known = [v for v in accepted if v.network != UNKNOWN_NETWORK and v not in reserved]
    assert max(Counter((v.network, v.host, v.day) for v in known).values(), default=0) <= 3
    assert max(Counter((v.network, v.day) for v in known).values(), default=0) <= 5
    unregistered = [v for v in accepted if not v.is_registered]
    assert max(Counter(v.day for v in unregistered).values(), default=0) <= 7
    assert len({v.host for v in unregistered}) <= 3


@given(_BATCHES)
def test_what_is_over_a_limit_names_one_that_is_used_up(batches: list[list[NewViolation]]) -> None:
    used = Usage()
    for batch in batches:
        decisions = decide(batch, used, _SMALL)
        used = used.plus(decisions.added)
        for v in batch:
            decision = decisions.by_identity[v.identity]
            if not isinstance(decision, Overflow):
                continue
            full = {
                OverflowReason.NETWORK_AND_HOST: used.network_and_host[v.network, v.host, v.day] >= 3,
                OverflowReason.NETWORK_AND_DAY: used.network[v.network, v.day] >= 5,
                OverflowReason.HOST_AND_DAY: used.host[v.host, v.day] == 10 or used.unchecked[v.host, v.day] == 6,
                OverflowReason.UNREGISTERED_HOSTS: len(used.hosts) == 3 and v.host not in used.hosts,
                OverflowReason.UNREGISTERED_HOSTS_OF_NETWORK: used.new_hosts[v.network, v.day] == 2,
                OverflowReason.UNREGISTERED_VIOLATIONS: used.unregistered[v.day] == 7,
            }
            assert full[decision.reason]


@given(_BATCHES)
def test_without_limits_everything_is_accepted(batches: list[list[NewViolation]]) -> None:
    limits = NewViolationLimits(10**6, 0, 1, 10**6, 10**6, 10**6, 10**6, 10**6)
    assert _decide_all(batches, limits) == list(itertools.chain(*batches))


@given(st.lists(st.sampled_from(_NETWORKS[:5]), max_size=300), st.data())
def test_a_flood_never_displaces_checked_evidence(flooding: list[bytes], data: st.DataObject) -> None:
    """Not from however many networks, also those of the flood, and not in whichever batches."""
    flood = [_violation(network) for network in flooding] + [_violation(UNKNOWN_NETWORK) for _ in range(20)]
    honest = [_violation(flooding[0] if flooding else b"honest00", leaf=_leaf(number // 2)) for number in range(4)]
    mixed = data.draw(st.permutations(flood + honest))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(mixed)), max_size=3)))
    batches = [mixed[start:stop] for start, stop in itertools.pairwise([0, *cuts, len(mixed)])]
    accepted = _decide_all(batches, _SMALL)
    assert set(honest) <= set(accepted)


@given(st.lists(st.sampled_from(_NETWORKS[:2]), min_size=50, max_size=200), st.data())
def test_a_flood_from_few_networks_leaves_room_for_others(flooding: list[bytes], data: st.DataObject) -> None:
    limits = NewViolationLimits(per_host=20, reserved_for_checked=10, per_network_and_host=3)
    honest = [_violation(b"honest%02d" % number) for number in range(4)]
    mixed = data.draw(st.permutations([_violation(network) for network in flooding] + honest))
    assert set(honest) <= set(_decide_all([mixed], limits))


def test_in_a_batch_each_network_has_its_turn() -> None:
    """A flood that comes first in a batch, from enough networks to fill the room, does not go first."""
    flood = [_violation(bytes([network]) * 8) for network in range(1, 101) for _ in range(50)]
    honest = [_violation(b"honest%02d" % number) for number in range(100)]
    limits = NewViolationLimits(per_host=500, reserved_for_checked=250)
    assert set(honest) <= set(_decide_all([flood + honest], limits))
    assert len(_decide_all([flood + honest], limits)) == 250


def test_100_000_junk_violations_from_5_networks_take_what_5_networks_may() -> None:
    flood = [_violation(bytes([1 + number % 5]) * 8) for number in range(100_000)]
    accepted = _decide_all([flood[start : start + 8192] for start in range(0, 100_000, 8192)], NewViolationLimits())
    assert len(accepted) == 250
    honest = [_violation(number.to_bytes(8, "big"), leaf=_leaf(number // 10)) for number in range(10**6, 10**6 + 500)]
    used = Usage()
    for start in range(0, 100_000, 8192):
        used = used.plus(decide(flood[start : start + 8192], used, NewViolationLimits()).added)
    assert all(isinstance(d, Accepted) for d in decide(honest, used, NewViolationLimits()).by_identity.values())


def test_copies_of_a_chain_beside_what_is_made_up_fill_no_reserved_room() -> None:
    """A copier varies port and pins beside the five certificates that a host has; another one's room is untouched."""
    copies = [_violation(bytes([1 + n % 200]) * 8, leaf=_leaf(n % 5)) for n in range(20_000)]
    limits = NewViolationLimits(per_host=500, reserved_for_checked=250)
    used, accepted = Usage(), 0
    for start in range(0, len(copies), 256):
        decisions = decide(copies[start : start + 256], used, limits)
        used = used.plus(decisions.added)
        accepted += sum(isinstance(decision, Accepted) for decision in decisions.by_identity.values())
    assert accepted == 250 + 5 * limits.per_checked_leaf
    honest = [_violation(b"honest%02d" % number, leaf=_leaf(1000 + number)) for number in range(100)]
    assert all(isinstance(decision, Accepted) for decision in decide(honest, used, limits).by_identity.values())


def test_anybody_has_certificates_for_hosts_without_a_policy() -> None:
    """So they open no room there, and a network's limits hold for them."""
    own = [_unregistered(_violation(b"attacker", "a.example", leaf=_leaf(number))) for number in range(100)]
    accepted = _decide_all([own], _SMALL)
    assert len(accepted) == 3


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="part of the room of a host"):
        NewViolationLimits(per_host=10, reserved_for_checked=11)
