"""Write the table of docs/senders.md from the records of `app.hpkp.user_agents.senders`.

Run: ``python -m tools.senders_table``; the table between the two marker lines is replaced. A test holds it up to date.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from app.hpkp.report import SenderResult
from app.hpkp.user_agents.model import Proof, UserAgentModel
from app.hpkp.user_agents.senders import MODELS

DOCUMENT = Path(__file__).parent.parent / "docs" / "senders.md"
BEGIN, END = "<!-- senders table: begin -->", "<!-- senders table: end -->"

_HEADER = (
    "Name",
    "Validates",
    "Compares",
    "Reported path",
    "Local roots",
    "Proves",
    "Reports",
    "Never reports",
    "Mode",
)


def render() -> str:
    """Return the table with its sources, in Markdown."""
    rows = [_HEADER, tuple("---" for _ in _HEADER), *map(_row, MODELS.values())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n" + "\n".join(_sources())


def insert(text: str) -> str:
    """Return the document with the table of today between its marker lines."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the document has no lines {BEGIN} and {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n\n{render()}\n\n{END}", text)


def _row(model: UserAgentModel) -> tuple[str, ...]:
    return (
        f"`{model.sender}`",
        model.validates,
        model.compares,
        model.reported_path,
        model.local_roots,
        "; ".join(_proofs(model)),
        model.reports,
        model.never_reports,
        "as the report says, else the policy's" if model.mode is None else f"always {model.mode}",
    )


def _proofs(model: UserAgentModel) -> Iterator[str]:
    for result, proof in model.results.items():
        if text := _proof(proof):
            yield text if result is None else f"`{result}`: {text}"
        elif result in (None, SenderResult.OTHER) and len(model.results) == 1:
            yield "nothing"


def _proof(proof: Proof) -> str:
    if proof.path_trusted is False:
        return "the path did not validate; pins were not compared"
    parts = []
    if proof.path_trusted:
        parts.append("the path validated")
    if proof.shipped_root:
        parts.append("its root is one that the client ships")
    if proof.pins_failed:
        parts.append("no known pin matched")
    return ", ".join(parts)


def _sources() -> Iterator[str]:
    yield "Sources:"
    yield ""
    for model in MODELS.values():
        notes = "".join(f" {note}" for note in model.notes)
        yield f"* `{model.sender}`: {'; '.join(model.sources)}.{notes}"


if __name__ == "__main__":
    DOCUMENT.write_text(insert(DOCUMENT.read_text()))
    sys.stdout.write(f"wrote {DOCUMENT.name}\n")
