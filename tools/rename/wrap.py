"""Shorten lines that a rename made too long: the last words go to the next line."""

import json
import re
import subprocess
from pathlib import Path

_WIDTH = 120
_PIECE = re.compile(r'^(\s*)(f?)"(.*)"(,?)$')


def wrap_long_lines(root: Path, ruff: Path) -> None:
    """Wrap, again and again, until nothing changes."""
    for _ in range(20):
        found = subprocess.run(
            [ruff, "check", "--select", "E501", "--output-format", "json", "--exit-zero"],
            cwd=root, check=True, capture_output=True,
        )  # fmt: skip
        changed = False
        for item in json.loads(found.stdout):
            changed |= _wrap(Path(item["filename"]), item["location"]["row"] - 1)
        if not changed:
            return


def _wrap(path: Path, at: int) -> bool:
    lines = path.read_text(encoding="utf-8").split("\n")
    line = lines[at]
    if len(line) <= _WIDTH:
        return False
    following = lines[at + 1] if at + 1 < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    piece = _PIECE.match(line)
    if piece and not line.lstrip().startswith('"""'):
        new = _wrap_string(piece, following)
    elif line.rstrip().endswith(",") and following.startswith(indent) and ", " in line and '"' not in line:
        kept, _, last = line.rstrip().rstrip(",").rpartition(", ")
        new = [f"{kept},", f"{indent}{last}, {following.strip()}"]
    elif '"' not in line.replace('"""', "") or line.lstrip().startswith(("#", "``")) or not re.search(r'[=(]', line):
        new = _wrap_text(line, indent, following)
    else:
        return False
    if new is None:
        return False
    lines[at : at + 2] = new
    path.write_text("\n".join(lines), encoding="utf-8")
    return True


def _wrap_string(piece: re.Match[str], following: str) -> list[str] | None:
    indent, f, text, comma = piece.groups()
    kept, moved = text, ""
    while len(f'{indent}{f}"{kept}"') > _WIDTH:
        cut = kept.rstrip().rfind(" ")
        if cut <= 0 or _inside_field(kept, cut):
            return None
        kept, moved = kept[: cut + 1], kept[cut + 1 :] + moved
    after = _PIECE.match(following)
    first = f'{indent}{f}"{kept}"'
    f_moved = "f" if f and "{" in moved else ""
    if after is not None and not comma and after[1] == indent:
        joined = f"{moved}{after[3]}"
        prefix = "f" if after[2] or f_moved else ""
        return [first, f'{indent}{prefix}"{joined}"{after[4]}']
    return [first, f'{indent}{f_moved}"{moved}"{comma}', following]


def _inside_field(text: str, at: int) -> bool:
    return text[:at].count("{") != text[:at].count("}")


def _wrap_text(line: str, indent: str, following: str) -> list[str] | None:
    mark = "# " if line.lstrip().startswith("# ") else ""
    kept, moved = line, ""
    while len(kept) > _WIDTH:
        kept, _, word = kept.rpartition(" ")
        if not kept.strip():
            return None
        moved = f"{word} {moved}".rstrip()
    if kept.count("``") % 2:  # a command in two lines is no command
        kept, _, word = kept.rpartition(" ``")
        moved = f"``{word} {moved}"
    rest = following.strip()
    goes_on = following.startswith(f"{indent}{mark}") and rest and not rest.startswith(('"""', "*", "-", "::"))
    if goes_on and (not mark or rest.startswith("# ")):
        return [kept, f"{indent}{mark}{moved} {rest.removeprefix(mark)}"]
    return [kept, f"{indent}{mark}{moved}", following]
