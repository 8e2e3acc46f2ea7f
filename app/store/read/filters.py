"""Filters: which violations and single reports are wanted, and the SQL conditions for that."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_

from app.store import tables


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look at; None leaves a thing open. Instants are of receipt; ``until`` is exclusive."""

    host: str | None = None
    cause: str | None = None
    status: str | None = None
    sender: str | None = None
    mode: str | None = None
    app: str | None = None
    app_version: str | None = None
    platform: str | None = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def of_violation(self) -> list[Any]:
        """Conditions on a violation itself."""
        found: list[Any] = []
        if self.host is not None:
            found.append(or_(tables.violations.c.host == self.host, tables.violations.c.hostname == self.host))
        columns = ("cause", "status", "sender", "mode")
        stated = {column: getattr(self, column) for column in columns if getattr(self, column) is not None}
        found.extend(tables.violations.c[column] == wanted for column, wanted in stated.items())
        return found

    def of_source(self) -> list[Any]:
        """Conditions on where a report came from."""
        named = {
            "app": self.app,
            "app_version": self.app_version,
            "platform": self.platform,
            "label": self.label,
        }
        return [tables.sources.c[column] == wanted for column, wanted in named.items() if wanted is not None]
