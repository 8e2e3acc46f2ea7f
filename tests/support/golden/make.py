"""Makes the golden reports: ``<sender>/<case>.json`` as it is sent, ``<case>.expected.json`` as it is meant.

Certificates stay as they were first made: ``uv run python -m tests.support.golden.make`` writes only the cases of which
a file is missing; ``--all`` makes everything anew.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.golden.app_cases import go_cases, proton_cases, react_native_cases
from tests.support.golden.cases import Case, expected_text
from tests.support.golden.chromium_cases import chromium_cases
from tests.support.golden.other_cases import other_cases
from tests.support.golden.reporting_api_cases import reporting_api_cases
from tests.support.golden.trustkit_cases import android_cases, apple_cases

GOLDEN = Path(__file__).parents[2] / "golden"


def make_cases() -> Iterator[Case]:
    """Make every case, with fresh certificates."""
    yield from chromium_cases()
    yield from apple_cases()
    yield from android_cases()
    yield from proton_cases()
    yield from react_native_cases()
    yield from go_cases()
    yield from reporting_api_cases()
    yield from other_cases()


def paths_of(case: Case) -> tuple[Path, Path]:
    """Return where the report of a case stands, and where what is expected of it."""
    folder = GOLDEN / case.sender
    return folder / f"{case.name}.json", folder / f"{case.name}.expected.json"


def write(case: Case) -> None:
    """Write the two files of a case."""
    report, expected = paths_of(case)
    report.parent.mkdir(exist_ok=True)
    report.write_bytes(case.body)
    expected.write_text(expected_text(case.expected), encoding="utf-8")


if __name__ == "__main__":
    anew = "--all" in sys.argv[1:]
    for case in make_cases():
        if anew or not all(path.exists() for path in paths_of(case)):
            write(case)
