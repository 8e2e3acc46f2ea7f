"""What every command shares: how it answers, how it fails, and how it opens the store."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.tree import Tree
from sqlalchemy.exc import SQLAlchemyError

from app.hpkp.errors import HpkpError
from app.metrics import Metrics
from app.service import Service, open_service
from app.settings import Settings
from app.store.engine import without_password
from app.wiring import catch_up

out = Console(highlight=False, soft_wrap=True)
"""Standard output; never wraps, so that pins and headers stay on their line."""
err = Console(stderr=True, highlight=False, soft_wrap=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]

_WIDEST = 4000

NO, CANNOT_TELL = 1, 2
"""Exit codes beside 0; 2 is also a command that was not understood."""


def fail(reason: str, code: int = CANNOT_TELL) -> NoReturn:
    """End the command with a reason on standard error."""
    err.print(f"error: {reason}", markup=False, style="red")
    raise typer.Exit(code)


def print_tree(tree: Tree) -> None:
    """Print a tree; where the output is no terminal, no pin and no field is broken over lines."""
    wide = out if out.is_terminal else Console(highlight=False, width=_WIDEST)
    wide.print(tree)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, Enum) else str(value)


def read_settings(**changes: Any) -> Settings:
    """Read the settings from the environment, or end the command naming the one that is wrong."""
    try:
        return Settings(**changes)
    except ValidationError as error:
        first = error.errors()[0]
        name = "HPKP_" + "_".join(map(str, first["loc"])).upper()
        fail(f"{name}: {first['msg']}")


@contextmanager
def opened(settings: Settings | None = None, *, caught_up: bool = True) -> Iterator[Service]:
    """Open the store for one command; what goes wrong with it ends the command with the reason.

    With ``caught_up``, what was accepted before is counted.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    chosen = settings or read_settings()
    try:
        service = open_service(chosen, Metrics())
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


def cannot_use(settings: Settings, error: Exception) -> str:
    """Say that the store cannot be used, and why; without the password that its URL may hold."""
    store, reason = without_password(settings.database_url), getattr(error, "orig", None) or error
    return f"the store {store} cannot be used: {reason}"
