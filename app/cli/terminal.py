"""What every command shares: how it answers, how it fails, and how it opens the store.

Every command imports this file, also to print its help: what is heavy is imported where it is used.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from app.cli.lazy_group import CANNOT_TELL as CANNOT_TELL
from app.hpkp.errors import HpkpError

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn
    from rich.tree import Tree

    from app.service import Service
    from app.settings import Settings

out = Console(highlight=False, soft_wrap=True)
"""Standard output; never wraps, so that pins and headers stay on their line."""
err = Console(stderr=True, highlight=False, soft_wrap=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]

_WIDEST = 4000

ACTOR = "command line"
"""Who does what a command changes, in events."""

NO = 1
"""The exit code where the answer is no; `CANNOT_TELL` is also that of a command that was not understood."""


def fail(reason: str, code: int = CANNOT_TELL) -> NoReturn:
    """End the command with a reason on standard error."""
    err.print(f"error: {reason}", markup=False, style="red")
    raise typer.Exit(code)


def no_policy(host: str) -> str:
    """Return the error of a command that needs a policy."""
    return f"no policy for {host}; set one with `hpkp policy set {host} --pin PIN --pin BACKUP_PIN`"


def print_tree(tree: Tree) -> None:
    """Print a tree; where the output is no terminal, no pin and no field is broken over lines."""
    wide = out if out.is_terminal else Console(highlight=False, width=_WIDEST)
    wide.print(tree)


def show_progress(*columns: ProgressColumn) -> Progress:
    """Show progress on standard error if that is a terminal, until the block ends; nothing goes into a pipe or file."""
    from rich.progress import Progress

    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, Enum) else str(value)


def read_settings(**changes: Any) -> Settings:
    """Read the settings from the environment, or end the command naming the one that is wrong."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from app.settings import Settings, UnusableSetting

    try:
        return Settings(**changes)
    except UnusableSetting as error:
        fail(str(error))
    except SettingsError as error:  # a list that is no JSON; the message names the field alone
        field = re.search(r'field "(\w+)"', str(error))
        fail(f"HPKP_{field[1].upper()}: not a JSON list" if field else str(error))
    except ValidationError as error:
        first = error.errors()[0]
        name = "HPKP_" + "_".join(map(str, first["loc"])).upper()
        fail(f"{name}: {first['msg']}")


@contextmanager
def opened(settings: Settings | None = None, *, caught_up: bool = True, creates: bool = False) -> Iterator[Service]:
    """Open the store for one command; what goes wrong with it ends the command with the reason.

    With ``caught_up``, what was accepted before is counted. Only with ``creates`` a store is made that is not there.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from app.metrics import Metrics
    from app.service import open_service
    from app.store.engine import exists
    from app.wiring import catch_up

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    chosen = settings or read_settings()
    if not creates and not exists(chosen.database_url):
        fail(_say_missing(chosen))
    try:
        service = open_service(chosen, Metrics())
    except HpkpError as error:  # a file that a setting names; it says which
        fail(str(error))
    except (SQLAlchemyError, OSError, RuntimeError, ValueError) as error:
        fail(cannot_use(chosen, error))
    try:
        if caught_up:
            catch_up(service)
        yield service
    except HpkpError as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(cannot_use(chosen, error))
    finally:
        service.engine.dispose()


def _say_missing(settings: Settings) -> str:
    """Name the store that is not there, with its directory: it is often the wrong one."""
    from app.settings import sqlite_file
    from app.store.engine import without_password

    file = sqlite_file(settings.database_url)
    place = file.absolute() if file else without_password(settings.database_url)
    return f"there is no store at {place}. HPKP_DATABASE_URL names another; hpkp serve and hpkp policy set make one"


def cannot_use(settings: Settings, error: Exception) -> str:
    """Say that the store cannot be used, and why; without the password that its URL may hold."""
    from app.store.engine import without_password

    store, reason = without_password(settings.database_url), getattr(error, "orig", None) or error
    return f"the store {store} of HPKP_DATABASE_URL cannot be used: {reason}"
