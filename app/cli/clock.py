"""``hpkp clock``: whether the collector's clock is plausible, and that it is right."""

import typer

from app.cli.terminal import NO, JsonOption, opened, out, print_json
from app.clock import now
from app.hpkp.clock import CONFIRM

app = typer.Typer(help="Check the collector's clock, and confirm it.", no_args_is_help=True)


@app.command("check")
def check(as_json: JsonOption = False) -> None:
    """Say whether the clock is plausible.

    Exit code 0: yes. 1: no.
    """
    with opened() as service:
        doubt = service.clock.check(at=now())
    if as_json:
        print_json({"plausible": doubt is None, "reason": doubt})
    elif doubt is None:
        out.print("The clock is plausible.", markup=False)
    else:
        out.print(f"{doubt} {CONFIRM}", markup=False)
    if doubt is not None:
        raise typer.Exit(NO)


@app.command("confirm")
def confirm(as_json: JsonOption = False) -> None:
    """Confirm that the clock of this machine is right."""
    with opened() as service:
        service.clock.confirm(at=(at := now()))
    if as_json:
        print_json({"confirmed_at": at})
    else:
        out.print(f"The clock is right: {at:%Y-%m-%d %H:%M} UTC. Old reports are deleted by it again.", markup=False)
