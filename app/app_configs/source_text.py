"""Source text of Kotlin, Java, Swift, Dart and JavaScript as tokens: enough to read literals, and nothing is followed.

Linear in the text: every alternative matches from where it begins, an unterminated string ends with its line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.app_configs.limits import MAX_DEPTH
from app.hpkp.errors import InvalidAppConfig

_TOKEN = re.compile(
    r"""(?P<blank>\s++|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)
      | (?P<text>"(?:[^"\\\n]|\\[^\n])*+"? | '(?:[^'\\\n]|\\[^\n])*+'? | `(?:[^`\\]|\\.)*+`?)
      | (?P<name>[A-Za-z_$][A-Za-z0-9_$]*+)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Kind(StrEnum):
    """What a token is."""

    TEXT = "text"
    """A string literal; `Token.value` is None where something is put into it (``$name``, ``${…}``, ``\\(…)``)."""
    NAME = "name"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Token:
    """One token with its line, from 1."""

    kind: Kind
    value: str | None
    line: int

    @property
    def place(self) -> str:
        """Where it is, for a refusal."""
        return f"line {self.line}"

    def is_mark(self, mark: str) -> bool:
        """Whether it is this character."""
        return self.kind is Kind.MARK and self.value == mark


_MAX_TOKENS = 200_000
"""Far above a source file of `limits.MAX_BYTES`."""


def tokens_of(text: str) -> list[Token]:
    """Return the tokens, without comments and blanks. Raises InvalidAppConfig for too many, or nested too deep.

    The depth bounds the cost of `arguments_of` for calls within calls.
    """
    found: list[Token] = []
    depth = 0
    for token in _tokens(text):
        if token.kind is Kind.MARK:
            depth = max(depth + _step(token), 0)
        if depth > MAX_DEPTH or len(found) >= _MAX_TOKENS:
            raise InvalidAppConfig("the source text is nested too deep or too long", place=token.place)
        found.append(token)
    return found


def _step(token: Token) -> int:
    """Return by how much a token changes the depth of brackets."""
    if token.kind is not Kind.MARK or token.value is None:
        return 0
    return (token.value in "([{") - (token.value in ")]}")


def _tokens(text: str) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        written = match[0]
        if match.lastgroup == "text":
            yield Token(Kind.TEXT, _literal(written), line)
        elif match.lastgroup != "blank":
            yield Token(Kind(match.lastgroup or ""), written, line)
        line += written.count("\n")


def _literal(written: str) -> str | None:
    inner = written[1 : -1 if len(written) > 1 and written[-1] == written[0] else None]
    return None if "$" in inner or "\\(" in inner else _ESCAPE.sub(r"\1", inner)


def closing(tokens: list[Token], start: int) -> int:
    """Return the position of the bracket that closes the one at ``start``; the end of the text if none does."""
    depth = 0
    for position in range(start, len(tokens)):
        depth += _step(tokens[position])
        if depth == 0:
            return position
    return len(tokens)


def arguments_of(tokens: list[Token], start: int) -> list[list[Token]]:
    """Return the arguments of the call whose bracket is at ``start``, each as its tokens."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[start + 1 : closing(tokens, start)]:
        depth += _step(token)
        if depth == 0 and token.is_mark(","):
            found.append([])
        else:
            found[-1].append(token)
    return [argument for argument in found if argument]


class LiteralReader:
    """Reads one literal of JavaScript: objects, arrays, texts, true, false, null, undefined; no numbers."""

    def __init__(self, tokens: list[Token], position: int) -> None:
        self.tokens = tokens
        self.position = position

    def read(self, depth: int = 0) -> object:
        """Return the value at the position and go behind it; InvalidAppConfig names what is no literal."""
        token = self._next()
        if depth > MAX_DEPTH:
            raise InvalidAppConfig(f"the literal is nested more than {MAX_DEPTH} levels deep", place=token.place)
        if token.kind is Kind.TEXT and token.value is not None:
            return token.value
        if token.is_mark("{"):
            return self._object(depth)
        if token.is_mark("["):
            return self._array(depth)
        if token.kind is Kind.NAME and token.value in _CONSTANTS:
            return _CONSTANTS[token.value]
        raise _no_literal(token)

    def _next(self) -> Token:
        if self.position >= len(self.tokens):
            raise InvalidAppConfig("the text ends within a literal", place=self.tokens[-1].place)
        self.position += 1
        return self.tokens[self.position - 1]

    def _at(self, mark: str) -> bool:
        return self.position < len(self.tokens) and self.tokens[self.position].is_mark(mark)

    def _object(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while not self._at("}"):
            key = self._next()
            if key.kind is Kind.MARK or key.value is None:
                raise _no_literal(key)
            if key.value in found:
                raise InvalidAppConfig(f"the key {key.value[:80]!r} is there twice", place=key.place)
            if not self._at(":"):
                raise _no_literal(key)
            self.position += 1
            found[key.value] = self.read(depth + 1)
            self._separator("}")
        self.position += 1
        return found

    def _array(self, depth: int) -> list[object]:
        found: list[object] = []
        while not self._at("]"):
            found.append(self.read(depth + 1))
            self._separator("]")
        self.position += 1
        return found

    def _separator(self, end: str) -> None:
        if self._at(","):
            self.position += 1
        elif not self._at(end):
            raise _no_literal(self._next())


_CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None, "undefined": None}


def _no_literal(token: Token) -> InvalidAppConfig:
    shown = "text with something put into it" if token.value is None else f"{token.value[:80]!r}"
    return InvalidAppConfig(
        f"{shown} is no literal here; constants and expressions of source text are not followed", place=token.place
    )
