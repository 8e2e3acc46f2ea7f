"""A group of commands whose modules are imported when they are run, so that ``hpkp --help`` costs little.

Measured: all modules take 1.8 s of CPU to import, the table of commands and Typer 0.1 s.

Also here, because it concerns every command: help texts that show no Python types, and the exit code of what fails.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import typer
from typer._click.exceptions import ClickException  # Typer has public names neither for this nor for the next
from typer._click.shell_completion import CompletionItem
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_group

from app.hpkp.errors import HpkpError

CANNOT_TELL = 2
_DAY = "%Y-%m-%d"
_WIDEST_CHOICES = 60


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command or group is (``module:attribute``), and the first line of its help."""

    place: str
    help: str
    hidden: bool = False

    def load(self, name: str) -> TyperCommand | TyperGroup:
        """Import the command, a function or a Typer application."""
        module, _, attribute = self.place.partition(":")
        found = getattr(import_module(module), attribute)
        parent = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        if isinstance(found, typer.Typer):
            for command in found.registered_commands:
                command.cls = PlainCommand
            parent.add_typer(found, name=name, help=self.help, no_args_is_help=True, hidden=self.hidden)
        else:
            parent.command(name, cls=PlainCommand, hidden=self.hidden)(found)
        loaded = get_group(parent).commands[name]
        assert isinstance(loaded, TyperCommand | TyperGroup)
        return loaded


class _LazyCommands(Mapping[str, TyperCommand | TyperGroup]):
    """Commands by name; looking one up imports it."""

    def __init__(self, table: Mapping[str, LazyCommand]) -> None:
        self._table = table
        self._loaded: dict[str, TyperCommand | TyperGroup] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self._loaded:
            self._loaded[name] = self._table[name].load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


class LazyGroup(TyperGroup):
    """The group at the top: lists and completes its commands from the table, and imports the one that is run."""

    table: Mapping[str, LazyCommand] = {}

    @classmethod
    def of(cls, table: Mapping[str, LazyCommand]) -> type["LazyGroup"]:
        """Return a class for these commands, as Typer wants one."""
        return type("LazyGroup", (cls,), {"table": table})

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _LazyCommands(self.table)  # type: ignore[assignment]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the whole first line of its help."""
        shown = [(name, command.help) for name, command in self.table.items() if not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(shown)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the name of a command, without importing any."""
        commands = [
            CompletionItem(name, help=command.help)
            for name, command in self.table.items()
            if name.startswith(incomplete) and not command.hidden
        ]
        return commands + super(TyperGroup, self).shell_complete(ctx, incomplete)

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run a command, and end with its exit code.

        1 means that the answer is no, and a hook acts on it: nothing else ends with 1, neither what was aborted nor a
        fault of the program, as it would in Python.
        """
        try:
            code = super().main(*arguments, **{**settings, "standalone_mode": False})
        except ClickException as error:
            error.show()
            code = CANNOT_TELL
        except typer.Abort:
            typer.echo("Aborted.", err=True)
            code = CANNOT_TELL
        except HpkpError as error:
            typer.echo(f"error: {error}", err=True)
            code = CANNOT_TELL
        except Exception:
            logging.getLogger(__name__).exception("This is a fault of hpkp; please report it with what follows.")
            code = CANNOT_TELL
        sys.exit(code or 0)


class PlainCommand(TyperCommand):
    """A command whose help names values as people do: ``--pin TEXT``, not ``--pin <list[str]>``."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument) and parameter.metavar is None:
                parameter.metavar = parameter.name.upper()

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options."""
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                rows[parameter.param_type_name].append(_plain_record(parameter, *record, ctx))
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            if rows[kind]:
                with formatter.section(title):
                    formatter.write_dl(rows[kind])


def _plain_record(parameter: Any, name: str, text: str, ctx: Any) -> tuple[str, str]:
    """Return both columns of a parameter, with a word in place of its type; many choices move to the second one."""
    shown = parameter.display_type(ctx)
    if isinstance(parameter, TyperArgument):
        return name.removesuffix(f" {shown}"), text
    if parameter.metavar is not None or parameter.is_flag:
        return name, text
    if not parameter.type_descriptor.is_choice:
        return name.replace(shown, _value_word(parameter)), text
    if len(name) <= _WIDEST_CHOICES:
        return name, text
    choices = ", ".join(shown.strip("<>").split("|"))
    return name.replace(shown, parameter.name.upper()), f"{text} One of: {choices}."


def _value_word(option: TyperOption) -> str:
    described = option.type_descriptor
    of = get_args(described.annotation)[0] if described.is_list else described.annotation
    if of is datetime:
        return "DATE" if described.parameter_info.formats == [_DAY] else "TIME"
    return {int: "NUMBER", float: "NUMBER", Path: "FILE"}.get(of, "TEXT")
