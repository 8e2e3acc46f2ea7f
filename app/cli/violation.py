"""``hpkp violation``: the violations in the database, listed and shown, and their status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import ACTOR, JsonOption, err, fail, opened, out, print_json
from app.clock import now
from app.hpkp.hosts import canonical_host
from app.hpkp.judgement.causes import Cause, Impact, fix_of, impact_of
from app.hpkp.report import Sender
from app.hpkp.violation_status import MEANINGS, OPEN, Status
from app.hpkp.wording import count

if TYPE_CHECKING:
    from app.store.read.violations import Violation

app = typer.Typer()


@app.command("list")
def list_(
    host: Annotated[str | None, typer.Option(help="Only this host.", metavar="HOST")] = None,
    cause: Annotated[Cause | None, typer.Option(help="Only this cause.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only this status.")] = None,
    sender: Annotated[Sender | None, typer.Option(help="Only this sender.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Reported at or after, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Reported before, UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of violations to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List violations, the latest reported first."""
    from app.answers.violations import violation_answer
    from app.store.read.filters import Filter

    wanted = Filter(
        host=None if host is None else canonical_host(host),
        cause=cause,
        status=status,
        sender=sender,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
    )
    with opened() as service:
        if wanted.host is not None and not service.hosts.is_known(wanted.host):
            fail(f"host {wanted.host} not found")
        found = service.violations.list(wanted, limit=limit + 1)
        standing = service.readiness.find_standing({violation.host for violation in found}, at=now())
    if as_json:
        print_json([violation_answer(violation, standing) for violation in found[:limit]])
    else:
        for violation in found[:limit]:
            left_out = ", excluded from the verdict" if violation.id in standing.left_out else ""
            out.print(f"{_describe(violation)}{left_out}", markup=False)
    if len(found) > limit:
        err.print(f"More violations match: raise --limit above {limit}, or narrow the list.", markup=False)


def _describe(violation: Violation) -> str:
    counted = f"{count(violation.reports, 'report')} from {count(violation.clients, 'client')}"
    last = f"last {violation.last_received_at:%Y-%m-%d %H:%M}"
    return f"{violation.id:6}  {violation.status:12}  {violation.cause:22}  {violation.hostname}  {counted}, {last}"


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(help="ID, as `hpkp violation list` shows it.", metavar="ID", min=1)],
    as_json: JsonOption = False,
) -> None:
    """Show a violation: cause, lockout, counts, and both chains.

    `hpkp explain ID` evaluates it again, also against pins that you give.
    """
    from app.answers.violations import violation_detail_answer
    from app.cli.judgement_text import print_judgement

    with opened() as service:
        detail = service.violations.find(number, at=now())
        if detail is None:
            fail(f"violation {number} not found")
        standing = service.readiness.find_standing([detail.violation.host], at=now())
    if as_json:
        print_json(violation_detail_answer(detail, standing))
        return
    violation = detail.violation
    served, validated = (
        None if chain is None else [annotated.element for annotated in chain]
        for chain in (detail.served, detail.validated)
    )
    print_judgement(violation, violation.judgement, host=violation.host, served=served, validated=validated)
    out.print(f"\nWhat to do        {fix_of(violation.judgement.cause, [violation.id])}", markup=False)
    counts, excluded = violation.id in standing.counting, violation.id in standing.left_out
    out.print(f"Verdict impact    {_impact(violation, counts=counts, excluded=excluded)}", markup=False)
    out.print(f"Status            {violation.status}{violation.note and f': {violation.note}'}", markup=False)
    out.print(
        f"Reports           at least {count(violation.reports, 'report')} from at least "
        f"{count(violation.clients, 'client')}, {violation.first_received_at:%Y-%m-%d %H:%M} to "
        f"{violation.last_received_at:%Y-%m-%d %H:%M} UTC",
        markup=False,
    )


_IMPACT = {Impact.BLOCKER: "blocker", Impact.WARNING: "warning", Impact.INFO: "none"}


def _impact(violation: Violation, *, counts: bool, excluded: bool) -> str:
    """Write what it means for the verdict now; a violation that does not count means nothing for it."""
    if counts:
        return _IMPACT[impact_of(violation.judgement.cause, locks_out=violation.judgement.locks_out)]
    if excluded:
        return "none (excluded: it comes only from networks that you ignore for this cause)"
    return f"none ({violation.status})" if violation.status not in OPEN else "none (no policy, or not in its period)"


@app.command("status")
def set_status(
    numbers: Annotated[
        list[int],
        typer.Argument(help="IDs, as `hpkp violation list` and `hpkp readiness` show them.", metavar="ID...", min=1),
    ],
    status: Annotated[
        Status,
        typer.Option(
            "--set",
            "--as",
            help=f"New status. {'; '.join(f'{status}: {meaning}' for status, meaning in MEANINGS.items())}.",
        ),
    ],
    note: Annotated[str | None, typer.Option(help="Reason, shown in the history.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Set the status of violations.

    If one of the IDs is unknown, nothing is changed.
    """
    with opened() as service:
        fault = service.violations.set_statuses(numbers, status=status, note=note, at=now(), actor=ACTOR)
    if fault is not None:
        fail(f"violation {fault.unknown} not found; nothing was changed")
    if as_json:
        print_json([{"id": number, "status": status, "note": note} for number in numbers])
    else:
        out.print(f"{', '.join(map(str, numbers))}: {status}", markup=False)
