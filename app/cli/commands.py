"""The command ``hpkp``: the table of its commands, each in a file of its own that is imported when it is run.

What a command found goes to standard output (with ``--json`` as one JSON document), what it did not understand to
standard error. Exit codes: 0 yes or done, 1 the answer is no, 2 cannot tell or not understood.
"""

from typing import Annotated

import typer

from app import __version__
from app.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = {
    "serve": LazyCommand("app.cli.serve:serve", "Run the collector."),
    "pin": LazyCommand("app.cli.pin:pin", "Print the pins of certificates, CSRs, and keys."),
    "backup-key": LazyCommand("app.cli.backup_key:backup_key", "Generate an offline backup key and its CSR."),
    "header": LazyCommand("app.cli.header:app", "Generate and check Public-Key-Pins headers."),
    "check": LazyCommand("app.cli.check:check", "Check a chain against the pins before you deploy it."),
    "probe": LazyCommand("app.cli.probe:probe", "Compare what a host serves with its policy."),
    "policy": LazyCommand("app.cli.policy:app", "Set and show the expected pins of a host."),
    "host": LazyCommand("app.cli.host:app", "List hosts, and delete a host with its data."),
    "what-if": LazyCommand("app.cli.what_if:what_if", "Replay reported violations against another pin set."),
    "readiness": LazyCommand("app.cli.readiness:readiness", "Show whether a host is ready to enforce its pins."),
    "canary": LazyCommand("app.cli.canary:canary", "Send a signed test report and check that it arrives."),
    "control": LazyCommand("app.cli.control:app", "Make control pins that measure how many clients report."),
    "explain": LazyCommand("app.cli.explain:explain", "Explain a report or violation: cause and lockout."),
    "violation": LazyCommand("app.cli.violation:app", "List and show violations, and set their status."),
    "mark": LazyCommand("app.cli.violation:set_status", "Set the status of violations.", hidden=True),
    "refusals": LazyCommand("app.cli.refusals:refusals", "Show rejected reports of a host; count or ignore them."),
    "export": LazyCommand("app.cli.export:export", "Export stored reports as NDJSON or CSV."),
    "exposure": LazyCommand("app.cli.exposure:app", "Record how many clients could have reported."),
    "app": LazyCommand("app.cli.app_releases:app", "Register releases of apps, and read or write their pins."),
    "alert": LazyCommand("app.cli.alert:app", "Test alert receivers and list alerts."),
    "prune": LazyCommand("app.cli.prune:prune", "Delete data past its retention period."),
    "rejudge": LazyCommand("app.cli.rejudge:rejudge_hosts", "Re-evaluate stored violations."),
    "clock": LazyCommand("app.cli.clock:app", "Check the collector's clock, and confirm it."),
    "backup": LazyCommand("app.cli.backup:backup", "Copy the SQLite database while the service runs."),
    "send-sample": LazyCommand("app.cli.sample:send_sample", "Send a synthetic report to a report-uri."),
    "demo": LazyCommand("app.cli.demo:demo", "Fill a new database with sample data."),
    "token": LazyCommand("app.cli.token:app", "Create, list, and revoke API tokens."),
    "log": LazyCommand("app.cli.log:app", "List ingest logs, and continue a damaged one."),
    "db": LazyCommand("app.cli.database:app", "Manage the database schema and Grafana access."),
}
"""Every command by name, with the first line of its help, which is shown without importing the command."""

app = typer.Typer(
    name="hpkp",
    cls=LazyGroup.of(COMMANDS),
    help="Collect HPKP violation reports and decide when to enforce pins.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hpkp {__version__}")
        raise typer.Exit


@app.callback()
def hpkp(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Collect HPKP violation reports and decide when to enforce pins."""


def main() -> None:
    """Run the command line."""
    app(prog_name="hpkp")
