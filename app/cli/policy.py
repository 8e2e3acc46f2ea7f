"""``hpkp policy``: the expected pins of a host."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.answers.policies import policy_answer
from app.cli.rejudge import finish_rejudging
from app.cli.terminal import ACTOR, JsonOption, err, fail, no_policy, opened, out, print_json
from app.clock import now
from app.hpkp.errors import HpkpError
from app.hpkp.header.value import PinningHeader, parse_header
from app.hpkp.hosts import canonical_host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.hpkp.x509.keys import read_keys

app = typer.Typer(help="Set and show the expected pins of a host.", no_args_is_help=True)

HostArgument = Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")]


@app.command("set")
def set_(
    host: HostArgument,
    pins: Annotated[
        list[str] | None,
        typer.Option("--pin", help="PIN or PIN=LABEL; repeatable."),
    ] = None,
    pin_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--pin-file",
            help="A file with the key to pin: a certificate, request, public or private key; its name is the label.",
        ),
    ] = None,
    header: Annotated[
        str | None, typer.Option(help="The value of the header that the host serves, instead of pins.")
    ] = None,
    max_age: Annotated[int | None, typer.Option(min=0, help="Seconds for which clients cache the pins.")] = None,
    include_subdomains: Annotated[
        bool | None, typer.Option("--include-subdomains/--no-include-subdomains", help="Pins hold for subdomains.")
    ] = None,
    mode: Annotated[Mode | None, typer.Option(help="What the host serves.", show_default="report-only")] = None,
    report_uri: Annotated[str | None, typer.Option(help="The report-uri that the header names.")] = None,
    own_keys: Annotated[
        list[str] | None, typer.Option("--own-key", help="Pin of a key that you hold but do not pin.")
    ] = None,
    effective_from: Annotated[
        datetime | None, typer.Option(help="When the host began to serve this, UTC; the past is allowed.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Set a policy (adds a revision, re-evaluates violations).

    With --header, --pin or --pin-file, the options are the whole policy. Without them, the options change single fields
    of the policy in force. The same policy as the one in force makes no new revision.
    """
    given = {
        "include_subdomains": include_subdomains,
        "max_age": max_age,
        "mode": mode,
        "report_uri": report_uri,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        if header is not None and (pins or pin_files):
            fail("give either --header, or --pin and --pin-file")
        if own_keys:
            changes["own_keys"] = frozenset(map(parse_pin, own_keys))
        name = canonical_host(host)
        whole = None
        if header is not None or pins or pin_files:
            stated = PinningHeader(()) if header is None else parse_header(header)
            whole = PinningPolicy(
                host=name,
                pins=read_expected_pins(pins, pin_files, header),
                include_subdomains=stated.include_subdomains,
                max_age=stated.max_age,
                report_uri=stated.report_uri,
            )
        elif not changes:
            fail("give --header, --pin or --pin-file, or a field to change, such as --report-uri")
        changes["effective_from"] = effective_from and effective_from.replace(tzinfo=UTC)
        with opened(creates=whole is not None) as service:
            base = whole or service.policies.in_force(name, at=now())
            if base is None:
                fail(no_policy(name))
            stored = service.policies.set(replace(base, **changes), at=now(), actor=ACTOR)
            finish_rejudging(service)
    except (HpkpError, OSError) as error:
        fail(str(error))
    _show(stored, as_json)


@app.command("withdraw")
def withdraw(host: HostArgument, as_json: JsonOption = False) -> None:
    """Withdraw the policy of a host (adds a revision).

    This does not clear the pins that clients cache: serve max-age=0 first. Exit code 2 if there is no policy.
    """
    with opened() as service:
        name = canonical_host(host)
        withdrawn = service.policies.withdraw(name, at=now(), actor=ACTOR)
        if withdrawn is None:
            fail(no_policy(name))
        finish_rejudging(service)
    _show(withdrawn, as_json)


@app.command("show")
def show(
    host: HostArgument,
    revisions: Annotated[bool, typer.Option("--revisions", help="Show every revision, the newest first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the policy in force. Exit code 2 if there is none."""
    with opened() as service:
        name = canonical_host(host)
        if revisions:
            found = [stored.policy for stored in service.policies.list_revisions(name)]
        else:
            current = service.policies.in_force(name, at=now())
            found = [] if current is None else [current]
    if not found:
        fail(no_policy(name))
    if as_json and revisions:
        print_json([policy_answer(policy) for policy in found])
        return
    for policy in found:
        _show(policy, as_json)


def read_expected_pins(pins: list[str] | None, files: list[Path] | None, header: str | None) -> tuple[ExpectedPin, ...]:
    """Read the options that name expected pins. Raises HpkpError or OSError."""
    stated = () if header is None else parse_header(header).pins
    return (*map(_read_pin, pins or []), *map(_read_file, files or []), *map(ExpectedPin, stated))


def _read_pin(text: str) -> ExpectedPin:
    """Read PIN or PIN=LABEL; a pin may itself contain and end with an equals sign."""
    try:
        return ExpectedPin(parse_pin(text))
    except HpkpError:
        pin, equals, label = text.rpartition("=")
        if not (equals and label):
            raise
        return ExpectedPin(parse_pin(pin), label)


def _read_file(path: Path) -> ExpectedPin:
    keys = read_keys(
        path.read_bytes(), passphrase=lambda: str(typer.prompt(f"Passphrase of {path}", hide_input=True)).encode()
    )
    if len(keys) > 1:
        err.print(f"{path} holds {len(keys)} keys; the first is pinned", markup=False)
    return ExpectedPin(keys[0].pin, path.name)


def _show(policy: PinningPolicy, as_json: bool) -> None:
    if as_json:
        print_json(policy_answer(policy))
        return
    withdrawn = ", withdrawn" if policy.withdrawn else ""
    out.print(f"{policy.host}  revision {policy.revision}, {policy.mode}{withdrawn}", markup=False, style="bold")
    if policy.effective_from is not None:
        out.print(f"  since    {policy.effective_from:%Y-%m-%d %H:%M} UTC", markup=False)
    for expected in policy.pins:
        out.print(f"  pin      {expected.pin}  {expected.label}".rstrip(), markup=False)
    for own in sorted(map(str, policy.own_keys)):
        out.print(f"  own key  {own}", markup=False)
    field = "Public-Key-Pins" + ("-Report-Only" if policy.mode is Mode.REPORT_ONLY else "")
    out.print(f"  header   {field}: {PinningHeader.of_policy(policy)}", markup=False)
