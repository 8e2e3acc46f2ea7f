"""``hpkp prune``: forget what is older than the settings say."""

from rich.progress import Progress, SpinnerColumn, TextColumn

from app.cli.terminal import JsonOption, err, opened, out, print_json
from app.service import now


def prune(as_json: JsonOption = False) -> None:
    """Forget raw bodies, single reports, counts and rejections that are older than the settings say.

    Runs beside a service that takes reports; may be broken off and begun again. The space is given back to the file
    system as far as the file allows.
    """
    with opened() as service, Progress(SpinnerColumn(), TextColumn("{task.description}"), console=err) as shown:
        task = shown.add_task("looking for what is too old")
        counted: dict[str, int] = {}

        def progress(what: str, count: int) -> None:
            counted[what] = counted.get(what, 0) + count
            shown.update(task, description=", ".join(f"{number} {name}" for name, number in counted.items()))

        removed = service.retention.prune(at=now(), progress=progress)
    if as_json:
        print_json(removed)
        return
    for what, number in removed.items():
        out.print(f"{what:10} {number} forgotten", markup=False)
