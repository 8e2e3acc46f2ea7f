"""What the cache weighs stays within its bound, and what it dropped is freed."""

import gc
import sys

from app.senders.weighted_lru import WeightedLRU


def test_what_is_dropped_is_freed() -> None:
    cache: WeightedLRU[str, str] = WeightedLRU(40_000)

    def fill(begin: int) -> int:
        for number in range(begin, begin + 5000):
            cache.put(f"key {number}", f"value {number}", weight=100)
        gc.collect()
        return sys.getallocatedblocks()

    full = fill(0)
    assert len(cache) == 100
    assert fill(5000) - full < 500


def test_those_used_last_are_kept() -> None:
    cache: WeightedLRU[str, int] = WeightedLRU(1000)
    cache.put("first", 1, weight=100)
    cache.put("second", 2, weight=100)
    assert cache.get("first") == 1
    cache.put("third", 3, weight=100)
    assert [cache.get(key) for key in ("first", "second", "third")] == [1, None, 3]
    cache.put("too heavy", 4, weight=1000)
    assert cache.get("too heavy") is None
