"""``hpkp token``: API tokens."""

from enum import StrEnum
from typing import Annotated

import typer

from app.cli.terminal import NO, JsonOption, fail, opened, out, print_json

app = typer.Typer(help="Make, list and revoke API tokens.", no_args_is_help=True)


class Scope(StrEnum):
    """What a token allows."""

    READ = "read"
    ADMIN = "admin"


NameArgument = Annotated[str, typer.Argument(help="Your name for the token.")]


@app.command("new")
def new(
    name: NameArgument,
    scope: Annotated[Scope, typer.Option(help="read: look; admin: look and change.")] = Scope.READ,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it. It is shown this once; the store keeps only its hash."""
    with opened() as service:
        try:
            text = service.tokens.make(name, scope)
        except ValueError as error:
            fail(str(error), NO)
    if as_json:
        print_json({"name": name, "scope": scope, "token": text})
    else:
        typer.echo(text)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the tokens, without their text."""
    with opened() as service:
        tokens = service.tokens.list()
    if as_json:
        print_json([{"name": t.name, "scope": t.scope, "created_at": t.created_at} for t in tokens])
        return
    for token in tokens:
        out.print(f"{token.name}  {token.scope}  {token.created_at:%Y-%m-%d %H:%M} UTC", markup=False)
    if not tokens:
        out.print("There are no tokens. Make one with `hpkp token new NAME`.", markup=False)


@app.command("revoke")
def revoke(name: NameArgument, as_json: JsonOption = False) -> None:
    """Make a token useless from now on."""
    with opened() as service:
        found = service.tokens.revoke(name)
    if not found:
        fail(f"there is no token {name!r}", NO)
    if as_json:
        print_json({"name": name, "revoked": True})
    else:
        out.print(f"revoked {name}", markup=False)
