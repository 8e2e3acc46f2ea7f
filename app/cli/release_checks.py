"""What releases of apps do with a chain, as text."""

from collections.abc import Iterable

from app.cli.terminal import out
from app.hpkp.app_pins.lockout import ReleaseCheck
from app.hpkp.deployment_text import Grade, Line, write_release

_STYLE = {Grade.BAD: "red", Grade.UNKNOWN: "yellow", Grade.UNUSED: "dim"}


def print_lines(lines: Iterable[Line]) -> None:
    """Print one row for each line, after what it is about."""
    for line in lines:
        out.print(
            f"  {line.subject:<8} {line.text}", markup=False, style=_STYLE.get(line.grade) if line.grade else None
        )


def print_release_checks(checks: Iterable[ReleaseCheck]) -> None:
    """Print one line for each release, the worst first."""
    print_lines(map(write_release, checks))
