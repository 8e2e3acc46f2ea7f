"""What releases of apps do with a chain, as text."""

from collections.abc import Iterable

from app.cli.terminal import out
from app.hpkp.app_pins.lockout import Outcome, ReleaseCheck
from app.hpkp.app_pins.release import ReleaseInstalls

_WORDS = {
    Outcome.MATCHES: "matches",
    Outcome.EXPIRED: "its pins have expired, it accepts every chain",
    Outcome.SOME_PATHS: "matches, but not on every path that devices may build",
    Outcome.WOULD_BE_LOCKED_OUT: "would be LOCKED OUT if its pins were enforced; it reports",
    Outcome.UNKNOWN: "unknown",
    Outcome.LOCKED_OUT: "LOCKED OUT until it is updated",
}
_STYLE = {Outcome.LOCKED_OUT: "red", Outcome.UNKNOWN: "yellow", Outcome.SOME_PATHS: "yellow"}


def print_release_checks(checks: Iterable[ReleaseCheck]) -> None:
    """Print one line for each release, the worst first."""
    for check in checks:
        places = ", ".join(dict.fromkeys(layer.place.value for layer in check.layers if layer.place))
        where = f" by the {places}" if places and check.outcome is Outcome.MATCHES else ""
        silent = "" if check.can_report or check.outcome is not Outcome.LOCKED_OUT else "; it cannot report"
        unused = "" if check.in_use else ", not in use"
        found = f"{_WORDS[check.outcome]}{where}; {installs_text(check.installs)}{silent}"
        line = f"  release  {check.release}{unused}: {found}"
        out.print(line, markup=False, style=_STYLE.get(check.outcome) if check.in_use else "dim")


def installs_text(installs: ReleaseInstalls | None) -> str:
    """Say how many installs there are, and of how many."""
    if installs is None:
        return "installs unknown"
    share = "" if installs.share is None else f" ({installs.share:.1%})"
    at_least = "at least " if installs.is_lower_bound else ""
    return f"{at_least}{installs.count:,} of {installs.of:,} installs{share} on {installs.day}"
