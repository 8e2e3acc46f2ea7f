"""How many clients there were, in bounded space: HyperLogLog sketches of their keyed hashes.

::

    client hashes ──count_in──> Sketched(clients, sketch) ─columns─ union ──> sketch ──count_of──> ClientCount

A sketch holds no hash that could be looked up again, only the longest runs of zeros in them. It is exact for about 190
clients, and takes 1 kB at most however many there are; sketches of days and violations are put together without loss.
The library and its format are Apache DataSketches'.
"""

from collections.abc import Iterable
from typing import NamedTuple

from datasketches import hll_sketch, hll_union, tgt_hll_type

from app.hpkp.clients import NOBODY, ClientCount

_LG_K = 11
"""Base 2 logarithm of the registers: 1 kB, and a standard error of 2 %."""
_DEVIATIONS = 2
"""Standard deviations between an estimate and its bounds: 95 % confidence."""


class Sketched(NamedTuple):
    """An estimate of how many clients there are, and the sketch that it is read from: two columns of a table."""

    clients: int
    client_sketch: bytes | None


NO_CLIENTS = Sketched(0, None)


def count_in(before: Sketched, clients: Iterable[bytes]) -> Sketched:
    """Return a sketch that has the clients too: the very same where none of them is new to it."""
    sketch = before.client_sketch
    counted = hll_sketch(_LG_K, tgt_hll_type.HLL_4) if sketch is None else hll_sketch.deserialize(sketch)
    for client in clients:
        counted.update(int.from_bytes(client[:8], "big"))
    after = counted.serialize_compact()
    return before if after == sketch else Sketched(round(counted.get_estimate()), after)


def sketch_all(sketches: Iterable[bytes | None]) -> Sketched:
    """Return the sketch of all clients that are in any of the sketches, as a table has it."""
    sketch = union(sketches)
    return Sketched(count_of(sketch).about, sketch)


def union(sketches: Iterable[bytes | None]) -> bytes:
    """Return the sketch of all clients that are in any of the sketches."""
    together = hll_union(_LG_K)
    for sketch in sketches:
        if sketch is not None:
            together.update(hll_sketch.deserialize(sketch))
    return bytes(together.get_result(tgt_hll_type.HLL_4).serialize_compact())


def count_of(sketch: bytes | None) -> ClientCount:
    """Estimate how many clients are in a sketch, with bounds of 95 % confidence."""
    if sketch is None:
        return NOBODY
    counted = hll_sketch.deserialize(sketch)
    bounds = counted.get_lower_bound(_DEVIATIONS), counted.get_estimate(), counted.get_upper_bound(_DEVIATIONS)
    return ClientCount(*map(round, bounds))
