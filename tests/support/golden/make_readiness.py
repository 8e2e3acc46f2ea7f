"""Makes ``readiness/<scenario>.txt``, the answers that were read by somebody before they were kept.

``uv run python -m tests.support.golden.make_readiness [SCENARIO…]``; look at what git says has changed, line by line.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.demo.scenarios import SCENARIOS
from tests.support.golden.readiness_text import GOLDEN, golden_file, golden_text
from tests.test_scenarios import play_scenario

if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for scenario in SCENARIOS:
        if not sys.argv[1:] or scenario.name in sys.argv[1:]:
            with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
                keys, days = play_scenario(scenario, Path(directory), patch)
            text = golden_text(scenario, keys, [played.inputs for played in days])
            golden_file(scenario).write_text(text, encoding="utf-8")
