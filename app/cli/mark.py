"""``hpkp mark``: say what became of violations."""

from typing import Annotated

import typer

from app.cli.terminal import JsonOption, fail, opened, out, print_json
from app.hpkp.violation_status import MEANINGS, Status
from app.service import now

_MEANINGS = "; ".join(f"{status}: {meaning}" for status, meaning in MEANINGS.items()) + "."


def mark(
    numbers: Annotated[list[int], typer.Argument(help="Numbers of violations, as in `hpkp readiness`.", min=1)],
    status: Annotated[Status, typer.Option("--as", help="What they are from now on. " + _MEANINGS)],
    note: Annotated[str | None, typer.Option(help="Why, for those who look later.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what became of violations. Nothing is changed where one of the numbers is unknown."""
    with opened() as service:
        fault = service.violations.set_statuses(numbers, status=status, note=note, at=now())
    if fault is not None:
        fail(f"there is no violation {fault.unknown}; nothing was changed")
    if as_json:
        print_json([{"id": number, "status": status, "note": note} for number in numbers])
    else:
        out.print(f"{', '.join(map(str, numbers))}: {status}", markup=False)
