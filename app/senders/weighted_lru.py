"""A cache bounded by what its entries weigh: strangers decide how much there is to remember."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from lru import LRU

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ENTRY = 300
"""Bytes that an entry takes besides what it says to weigh."""


class WeightedLRU(Generic[K, V]):
    """Keeps the entries used last, as many as weigh no more than ``max_bytes`` together."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: LRU[K, tuple[V, int]] = LRU(max(1, max_bytes // _ENTRY))
        self._max_bytes = max_bytes
        self._bytes = 0

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return what is kept under a key, which then counts as used."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def put(self, key: K, value: V, *, weight: int) -> None:
        """Keep something in place of what was kept under the key; what weighs more than all may is not kept."""
        weight += _ENTRY
        if weight > self._max_bytes:
            return
        _, replaced = self._entries.pop(key, (None, 0))
        self._bytes += weight - replaced
        while self._bytes > self._max_bytes and (last := self._entries.peek_last_item()) is not None:
            oldest, (_, dropped) = last
            del self._entries[oldest]  # popitem of lru-dict 1.4.1 never frees what it gives
            self._bytes -= dropped
        self._entries[key] = value, weight
