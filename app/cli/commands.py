"""The command ``hpkp``: one file per group of commands.

What a command found goes to standard output (with ``--json`` as one JSON document), what it did not understand to
standard error. Exit codes: 0 done, 1 the answer is no, 2 cannot tell or not understood.
"""

import typer

from app.cli import (
    alert,
    backup_key,
    canary,
    check,
    control,
    database,
    demo,
    explain,
    export,
    exposure,
    header,
    log,
    mark,
    pin,
    policy,
    probe,
    prune,
    readiness,
    refusals,
    rejudge,
    sample,
    serve,
    token,
    what_if,
)

app = typer.Typer(
    name="hpkp",
    help="Receive key-pinning violation reports, judge the chains, and say when enforcing is safe.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serve.serve)
app.command("pin")(pin.pin)
app.command("backup-key")(backup_key.backup_key)
app.add_typer(header.app, name="header")
app.command("check")(check.check)
app.command("probe")(probe.probe)
app.add_typer(policy.app, name="policy")
app.command("what-if")(what_if.what_if)
app.command("readiness")(readiness.readiness)
app.command("canary")(canary.canary)
app.add_typer(control.app, name="control")
app.command("explain")(explain.explain)
app.command("mark")(mark.mark)
app.command("refusals")(refusals.refusals)
app.command("export")(export.export)
app.add_typer(exposure.app, name="exposure")
app.add_typer(alert.app, name="alert")
app.command("prune")(prune.prune)
app.command("rejudge")(rejudge.rejudge_hosts)
app.command("send-sample")(sample.send_sample)
app.command("demo")(demo.demo)
app.add_typer(token.app, name="token")
app.add_typer(log.app, name="log")
app.add_typer(database.app, name="db")


def main() -> None:
    """Run the command line."""
    app()
