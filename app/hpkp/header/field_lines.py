"""The fields in what people paste: response headers (curl -sI, curl -v), and lines of server configuration.

Knows each server's quoting, so that the value is what the server would send; `server_lines` writes such lines. A text
in which no line is recognised is taken for a bare value.

::

    text ──read_fields──> FieldValues(field, values, source) …
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY


@dataclass(frozen=True, slots=True)
class FieldValues:
    """The values of one field in their order; ``source`` says where they were found, None for a value by itself."""

    field: str
    values: tuple[str, ...]
    source: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    field: str
    value: str
    form: str
    start: int


_NAME = r"(?P<name>Public-Key-Pins(?:-Report-Only)?)"
_DOUBLE = r'"(?:\\.|[^"\\])*"'
_BEFORE = r"^[^#\n]*?"  # a "#" before it makes it a comment


def _token(pattern: str, unquote: Callable[[str], str]) -> Callable[[str, int], str]:
    """Make a reader of the token that begins at a place: by its pattern, then without its quotes."""
    compiled = re.compile(pattern, re.DOTALL)

    def read(text: str, at: int) -> str:
        match = compiled.match(text, at)
        # An open quote: take the line, whose faults the linter then tells.
        return unquote(match[0]) if match else text[at:].partition("\n")[0]

    return read


def _unescape(escaped: str) -> Callable[[str], str]:
    """Make what takes quotes off and backslashes before these characters, and leaves other backslashes."""
    pattern = re.compile(rf"\\([{re.escape(escaped)}])")
    return lambda token: pattern.sub(r"\1", token[1:-1]) if token[:1] in ("'", '"') else token


def _of_shell(token: str) -> str:
    """Read a word of HAProxy: quotes may begin anywhere in it and are eaten; a backslash quotes one character."""
    parts = re.finditer(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|(.)""", token, re.DOTALL)
    return "".join(
        re.sub(r"\\(.)", r"\1", part[2]) if part[2] is not None else next(filter(None, part.groups()), "")
        for part in parts
    )


def _of_backticks(token: str) -> str:
    return token[1:-1] if token.startswith("`") else _unescape('"')(token) if token.startswith('"') else token


_WORD = rf"(?:'[^']*'|{_DOUBLE}|\\.|[^\s\"'\\])+"
_IN_QUOTES = r"'(?:\\.|[^'\\])*'"

_FORMS: tuple[tuple[str, str, Callable[[str, int], str]], ...] = (
    (
        "response header",
        rf"^(?:<[ \t])?[ \t]*{_NAME}[ \t]*:[ \t]*",
        _token(r"[^\r\n]*", str.rstrip),
    ),
    (
        "nginx add_header",
        rf"{_BEFORE}\badd_header\s+[\"']?{_NAME}[\"']?\s+",
        _token(rf"{_DOUBLE}|{_IN_QUOTES}|(?![\"'])[^\s;{{]+", _unescape("\"'\\")),
    ),
    (
        "Apache Header",
        rf"{_BEFORE}\bHeader\s+(?:(?:always|onsuccess|early)\s+)?(?:set|setifempty|add|append|merge)\s+"
        rf"[\"']?{_NAME}:?[\"']?\s+",
        _token(rf"{_DOUBLE}|{_IN_QUOTES}|(?![\"'])\S+", lambda token: _unescape("\"'\\")(token).replace("%%", "%")),
    ),
    (
        "HAProxy set-header",
        rf"{_BEFORE}\bhttp-(?:after-)?response\s+(?:set|add)-header\s+{_NAME}\s+",
        _token(_WORD, lambda token: _of_shell(token).replace("%%", "%")),
    ),
    ("HAProxy rspadd", rf"{_BEFORE}\brspadd\s+{_NAME}:(?:\\ |[ \t])*", _token(_WORD, _of_shell)),
    ("lighttpd", rf'{_BEFORE}"{_NAME}"\s*=>\s*', _token(_DOUBLE, _unescape('"'))),
    (
        "IIS customHeaders",
        rf'<add\s+name="{_NAME}"\s+value=',
        _token(r"\"[^\"]*\"|'[^']*'", lambda token: html.unescape(token[1:-1])),
    ),
    (
        "Caddy header",
        rf"(?:{_BEFORE}\bheader\s+(?:[/@*]\S*\s+)?|^[ \t]*)[+>?]*{_NAME}[ \t]+(?!:)",
        _token(rf"`[^`]*`|{_DOUBLE}|\S+", _of_backticks),
    ),
)
"""Name of the form, what stands before the value, and how the value is read."""

_READERS = tuple((name, re.compile(head, re.MULTILINE | re.IGNORECASE), read) for name, head, read in _FORMS)
_RESPONSE = re.compile(r"^(?:< )?HTTP/[0-9]", re.MULTILINE)


def read_fields(text: str, *, report_only: bool = False) -> tuple[FieldValues, ...]:
    """Read the fields out of a text, in its order; none where it is a response without them.

    Fields of one response count together, because browsers take the first (RFC 7469 section 2.3.1); each line of a
    configuration counts by itself. ``report_only`` is how a bare value is taken.
    """
    found = sorted(_find(text), key=lambda item: item.start)
    if not found:
        bare = FieldValues(REPORT_ONLY if report_only else ENFORCING, (text.rstrip("\r\n"),))
        return () if _RESPONSE.match(text) else (bare,)
    if len(found) == 1 and found[0].form == "response header" and "\n" not in text.strip():
        return (FieldValues(found[0].field, (found[0].value,)),)
    groups: dict[object, list[_Found]] = {}
    for item in found:
        of_response = item.form == "response header"
        response = sum(1 for _ in _RESPONSE.finditer(text, 0, item.start))
        groups.setdefault((response, item.field) if of_response else item, []).append(item)
    return tuple(
        FieldValues(items[0].field, tuple(item.value for item in items), _source(text, items))
        for items in groups.values()
    )


def _find(text: str) -> Iterator[_Found]:
    """Find each line once, by the first form that knows it."""
    taken: set[int] = set()
    for form, head, read in _READERS:
        for match in head.finditer(text):
            place = match.start("name")
            if place not in taken:
                taken.add(place)
                field = REPORT_ONLY if match["name"].lower() == REPORT_ONLY.lower() else ENFORCING
                yield _Found(field, read(text, match.end()), form, place)


def _source(text: str, items: list[_Found]) -> str:
    lines = [text.count("\n", 0, item.start) + 1 for item in items]
    return f"{items[0].form} in line {', '.join(map(str, lines))}"
