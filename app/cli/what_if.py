"""``hpkp what-if``: what another set of pins would have done with what was reported."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.answers.what_if import what_if_answer
from app.cli.policy import read_expected_pins
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, no_policy, opened, out, print_json
from app.clock import now
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.hpkp.judgement.causes import ATTRIBUTION_TEXTS
from app.hpkp.pins import parse_pin
from app.hpkp.what_if import Change, WhatIf
from app.hpkp.wording import count

_EXIT = {True: 0, False: NO, None: CANNOT_TELL}
_WORDS = {
    True: "no reporting client would be locked out by a configuration error",
    False: "configuration errors WOULD LOCK OUT clients",
    None: "unknown",
}
_MEANING = {
    Change.NEWLY_LOCKED_OUT: "newly locked out",
    Change.STILL_LOCKED_OUT: "still locked out",
    Change.CANNOT_TELL: "unknown",
    Change.NO_LONGER_LOCKED_OUT: "no longer locked out",
    Change.UNAFFECTED: "not locked out",
}
_CAVEAT = (
    "Replay covers reported violations only. Clients whose pins match today sent nothing, so removing a pin can lock "
    "out clients that do not appear here. Counts are lower bounds."
)


def what_if(
    host: Annotated[str, typer.Argument(help="A host with a policy.", metavar="HOST")],
    pins: Annotated[
        list[str] | None, typer.Option("--pin", help="A pin of the other set; give it for each key.")
    ] = None,
    pin_files: Annotated[
        list[Path] | None, typer.Option("--pin-file", help="A file with a key to pin, as for `hpkp pin`.")
    ] = None,
    header: Annotated[str | None, typer.Option(help="The value of a header with the other set, instead.")] = None,
    own_keys: Annotated[
        list[str] | None, typer.Option("--own-key", help="Pin of a key that you hold without pinning it.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Reports received at or after, UTC, by the hour.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Reports received before, UTC.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay reported violations against another pin set.

    Exit code 0: no reporting client would be locked out by a configuration error. 1: some would. 2: unknown, nothing
    was reported, or an error.
    """
    try:
        name = canonical_host(host)
        wanted = [expected.pin for expected in read_expected_pins(pins, pin_files, header)]
        own = list(map(parse_pin, own_keys or []))
    except (HpkpError, OSError) as error:
        fail(str(error))
    if not wanted:
        fail("give --pin, --pin-file or --header")
    with opened() as service:
        found = service.what_if.replay(
            name,
            dict.fromkeys(wanted),
            own,
            since=since and since.replace(tzinfo=UTC),
            until=until and until.replace(tzinfo=UTC),
            at=now(),
        )
    if found is None:
        fail(no_policy(name))
    if as_json:
        print_json(what_if_answer(name, found) | {"caveat": _CAVEAT})
    else:
        _print(name, found)
    raise typer.Exit(_EXIT[found.safe])


def _print(host: str, found: WhatIf) -> None:
    out.print(f"{host}: {_WORDS[found.safe]}", markup=False, style="bold")
    for change, those in found.counts.items():
        if those.violations:
            counted = f"{count(those.violations, 'violation')}, {count(those.reports, 'report')}"
            sides = ", ".join(f"{ATTRIBUTION_TEXTS[side]} {reports:,}" for side, reports in those.by_side.items())
            out.print(
                f"  {change.replace('_', ' '):12} {counted} ({sides}): {_MEANING[change]}",
                markup=False,
            )
    for item in found.shown:
        if item.change in (Change.NEWLY_LOCKED_OUT, Change.STILL_LOCKED_OUT):
            out.print(
                f"    violation {item.violation_id}, {count(item.reports, 'report')}, {item.after.cause}: "
                f"{item.after.locks_out_why}",
                markup=False,
            )
    if found.closed.violations:
        out.print(f"  excluded     {count(found.closed.violations, 'violation')} that you closed", markup=False)
    if found.implausible.violations:
        out.print(
            f"  excluded     {count(found.implausible.violations, 'forged or malformed violation')}", markup=False
        )
    if not any(those.violations for those in found.counts.values()):
        out.print("  No reported violation to replay. That is not proof that these pins are safe.", markup=False)
    out.print(_CAVEAT, markup=False, style="dim")
