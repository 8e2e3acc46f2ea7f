"""``hpkp token``: API tokens, and log-in links to the pages."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from app.cli.terminal import JsonOption, fail, opened, out, print_json
from app.clock import now

app = typer.Typer(help="Create, list, and revoke API tokens.", no_args_is_help=True)


class Scope(StrEnum):
    """What a token allows."""

    READ = "read"
    ADMIN = "admin"


NameArgument = Annotated[str, typer.Argument(help="Your name for the token.")]
_SCOPE_HELP = "read: view; admin: view and change."


def login_address(base: str, secret: str) -> str:
    """Return the address that begins a session, once."""
    return f"{base.rstrip('/')}/login?link={secret}"


@app.command("new")
def new(
    name: NameArgument,
    scope: Annotated[Scope, typer.Option(help=_SCOPE_HELP)] = Scope.READ,
    expires: Annotated[
        int | None, typer.Option(min=1, max=36_500, metavar="DAYS", help="Days until it expires; never by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a token and print it once. The store keeps only its hash."""
    expires_at = None if expires is None else now() + timedelta(days=expires)
    with opened(creates=True) as service:
        try:
            text = service.tokens.make(name, scope, expires_at=expires_at)
        except ValueError as error:
            fail(str(error))
    if as_json:
        print_json({"name": name, "scope": scope, "expires_at": expires_at, "token": text})
    else:
        typer.echo(text)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the tokens, without their text."""
    with opened() as service:
        tokens = service.tokens.list()
    if as_json:
        print_json(
            [
                {
                    "name": token.name,
                    "scope": token.scope,
                    "created_at": token.created_at,
                    "expires_at": token.expires_at,
                    "last_used_at": token.last_used_at,
                }
                for token in tokens
            ]
        )
        return
    at = now()
    for token in tokens:
        used = "never used" if token.last_used_at is None else f"last used {token.last_used_at:%Y-%m-%d %H}h"
        expiry = _expiry(token.expires_at, at)
        out.print(
            f"{token.name}  {token.scope}  created {token.created_at:%Y-%m-%d %H:%M}  {used}  {expiry}  (UTC)",
            markup=False,
        )
    if not tokens:
        out.print("There are no tokens. Create one with `hpkp token new NAME`.", markup=False)


def _expiry(expires_at: datetime | None, at: datetime) -> str:
    if expires_at is None:
        return "never expires"
    return f"{'expires' if at < expires_at else 'EXPIRED'} {expires_at:%Y-%m-%d %H:%M}"


@app.command("revoke")
def revoke(name: NameArgument, as_json: JsonOption = False) -> None:
    """Revoke a token, and end the sessions that began with it."""
    with opened() as service:
        found = service.tokens.revoke(name)
    if not found:
        fail(f"token {name!r} not found")
    if as_json:
        print_json({"name": name, "revoked": True})
    else:
        out.print(f"revoked {name}", markup=False)


@app.command("login-link")
def login_link(
    name: Annotated[str | None, typer.Argument(help="Who logs in; events carry the name.")] = None,
    scope: Annotated[Scope, typer.Option(help=_SCOPE_HELP)] = Scope.ADMIN,
    url: Annotated[str, typer.Option(help="Address at which you open the pages.")] = "http://127.0.0.1:8000",
    as_json: JsonOption = False,
) -> None:
    """Print a link that logs a browser in to the pages, once."""
    with opened(creates=True) as service:
        try:
            link = service.sessions.make_link(at=now(), name=name, scope=scope)
        except ValueError as error:
            fail(str(error))
    address = login_address(url, link.secret)
    if as_json:
        print_json({"url": address, "name": link.name, "scope": link.scope, "expires_at": link.expires_at})
    else:
        typer.echo(address)


@app.command("end-sessions")
def end_sessions(as_json: JsonOption = False) -> None:
    """End all sessions of the pages, and discard unused links."""
    with opened() as service:
        ended = service.sessions.end_all()
    if as_json:
        print_json({"ended": ended})
    else:
        out.print(f"ended {ended} {'session' if ended == 1 else 'sessions'}", markup=False)
