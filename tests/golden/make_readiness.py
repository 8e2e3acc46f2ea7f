"""Makes ``readiness/<story>.txt``, the answers that were read by somebody before they were kept.

``uv run python -m tests.golden.make_readiness [STORY…]``; look at what git says has changed, line by line.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.samples.stories import STORIES
from tests.golden.readiness_text import GOLDEN, golden_file, golden_text
from tests.test_stories import play_story

if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for story in STORIES:
        if not sys.argv[1:] or story.name in sys.argv[1:]:
            with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
                keys, days = play_story(story, Path(directory), patch)
            text = golden_text(story, keys, [played.situation for played in days])
            golden_file(story).write_text(text, encoding="utf-8")
