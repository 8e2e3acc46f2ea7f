"""``hpkp control``: pins that match nothing, to measure how many clients report."""

from typing import Annotated, Any

import typer

from app.answers.control import control_answer
from app.cli.terminal import JsonOption, err, fail, opened, print_json
from app.clock import now
from app.hpkp.errors import HpkpError
from app.hpkp.header.control_lines import LARGEST_SHARE, SMALLEST_SHARE
from app.hpkp.header.server_lines import Server
from app.hpkp.hosts import Host, canonical_host
from app.hpkp.pins import parse_pin
from app.hpkp.readiness.messages import at_least, percent

app = typer.Typer(help="Make control pins that measure how many clients report.", no_args_is_help=True)

HostArgument = Annotated[str, typer.Argument(help="A host with a policy that names a report-uri.", metavar="HOST")]
ServerOption = Annotated[Server, typer.Option("--for", help="The server whose configuration is wanted.")]
ShareOption = Annotated[
    float, typer.Option("--share", min=SMALLEST_SHARE, max=LARGEST_SHARE, help="Percent of clients that get them.")
]


@app.command("make")
def make(
    host: HostArgument,
    pins: Annotated[list[str] | None, typer.Option("--pin", help="A pin that matches nothing; repeatable.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="Name below the host where clients know control pins alone.")
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Make new ones although there are some.")] = False,
    server: ServerOption = Server.TEXT,
    share: ShareOption = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Make control pins for a host, or print those it has.

    Every client that evaluates pins must report them. Serve them to a small share of clients, and count the recipients
    with hpkp exposure set or import, --control: the verdict then uses the measured share of clients that report.
    """
    try:
        name = canonical_host(host)
        below = None if domain is None else canonical_host(domain)
        given = tuple(map(parse_pin, pins or []))
        with opened() as service:
            state = service.control.make(name, pins=given, domain=below, renew=renew, at=now())
        plain = None if state is None else control_answer(state, server=server, percent=share)
    except HpkpError as error:
        fail(str(error))
    _show(name, plain, server, as_json=as_json)


@app.command("show")
def show(
    host: HostArgument, server: ServerOption = Server.TEXT, share: ShareOption = 5.0, as_json: JsonOption = False
) -> None:
    """Print how to serve them, and what was measured.

    The field, or a configuration that serves it to a share of clients.
    """
    try:
        name = canonical_host(host)
        with opened() as service:
            state = service.control.find(name, at=now())
        plain = None if state is None else control_answer(state, server=server, percent=share)
    except HpkpError as error:
        fail(str(error))
    _show(name, plain, server, as_json=as_json)


def _show(host: Host, plain: dict[str, Any] | None, server: Server, *, as_json: bool) -> None:
    """Print the field or the configuration to standard output, followed by what was measured."""
    if plain is None:
        fail(f"no policy for {host}; set one with `hpkp policy set {host}`")
    if not plain["pins"]:
        fail(f"no control pins for {host}; make them with `hpkp control make {host}`")
    if as_json:
        print_json(plain)
        return
    if plain["value"] is None:
        err.print(f"The policy of {host} has no report-uri, so there is no field to send.", markup=False)
    elif server is Server.TEXT:
        typer.echo(f"{plain['field']}: {plain['value']}")
        err.print("Send it to a share of clients, in place of the usual report-only field.", markup=False, style="dim")
    for part in plain["configuration"]:
        typer.echo(part["text"])
        err.print(f"Belongs {part['place']}.", markup=False, style="dim")
    err.print(_measured(plain["delivery"], plain["reports"]), markup=False)


def _measured(delivery: dict[str, Any] | None, reports: int) -> str:
    if delivery is None:
        return f"Not measured; {reports:,} reports of control pins in 30 days."
    whose = "installs" if delivery["audience"] == "apps" else "clients"
    return (
        f"Of {delivery['received']:,} {whose} that received them on {delivery['day']} at least "
        f"{delivery['reported']:,} reported: {percent(delivery['rate'])}, at least {at_least(delivery['lower'])} "
        "(95% confidence)."
    )
