"""How many clients there were, in bounded space: HyperLogLog sketches of their keyed hashes.

::

    client hashes ──count_in──> Sketched(clients, sketch) ─columns─ union ──> sketch ──count_of──> ClientCount

A sketch holds no hash that could be looked up again, only parts of other hashes of them, and from 193 clients only the
longest runs of zeros in these. It is exact for 192 clients, and takes 1 kB at most however many there are; sketches of
days and violations are merged without loss. `hyperloglog` has the algorithm and the form.
"""

from collections.abc import Iterable
from typing import NamedTuple

from app.hpkp.clients import NOBODY, ClientCount
from app.store.hyperloglog import EMPTY, Sketch, coupon_of, estimate, insert, merge, read_sketch, write_sketch


class Sketched(NamedTuple):
    """An estimate of how many clients there are, and the sketch that it is read from: two columns of a table."""

    clients: int
    client_sketch: bytes | None


NO_CLIENTS = Sketched(0, None)


def count_in(before: Sketched, clients: Iterable[bytes]) -> Sketched:
    """Return a sketch that has the clients too: the very same where none of them is new to it."""
    sketch = EMPTY if before.client_sketch is None else read_sketch(before.client_sketch)
    counted = insert(sketch, (coupon_of(client[:8]) for client in clients))
    return before if counted == sketch and before.client_sketch is not None else _as_columns(counted)


def sketch_all(sketches: Iterable[bytes | None]) -> Sketched:
    """Return the sketch of all clients that are in any of the sketches, as a table has it."""
    return _as_columns(_merge(sketches))


def union(sketches: Iterable[bytes | None]) -> bytes:
    """Return the sketch of all clients that are in any of the sketches."""
    return write_sketch(_merge(sketches))


def count_of(sketch: bytes | None) -> ClientCount:
    """Estimate how many clients are in a sketch, with bounds of 95 % confidence."""
    return NOBODY if sketch is None else ClientCount(*estimate(read_sketch(sketch)))


def _merge(sketches: Iterable[bytes | None]) -> Sketch:
    return merge(read_sketch(sketch) for sketch in sketches if sketch is not None)


def _as_columns(sketch: Sketch) -> Sketched:
    return Sketched(estimate(sketch)[1], write_sketch(sketch))
