"""Sketches that Apache DataSketches wrote, for the tests: the library made all sketches of stores before version 0.1.

Written again by ``uv run --with datasketches==5.2.0 python -m tests.support.store.make_sketches``, on a Python that it
has wheels for.
"""

import hashlib
import json
from pathlib import Path

FILE = (Path(__file__).parents[2] / "store").joinpath("fixtures") / "datasketches.json"
SIZES = (0, 1, 7, 8, 24, 25, 150, 192, 193, 1000, 5000, 40_000)


def key(number: int) -> bytes:
    """Return a key that stands for a client: its keyed hash is as evenly spread."""
    return hashlib.sha256(str(number).encode()).digest()[:8]


def _make() -> dict[str, str]:
    """Return the sketch of the first keys, in hexadecimal, by how many they are."""
    from datasketches import hll_sketch, tgt_hll_type

    made = {}
    for size in SIZES:
        sketch = hll_sketch(11, tgt_hll_type.HLL_4)
        for number in range(size):
            sketch.update(int.from_bytes(key(number), "big"))
        made[str(size)] = sketch.serialize_compact().hex()
    return made


if __name__ == "__main__":
    FILE.write_text(json.dumps(_make(), indent=0) + "\n")
