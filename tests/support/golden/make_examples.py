"""Makes ``examples/``: the policy, the report and the chain of the README's tour.

The story: one intermediate key has two certificates, one by an old root and one by a new root. The server sends the
first and the old root, whose key is pinned; the client trusts the new root too and builds the shorter path to it, on
which no pin stands. Run ``uv run python -m tests.support.golden.make_examples``; it makes new keys and so new pins.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from app.demo.forms import compact_sorted, pem
from tests.support.authority import Issued, PrivateKey, make_root, new_key
from tests.support.golden.cases import directives

EXAMPLES = Path(__file__).parents[3] / "examples"
HOST = "www.example.com"
MOMENT = "2026-11-23T10:00:00.000Z"
NOT_BEFORE, NOT_AFTER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)


def make_files() -> dict[str, bytes]:
    """Make the content of each file by its name."""
    old_root = _make_root("Example Root X1")
    new_root = _make_root("Example Root X2")
    key = new_key()
    by_old_root, by_new_root = _issue(old_root, key), _issue(new_root, key)
    leaf = by_old_root.issue(HOST, not_before=NOT_BEFORE, not_after=NOT_AFTER)
    served, validated = [leaf, by_old_root, old_root], [leaf, by_new_root, new_root]
    pins = {"old root": old_root.pin, "backup key": _make_root("Backup").pin}
    policy = {
        "pins": [{"sha256": pin, "label": label} for label, pin in pins.items()],
        "max_age": 5184000,
        "mode": "report-only",
        "report_uri": "https://reports.example.net/report",
    }
    report = {
        "date-time": MOMENT,
        "effective-expiration-date": MOMENT,
        "hostname": HOST,
        "include-subdomains": False,
        "known-pins": directives([*pins.values()]),
        "noted-hostname": HOST,
        "port": 443,
        "served-certificate-chain": [pem(issued.der) for issued in served],
        "validated-certificate-chain": [pem(issued.der) for issued in validated],
    }
    return {
        "policy.json": json.dumps(policy, indent=2).encode() + b"\n",
        "report.json": compact_sorted(report),
        "chain.pem": "".join(issued.pem for issued in served).encode(),
    }


def _make_root(name: str) -> Issued:
    return make_root(name, organization="Example Certificates", not_before=NOT_BEFORE, not_after=NOT_AFTER)


def _issue(root: Issued, key: PrivateKey) -> Issued:
    return root.issue(
        "Example Intermediate", ca=True, organization="Example Certificates", key=key,
        not_before=NOT_BEFORE, not_after=NOT_AFTER,
    )  # fmt: skip


if __name__ == "__main__":
    EXAMPLES.mkdir(exist_ok=True)
    for name, content in make_files().items():
        (EXAMPLES / name).write_bytes(content)
