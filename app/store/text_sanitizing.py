"""Texts that both databases can keep.

PostgreSQL takes no NUL in a text, and neither database half a surrogate pair, which JSON and command lines can bring.
This is the one place where such characters are replaced, in every parameter of every statement, so that what was
stored is also found again by the same text. Bytes are left as they are.
"""

import json
import re
from typing import Any

from sqlalchemy import Engine, event

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_WITHOUT_TEXT = frozenset({int, bytes, float, bool, memoryview, type(None)})


def storable(value: Any) -> Any:
    """Return a value with the replacement character for what no text may hold, also inside dicts, lists and tuples."""
    kind = type(value)
    if kind in _WITHOUT_TEXT:
        return value
    if kind is str:
        return value if value.isascii() and "\0" not in value else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if kind is dict:
        return {storable(name): storable(inner) for name, inner in value.items()}
    if kind is list:
        return list(map(storable, value))
    if kind is tuple and not _WITHOUT_TEXT.issuperset(map(type, value)):  # most rows of a batch: one step, not eight
        return tuple(map(storable, value))
    return value


def to_json(value: Any) -> str:
    """Write a JSON column."""
    text = json.dumps(value, ensure_ascii=False)
    # A NUL is escaped there. The escape may also stand for itself behind a backslash; then nothing is replaced.
    unstorable = _UNSTORABLE.search(text) or "\\u0000" in text
    return json.dumps(storable(value), ensure_ascii=False) if unstorable else text


def keep_texts_storable(engine: Engine) -> None:
    """Let no statement of an engine carry what no text may hold."""
    event.listen(engine, "before_cursor_execute", _before_execute, retval=True)


def _before_execute(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    return statement, storable(parameters)
