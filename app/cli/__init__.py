"""The command line: one file per group of commands, put together in `commands`."""

from app.cli.commands import app, main

__all__ = ["app", "main"]
