"""What `hpkp readiness --verbose` prints on the decisive days of a scenario, with names in place of keys."""

import re
from collections.abc import Iterable
from pathlib import Path

from app.demo.rollout import Keys
from app.demo.scenarios import Scenario
from app.hpkp.readiness import ReadinessInput, assess_readiness
from app.hpkp.readiness.text import write_text

_REPORT_URI = re.compile(r"http://127\.0\.0\.1:\d+/report/canary")
_SAME_EVERYWHERE = "About these numbers:"
GOLDEN = Path(__file__).parents[2] / "golden" / "readiness"


def golden_file(scenario: Scenario) -> Path:
    """Return where the reviewed answers of a scenario stand."""
    return GOLDEN / f"{scenario.name}.txt"


def decisive_days(scenario: Scenario) -> list[int]:
    """Return the days on which the right answer is another than the day before."""
    return [day for day in range(scenario.days) if day == 0 or scenario.right(day) != scenario.right(day - 1)]


def golden_text(scenario: Scenario, keys: Keys, evenings: Iterable[ReadinessInput]) -> str:
    """Write the answers of the decisive days, of the situations of all evenings."""
    parts = [f"{scenario.name}: {scenario.about}\n"]
    decisive = decisive_days(scenario)
    for day, case in enumerate(evenings):
        if day in decisive:
            lines = [line.text for line in write_text(case.policy, assess_readiness(case), at=case.at, verbose=True)]
            whole = (scenario.name, day) == ("clean", 0)  # what stands under every answer is kept once
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
