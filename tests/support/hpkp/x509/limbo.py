"""Run x509-limbo's cases that ask for paths (https://github.com/C2SP/x509-limbo, Apache-2.0).

::

    git clone https://github.com/C2SP/x509-limbo       limbo.json lies in it, 30 MB: too large to be kept here
    python -m tests.support.hpkp.x509.limbo x509-limbo/limbo.json

A case succeeds where the best path is usable. Left out are revocation and what is said of single certificates alone:
the form of names, serial numbers, key identifiers, the content of anchors, policies. Each deviation among the rest is
in `DEVIATIONS` with its reason; any other fails the run, and so does one that is no deviation any more.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.budget import Budget
from app.hpkp.x509.certificate import Certificate, Element, read_certificate
from app.hpkp.x509.path_defects import PathClass
from app.hpkp.x509.paths import complete_paths
from app.hpkp.x509.pem import pem_blocks

NOW = datetime(2026, 6, 1, tzinfo=UTC)
"""Of cases without a time; their certificates are valid for a thousand years."""

FAMILIES = ("pathlen::", "pathological::", "cve::", "rfc5280::nc::", "rfc5280::validity::", "webpki::nc::")
SINGLE = frozenset(
    f"rfc5280::{name}"
    for name in (
        "unknown-critical-extension-ee", "unknown-critical-extension-intermediate", "chain-untrusted-root",
        "intermediate-ca-without-ca-bit", "intermediate-ca-missing-basic-constraints", "ica-ku-keycertsign",
        "duplicate-extensions", "no-keyusage", "no-basicconstraints", "ee-aia",
    )
) | {"webpki::cryptographydotio-chain", "webpki::cryptographydotio-chain-missing-intermediate"}  # fmt: skip
"""Cases outside of the families."""

PEDANTIC = ("pedantic-", "name-constraint-dn", "rfc5280-incompatible")
"""Beginnings of features that name what hardly any client does, or constraints that restrict no name of a server."""

DEVIATIONS: Mapping[str, str] = {
    "pathological::nc-dos-3": "constraints of directory names alone, which restrict neither DNS names nor addresses",
}
"""Cases that are answered otherwise on purpose, and why."""


def is_about_paths(case: Mapping[str, Any]) -> bool:
    """Whether a case asks for what this project answers."""
    if case["validation_kind"] != "SERVER" or case.get("crls"):
        return False
    if any(feature.startswith(PEDANTIC) for feature in case.get("features") or ()):
        return False
    return case["id"] in SINGLE or case["id"].startswith(FAMILIES)


def succeeds(case: Mapping[str, Any]) -> bool:
    """Whether a usable path is found for the peer's certificate, and for its name where one is given."""
    leaf = _read(case["peer_certificate"])
    if not isinstance(leaf, Certificate):
        return False
    trusted = tuple(one for one in map(_read, case["trusted_certs"]) if isinstance(one, Certificate))
    time, peer = case.get("validation_time"), case.get("expected_peer_name")
    moment = NOW if time is None else datetime.fromisoformat(time)
    depth = case.get("max_chain_depth")
    budget = Budget() if depth is None else Budget(depth=min(depth + 2, Budget().depth))  # it counts intermediates
    paths = complete_paths(
        leaf, map(_read, case["untrusted_intermediates"]), KnownCertificates(operator=trusted), budget=budget
    )
    best = paths.at(moment, host=None if peer is None else peer["value"]).best
    return best.path_class is PathClass.USABLE


def _read(pem: str) -> Element:
    [block] = pem_blocks(pem)
    return read_certificate(block.decode())


def run(
    cases: Sequence[Mapping[str, Any]], deviations: Mapping[str, str] = DEVIATIONS
) -> tuple[Counter[str], list[str]]:
    """Run the cases; return how many ended how, and the ids of those that nothing explains."""
    counts, unexplained = Counter[str](), list[str]()
    for case in cases:
        if not is_about_paths(case):
            counts["not about paths"] += 1
            continue
        right = succeeds(case) == (case["expected_result"] == "SUCCESS")
        counts["right" if right else "deviating"] += 1
        if right == (case["id"] in deviations):
            unexplained.append(case["id"])
    return counts, unexplained


def main(path: str) -> None:
    """Run a limbo.json from the command line."""
    counts, unexplained = run(json.loads(Path(path).read_text(encoding="utf-8"))["testcases"])
    sys.stdout.write("".join(f"{count} {what}\n" for what, count in sorted(counts.items())))
    sys.stdout.write("".join(f"unexplained: {case}\n" for case in unexplained))
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main(sys.argv[1])
