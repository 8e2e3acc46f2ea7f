"""What `hpkp readiness --verbose` prints on the decisive days of a story, with names in place of keys."""

import re
from collections.abc import Iterable
from pathlib import Path

from app.hpkp.readiness import Situation, assess_readiness
from app.hpkp.readiness.text import write_text
from app.samples.rollout import Keys
from app.samples.stories import Story

_REPORT_URI = re.compile(r"http://127\.0\.0\.1:\d+/report/canary")
_SAME_EVERYWHERE = "About these numbers:"
GOLDEN = Path(__file__).parent / "readiness"


def golden_file(story: Story) -> Path:
    """Return where the reviewed answers of a story stand."""
    return GOLDEN / f"{story.name}.txt"


def decisive_days(story: Story) -> list[int]:
    """Return the days on which the right answer is another than the day before."""
    return [day for day in range(story.days) if day == 0 or story.right(day) != story.right(day - 1)]


def golden_text(story: Story, keys: Keys, evenings: Iterable[Situation]) -> str:
    """Write the answers of the decisive days, of the situations of all evenings."""
    parts = [f"{story.name}: {story.about}\n"]
    decisive = decisive_days(story)
    for day, case in enumerate(evenings):
        if day in decisive:
            lines = [line.text for line in write_text(case.policy, assess_readiness(case), at=case.at, verbose=True)]
            whole = (story.name, day) == ("clean", 0)  # what stands under every answer is kept once
            shown = lines if whole else lines[: lines.index(_SAME_EVERYWHERE) - 1]
            parts.append(f"\n=== day {day} ===\n\n" + "".join(f"{line}\n" for line in shown))
    text = _REPORT_URI.sub("https://reports.example.net/report", "".join(parts)).replace("127.0.0.1", "192.0.2.1")
    for pin, name in _names(keys).items():
        text = text.replace(pin, f"({name})")
    return text


def _names(keys: Keys) -> dict[str, str]:
    named = {
        "pin of the key in use": keys.leaf[0].pin,
        "pin of the renewal's key": keys.renewed[0].pin,
        "pin of the backup key": keys.backup,
        "pin of the old root": keys.old_root.pin,
        "pin of the new root": keys.new_root.pin,
        "pin of the intermediate": keys.intermediate.pin,
        "pin of another intermediate": keys.reissued[1].pin,
        "pin of a retired intermediate": keys.retired,
    }
    return {str(pin): name for name, pin in named.items()}
