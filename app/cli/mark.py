"""``hpkp mark``: say what became of violations."""

from typing import Annotated

import typer

from app.cli.terminal import JsonOption, fail, opened, out, print_json
from app.hpkp.violation_status import Status
from app.service import now


def mark(
    numbers: Annotated[list[int], typer.Argument(help="Numbers of violations, as in `hpkp readiness`.", min=1)],
    status: Annotated[Status, typer.Option("--as", help="What they are from now on.")],
    note: Annotated[str | None, typer.Option(help="Why, for those who look later.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what became of violations: expected, ignored and resolved ones no longer hold the verdict back.

    `expected`: it is known and may go on, such as a proxy of your own. `resolved`: it was mended. `ignored`: it is not
    believed; further reports of the same cause from the same few networks do not count either. Nothing is changed where
    one of the numbers is unknown.
    """
    with opened() as service:
        fault = service.violations.set_statuses(numbers, status=status, note=note, at=now())
    if fault is not None:
        fail(f"there is no violation {fault.unknown}; nothing was changed")
    if as_json:
        print_json([{"id": number, "status": status, "note": note} for number in numbers])
    else:
        out.print(f"{', '.join(map(str, numbers))}: {status}", markup=False)
