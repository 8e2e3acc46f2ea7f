"""The upper bound of a share, held against exact sums of the binomial distribution."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.confidence_bound import upper_share


def _at_most(seen: int, of: int, share: Fraction) -> Fraction:
    return sum((comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(seen + 1)), Fraction(0))


@given(st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(0, of - 1), st.just(of))))
def test_so_few_are_seen_with_five_percent_where_the_share_is_the_bound(counts: tuple[int, int]) -> None:
    seen, of = counts
    assert float(_at_most(seen, of, Fraction(upper_share(seen, of)))) == pytest.approx(0.05, abs=1e-9)


def test_the_bound_of_a_large_sample_of_which_none_was_seen_is_three_in_so_many() -> None:
    assert upper_share(0, 10_000) == pytest.approx(3 / 10_000, rel=0.01)


@pytest.mark.parametrize(("seen", "of"), [(0, 0), (5, 5), (7, 5)])
def test_where_all_may_be_the_bound_is_one(seen: int, of: int) -> None:
    assert upper_share(seen, of) == 1


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_one_more_seen_raises_the_bound_and_it_is_never_below_the_share(seen: int, of: int) -> None:
    bound = upper_share(seen, of)
    assert min(seen / of, 1) <= bound <= 1
    assert upper_share(seen + 1, of) >= bound
