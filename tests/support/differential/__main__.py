"""Print disagreements between judgement and right answers: ``python -m tests.support.differential --worlds 20000``."""

import argparse
import sys
import time
from collections import defaultdict

from tests.support.differential.comparing import Comparison, compare, verifier_faults


def main() -> int:
    """Run worlds and print the disagreements, grouped by kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="the number of the first world")
    parser.add_argument("--examples", type=int, default=1, help="examples printed per kind")
    parser.add_argument("--kinds", type=int, default=40, help="kinds printed")
    parser.add_argument("--openssl", action="store_true", help="compare the verifier with OpenSSL too")
    arguments = parser.parse_args()
    started = time.process_time()
    kinds: defaultdict[str, list[Comparison]] = defaultdict(list)
    counts: defaultdict[str, int] = defaultdict(int)
    for number in range(arguments.seed, arguments.seed + arguments.worlds):
        comparison = compare(number)
        counts["forged" if comparison.forged else "honest"] += 1
        counts["wrong cause"] += not comparison.cause_right and not comparison.forged
        counts["wrong locks_out"] += comparison.lock_out_wrong and not comparison.forged
        counts["no locks_out, all shown"] += comparison.judgement.locks_out is None and comparison.shows_all
        counts["forgery trusted"] += comparison.trusts_a_forgery
        if not comparison.agrees:
            kinds[comparison.kind].append(comparison)
        if arguments.openssl:
            for fault in verifier_faults(comparison.world):
                counts["verifier wrong"] += 1
                _write(fault)
    for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1]))[: arguments.kinds]:
        _write(f"\n{len(found)} x {kind}")
        for comparison in found[: arguments.examples]:
            _write(str(comparison))
    _write(f"\n{dict(counts)}, {len(kinds)} kinds, {time.process_time() - started:.1f} s CPU")
    return 1 if kinds else 0


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
