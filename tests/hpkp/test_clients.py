"""Counts of clients: two ends, in order."""

import pytest

from app.hpkp.clients import NOBODY, ClientCount


def test_an_exact_count_has_one_value_and_nobody_is_none() -> None:
    assert ClientCount.exact(7) == ClientCount(7, 7, 7)
    assert ClientCount.exact(0) == NOBODY
    assert not NOBODY


def test_where_a_client_may_have_been_met_it_is_not_nobody() -> None:
    assert ClientCount(0, 0, 1)


@pytest.mark.parametrize("ends", [(2, 1, 3), (1, 3, 2), (-1, 0, 0)])
def test_ends_in_another_order_are_refused(ends: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no count"):
        ClientCount(*ends)
