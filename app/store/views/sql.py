"""What the two databases write differently in a view: instants, JSON, and bytes as text."""

from typing import Any, Protocol

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Double,
    FromClause,
    Text,
    cast,
    column,
    func,
    literal_column,
)

Value = ColumnElement[Any]


class Elements(Protocol):
    """The elements of a JSON array, each with its position from 0."""

    source: FromClause
    position: Value
    value: Value


class _Elements:
    def __init__(self, source: FromClause, position: Value, value: Value) -> None:
        self.source, self.position, self.value = source, position, value


class Postgres:
    """Instants are ``timestamptz``, bytes are looked up by their key."""

    name = "postgresql"
    schema: str | None = "grafana"

    def moment(self, milliseconds: Value) -> Value:
        """Return an instant as Grafana takes it."""
        return cast(func.to_timestamp(cast(milliseconds, Double) / literal_column("1000")), DateTime(timezone=True))

    def now(self) -> Value:
        """Return the present moment in milliseconds."""
        return cast(func.extract("epoch", func.now()), Double) * literal_column("1000")

    def elements(self, array: Value, name: str) -> Elements:
        """Walk an array of objects."""
        made = func.json_array_elements(array).table_valued(
            column("value", JSON), with_ordinality="position", name=name
        )
        walked = made.render_derived()
        return _Elements(walked, walked.c.position - literal_column("1"), walked.c.value)

    def texts(self, array: Value, name: str) -> Elements:
        """Walk an array of texts."""
        made = func.json_array_elements_text(array).table_valued(
            column("value", Text), with_ordinality="position", name=name
        )
        walked = made.render_derived()
        return _Elements(walked, walked.c.position - literal_column("1"), walked.c.value)

    def members(self, object_: Value, name: str) -> FromClause:
        """Walk the members of an object of texts: ``key`` and ``value``."""
        return func.json_each_text(object_).table_valued(column("key", Text), column("value", Text), name=name)
