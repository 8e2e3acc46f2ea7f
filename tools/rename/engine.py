"""Rename symbols, attributes, and modules of a Python checkout by tokens, and tell of collisions."""

import ast
import io
import keyword
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

NEVER = ("app/store/migrations/", "CHANGELOG.md", "docs/openapi.json", "tests/golden/readiness/", "uv.lock", ".git/")
TEXTS = (".md", ".html", ".toml", ".yaml", ".yml", ".j2", ".tsx", ".ts", ".mjs", ".cfg", ".js", ".css", ".lua")


class CollisionError(SystemExit):
    """The new name exists already."""


@dataclass(frozen=True)
class Tok:
    """A token with byte-free offsets into the text."""

    kind: int
    text: str
    start: int
    end: int


class Tree:
    """The files of a checkout, changed in memory and written at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True).stdout
        self.texts: dict[str, str] = {}
        self.names: set[str] = set()
        for name in filter(None, listed.decode().split("\0")):
            path = root / name
            if not path.is_file():
                continue
            self.names.add(name)
            if name.startswith(NEVER):
                continue
            if name.endswith((".py", *TEXTS)) or name in ("Makefile", ".ci/run", "Dockerfile", ".dockerignore", ".gitignore"):
                try:
                    self.texts[name] = path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue
        self.changed: set[str] = set()
        self._tokens: dict[str, list[Tok]] = {}
        self._trees: dict[str, ast.Module] = {}
        self.moves: list[tuple[str, str]] = []
        self.log: list[str] = []
        self.skipped: list[str] = []

    # -- access

    def py(self) -> list[str]:
        return [name for name in self.texts if name.endswith(".py")]

    def put(self, name: str, text: str) -> None:
        if self.texts[name] != text:
            self.texts[name] = text
            self.changed.add(name)
            self._tokens.pop(name, None)
            self._trees.pop(name, None)

    def tokens(self, name: str) -> list[Tok]:
        if name not in self._tokens:
            self._tokens[name] = list(_tokenize(self.texts[name]))
        return self._tokens[name]

    def ast(self, name: str) -> ast.Module:
        if name not in self._trees:
            self._trees[name] = ast.parse(self.texts[name])
        return self._trees[name]

    def write(self) -> None:
        for old, new in self.moves:
            (self.root / new).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "mv", old, new], cwd=self.root, check=True)
        for name in sorted(self.changed):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.texts[name], encoding="utf-8")

    # -- moves

    def move(self, old: str, new: str) -> None:
        """Move a module or a package directory (names without .py for directories end in /)."""
        if old.endswith("/"):
            inside = sorted(name for name in self.names if name.startswith(old))
            for name in inside:
                self._git_mv(name, new + name[len(old) :])
            moved = bool(inside)
        else:
            moved = old in self.names
            if moved:
                self._git_mv(old, new)
        exists = any(name.startswith(new) for name in self.names)
        if not moved and not exists:
            self.skipped.append(f"move {old}: missing")
            return
        if old.endswith(".py") or old.endswith("/"):
            self.rewrite_module(_dotted(old), _dotted(new))
        self.rewrite_path(old, new)

    def _git_mv(self, old: str, new: str) -> None:
        if new in self.names:
            raise CollisionError(f"{old}: {new} exists already")
        self.moves.append((old, new))
        self.names.discard(old)
        self.names.add(new)
        if old in self.texts:
            self.texts[new] = self.texts.pop(old)
            if old in self.changed:
                self.changed.discard(old)
                self.changed.add(new)
            self._tokens.pop(old, None)
            self._trees.pop(old, None)

    def rewrite_path(self, old: str, new: str) -> None:
        """Rewrite a path where it is named in texts: docs, comments, configuration."""
        pattern = re.compile(rf"(?<![\w/.-]){re.escape(old)}" + ("" if old.endswith("/") else r"(?![\w/-])"))
        bare = re.compile(rf"(?<![\w/.-]){re.escape(old.rstrip('/'))}(?![\w/.-])") if old.endswith("/") else None
        for name in list(self.texts):
            text = self.texts[name]
            if old.rstrip("/") in text:
                text = pattern.sub(new, text)
                if bare is not None:
                    text = bare.sub(new.rstrip("/"), text)
                self.put(name, text)

    def rewrite_module(self, old: str, new: str) -> None:
        """Rewrite imports of a module, dotted mentions of it, and the name under which it is used."""
        package, _, leaf = old.rpartition(".")
        new_package, _, new_leaf = new.rpartition(".")
        dotted = re.compile(rf"(?<![\w./]){re.escape(old)}(?![\w-])")
        for name in list(self.texts):
            text = self.texts[name]
            if old in text:
                self.put(name, dotted.sub(new, text))
            if not name.endswith(".py") or not package:
                continue
            tree_text = self.texts[name]
            if f"from {package} import" not in tree_text:
                continue
            self._rewrite_from_package(name, package, leaf, new_package, new_leaf)

    def _rewrite_from_package(self, name: str, package: str, leaf: str, new_package: str, new_leaf: str) -> None:
        found = [
            (node, alias)
            for node in ast.walk(self.ast(name))
            if isinstance(node, ast.ImportFrom) and node.module == package and not node.level
            for alias in node.names
            if alias.name == leaf
        ]
        if not found:
            return
        if leaf != new_leaf and _binds(self.ast(name), new_leaf):
            raise CollisionError(f"{name}: {new_leaf} exists already, for the module {leaf}")
        text = self.texts[name]
        lines = _line_starts(text)
        edits: list[tuple[int, int, str]] = []
        for node, alias in found:
            start = lines[node.lineno - 1] + _chars(text, lines, node.lineno, node.col_offset)
            end = lines[node.end_lineno - 1] + _chars(text, lines, node.end_lineno, node.end_col_offset)
            others = [other for other in node.names if other is not alias]
            indent = " " * node.col_offset
            parts = []
            if others:
                listed = ", ".join(_alias(other.name, other.asname) for other in others)
                parts.append(f"from {package} import {listed}")
            parts.append(f"from {new_package} import {_alias(new_leaf, alias.asname)}")
            edits.append((start, end, f"\n{indent}".join(parts)))
        self.put(name, _apply(text, edits))
        if all(alias.asname is None for _, alias in found) and leaf != new_leaf:
            self._rename_plain(name, leaf, new_leaf, imports_done=True)

    # -- symbols

    def sym(self, path: str, old: str, new: str, *, texts: bool | None = None, strings: bool = False) -> None:
        """Rename a module-level name, where it is defined and wherever it is imported."""
        if path not in self.texts:
            self.skipped.append(f"{path}: missing, for {old}")
            return
        defined = _module_names(self.ast(path))
        if old in defined and new in defined:
            raise CollisionError(f"{path}: {new} exists beside {old}")
        if old not in defined and new not in defined:
            self.skipped.append(f"{path}: {old} is not defined")
            return
        homes, users = self._find_users(path, old)
        if old in defined:
            users.add(path)
        count = 0
        for name in sorted(users):
            count += self._rename_plain(name, old, new)
            count += self._rename_strings(name, old, new)
        modules = {_dotted(home) for home in homes}
        for name in self.py():
            count += self._rename_in_modules(name, modules, old, new)
        if texts is None:
            texts = _distinctive(old)
        for name in sorted(users) if not texts else list(self.texts):
            self._rename_mentions(name, old, new, everywhere=texts)
        self.log.append(f"{path}: {old} -> {new} ({count} in {len(users)} files)")

    def _find_users(self, path: str, old: str) -> tuple[set[str], set[str]]:
        """Return the modules that export the name, and all files that use it."""
        homes, users = {path}, set[str]()
        changed = True
        while changed:
            changed = False
            modules = {_dotted(home) for home in homes}
            for name in self.py():
                if name in users or old not in self.texts[name]:
                    continue
                for node in ast.walk(self.ast(name)):
                    if isinstance(node, ast.ImportFrom) and not node.level and node.module in modules:
                        if any(alias.name == old for alias in node.names):
                            users.add(name)
                            homes.add(name)
                            changed = True
        return homes, users

    def _rename_plain(self, name: str, old: str, new: str, *, imports_done: bool = False) -> int:
        """Rename a global name in a file: not attributes, keywords, or where a function has a local of that name."""
        tree = self.ast(name)
        aliased = [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and any(a.name == old and a.asname is not None for a in node.names)
        ]
        shadows = _shadows(tree, old)
        text = self.texts[name]
        lines = _line_starts(text)

        def shadowed(at: int) -> bool:
            line = _line_of(lines, at)
            return any(first <= line <= last for first, last in shadows)

        tokens = self.tokens(name)
        members = {lines[line - 1] + _chars(text, lines, line, column) for line, column in _members(tree, old, text)}
        edits: list[tuple[int, int, str]] = []
        for number, token in enumerate(tokens):
            if token.kind == tokenize.NAME and token.text == old:
                if _role(tokens, number) != "plain" or shadowed(token.start) or token.start in members:
                    continue
                edits.append((token.start, token.end, new))
            elif token.kind == tokenize.STRING and _is_f(token.text) and old in token.text and not shadowed(token.start):
                replaced = _in_fields(token.text, lambda inner: _sub_plain(inner, old, new))
                if replaced != token.text:
                    edits.append((token.start, token.end, replaced))
        if aliased:
            # `from m import old as other`: the import alone carries the name.
            only = [e for e in edits if _line_of(lines, e[0]) in _import_lines(tree)]
            edits = only
        if edits and not imports_done and _binds(tree, new):
            raise CollisionError(f"{name}: {new} exists already, for {old}")
        self.put(name, _apply(text, edits))
        return len(edits)

    def _rename_strings(self, name: str, old: str, new: str) -> int:
        """Rename in annotations that are strings, and in __all__."""
        tree, text = self.ast(name), self.texts[name]
        lines = _line_starts(text)
        found: list[ast.Constant] = []
        for node in ast.walk(tree):
            notes: list[ast.AST | None] = []
            if isinstance(node, ast.arg | ast.AnnAssign):
                notes.append(node.annotation)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                notes.append(node.returns)
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
                notes.append(node.value)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("cast", "TypeVar"):
                notes.extend(node.args)
            for note in notes:
                if note is not None:
                    found += [c for c in ast.walk(note) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
        edits = []
        for node in found:
            if node.lineno != node.end_lineno:
                continue
            start = lines[node.lineno - 1] + _chars(text, lines, node.lineno, node.col_offset)
            end = lines[node.end_lineno - 1] + _chars(text, lines, node.end_lineno, node.end_col_offset)
            replaced = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", new, text[start:end])
            if replaced != text[start:end]:
                edits.append((start, end, replaced))
        edits = list(dict.fromkeys(edits))
        self.put(name, _apply(text, edits))
        return len(edits)

    def _rename_in_modules(self, name: str, modules: set[str], old: str, new: str) -> int:
        """Rename `module.old` where the module was imported as a name; also `module.old` in dotted texts."""
        text = self.texts[name]
        if old not in text:
            return 0
        names = set[str]()
        for node in ast.walk(self.ast(name)):
            if isinstance(node, ast.ImportFrom) and not node.level:
                names |= {a.asname or a.name for a in node.names if f"{node.module}.{a.name}" in modules}
            elif isinstance(node, ast.Import):
                names |= {a.asname or a.name for a in node.names if a.name in modules}
        edits: list[tuple[int, int, str]] = []
        tokens = self.tokens(name)
        for number, token in enumerate(tokens):
            if token.kind == tokenize.NAME and token.text == old and _base(tokens, number) in names:
                edits.append((token.start, token.end, new))
            elif token.kind == tokenize.STRING and _is_f(token.text) and old in token.text:
                replaced = token.text
                for module in names:
                    replaced = _in_fields(
                        replaced,
                        lambda inner, module=module: re.sub(
                            rf"(?<![\w.]){re.escape(module)}\.{re.escape(old)}(?!\w)", f"{module}.{new}", inner
                        ),
                    )
                if replaced != token.text:
                    edits.append((token.start, token.end, replaced))
        text = _apply(text, edits)
        for module in modules:
            text = re.sub(rf"(?<![\w.]){re.escape(module)}\.{re.escape(old)}(?!\w)", f"{module}.{new}", text)
        self.put(name, text)
        return len(edits)

    def _rename_mentions(self, name: str, old: str, new: str, *, everywhere: bool) -> None:
        """Rename in comments, docstrings, and documents: as code, or (``everywhere``) as a word."""
        if old not in self.texts[name]:
            return
        word = re.escape(old)
        if everywhere:
            pattern = re.compile(rf"(?<![\w-]){word}(?![\w-])")
        else:
            pattern = re.compile(rf"(?<=`){word}(?=[`.(])|(?<=`\.){word}(?=`)|(?<![\w.`-]){word}(?=\.[a-zA-Z_]{{2}}|\()")
        self.mentions(name, lambda text: pattern.sub(new, text))

    def mentions(self, name: str, change: Callable[[str], str]) -> None:
        """Change the comments and docstrings of a Python file, or all of another file."""
        if not name.endswith(".py"):
            self.put(name, change(self.texts[name]))
            return
        tokens = self.tokens(name)
        edits = []
        for number, token in enumerate(tokens):
            comment = token.kind == tokenize.COMMENT
            if not comment and not (token.kind == tokenize.STRING and _is_docstring(tokens, number)):
                continue
            replaced = change(token.text)
            if replaced != token.text:
                edits.append((token.start, token.end, replaced))
        self.put(name, _apply(self.texts[name], edits))

    # -- attributes and locals

    def attr(self, paths: str | Iterable[str], old: str, new: str, *, keywords: bool = True, bases: str = "") -> None:
        """Rename an attribute, a method, or a field in files: `.old`, `old=` in calls, and in class bodies.

        ``bases`` is a regular expression for the name before the dot.
        """
        count = 0
        for name in self.match(paths):
            count += self._rename_attr(name, old, new, keywords=keywords, bases=bases)
        if count:
            self.log.append(f"attribute {old} -> {new} ({count})")
        else:
            self.skipped.append(f"attribute {old} in {paths}")

    def _rename_attr(self, name: str, old: str, new: str, *, keywords: bool, bases: str) -> int:
        text = self.texts[name]
        if old not in text:
            return 0
        for node in ast.walk(self.ast(name)):
            if isinstance(node, ast.ClassDef) and {old, new} <= _class_members(node) and not bases:
                raise CollisionError(f"{name}: {node.name} has {new} beside {old}")
        tokens, lines = self.tokens(name), _line_starts(text)
        members = {lines[line - 1] + _chars(text, lines, line, column) for line, column in _members(self.ast(name), old, text)}
        edits: list[tuple[int, int, str]] = []
        for number, token in enumerate(tokens):
            if token.kind == tokenize.NAME and token.text == old:
                role = _role(tokens, number)
                if role == "attribute" and bases and not re.fullmatch(bases, _base(tokens, number)):
                    continue
                if role == "attribute" or (role == "keyword" and keywords) or token.start in members:
                    edits.append((token.start, token.end, new))
            elif token.kind == tokenize.STRING and _is_f(token.text) and old in token.text:
                replaced = _in_fields(
                    token.text, lambda inner: re.sub(rf"(?<={'' if not bases else ''}\.){re.escape(old)}(?!\w)", new, inner)
                ) if not bases else _in_fields(
                    token.text, lambda inner: re.sub(rf"(?<![\w.])({bases})\.{re.escape(old)}(?!\w)", rf"\1.{new}", inner)
                )
                if replaced != token.text:
                    edits.append((token.start, token.end, replaced))
        self.put(name, _apply(text, edits))
        return len(edits)

    def local(self, paths: str | Iterable[str], old: str, new: str, *, keywords: bool = True, within: str = "", also: bool = False) -> None:
        """Rename parameters, local variables, and fixtures: plain names and `old=`; ``within`` one function or class."""
        count = 0
        for name in self.match(paths):
            count += self._rename_local(name, old, new, keywords, within, also)
        if count:
            self.log.append(f"local {old} -> {new} ({count})")
        else:
            self.skipped.append(f"local {old} in {paths}")

    def _rename_local(self, name: str, old: str, new: str, keywords: bool, within: str, also: bool) -> int:
        text = self.texts[name]
        if old not in text:
            return 0
        lines = _line_starts(text)
        ranges = [(1, len(lines))]
        if within:
            ranges = [
                (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.end_lineno or node.lineno)
                for node in ast.walk(self.ast(name))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == within
            ]
        tokens = self.tokens(name)
        edits: list[tuple[int, int, str]] = []
        wanted = ("plain", "keyword") if keywords else ("plain",)
        plain = False

        def inside(at: int) -> bool:
            line = _line_of(lines, at)
            return any(first <= line <= last for first, last in ranges)

        for number, token in enumerate(tokens):
            if not inside(token.start):
                continue
            if token.kind == tokenize.NAME and token.text == old and _role(tokens, number) in wanted:
                edits.append((token.start, token.end, new))
                plain |= _role(tokens, number) == "plain"
            elif token.kind == tokenize.STRING and _is_f(token.text) and old in token.text:
                replaced = _in_fields(token.text, lambda inner: _sub_plain(inner, old, new))
                if replaced != token.text:
                    edits.append((token.start, token.end, replaced))
        if edits and plain and not also:
            functions = _functions(self.ast(name))
            touched = {_home(functions, _line_of(lines, start)) for start, _, _ in edits}
            taken = [
                t for n, t in enumerate(tokens)
                if t.kind == tokenize.NAME and t.text == new and inside(t.start) and _role(tokens, n) == "plain"
                and _home(functions, _line_of(lines, t.start)) in touched
            ]
            if taken:
                raise CollisionError(f"{name}:{_line_of(lines, taken[0].start)}: {new} exists already, for {old}")
        self.put(name, _apply(text, edits))
        return len(edits)

    def member(self, path: str, owner: str, old: str, new: str) -> None:
        """Rename a member in the body of one class."""
        if path not in self.texts:
            return
        for node in ast.walk(self.ast(path)):
            if isinstance(node, ast.ClassDef) and node.name == owner:
                text = self.texts[path]
                lines = _line_starts(text)
                names = {m.id for inner in node.body for m in ast.walk(inner) if isinstance(m, ast.Name)}
                if old in names and new in names:
                    raise CollisionError(f"{path}: {owner}.{new} exists already")
                start, end = lines[node.lineno - 1], lines[node.end_lineno or node.lineno]
                body = re.sub(rf"^(    ){re.escape(old)}(?=\s*[:=])", rf"\g<1>{new}", text[start:end], flags=re.MULTILINE)
                self.put(path, text[:start] + body + text[end:])

    # -- texts

    def member_def(self, path: str, owner: str, old: str, new: str) -> None:
        """Rename a method where it is defined in one class."""
        for node in ast.walk(self.ast(path)) if path in self.texts else ():
            if isinstance(node, ast.ClassDef) and node.name == owner:
                text = self.texts[path]
                lines = _line_starts(text)
                start, end = lines[node.lineno - 1], lines[node.end_lineno or node.lineno]
                body = re.sub(rf"(def ){re.escape(old)}(?=\()", rf"\g<1>{new}", text[start:end])
                self.put(path, text[:start] + body + text[end:])

    def text(self, paths: str | Iterable[str], pattern: str, new: str | Callable[[re.Match[str]], str], *, need: bool = False) -> None:
        """Replace a regular expression in files as they are."""
        hits = 0
        for name in self.match(paths):
            replaced, number = re.subn(pattern, new, self.texts[name], flags=re.MULTILINE)
            hits += number
            self.put(name, replaced)
        if not hits and "__file__" not in pattern:
            self.skipped.append(f"text {pattern!r} in {paths}")
            if need:
                raise SystemExit(f"text {pattern!r} not found in {paths}")

    def words(self, paths: str | Iterable[str], pattern: str, new: str) -> None:
        """Replace a regular expression in comments, docstrings, and documents."""
        for name in self.match(paths):
            self.mentions(name, lambda text: re.sub(pattern, new, text))

    def match(self, paths: str | Iterable[str]) -> list[str]:
        wanted = [paths] if isinstance(paths, str) else list(paths)
        return sorted(name for name in self.texts if any(fnmatch(name, path) for path in wanted))


# -- helpers


def _dotted(path: str) -> str:
    return path.rstrip("/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _alias(name: str, asname: str | None) -> str:
    return name if asname is None else f"{name} as {asname}"


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _line_of(starts: list[int], at: int) -> int:
    from bisect import bisect_right

    return bisect_right(starts, at)


def _chars(text: str, lines: list[int], line: int, column: int) -> int:
    """Return a column in characters for one in bytes."""
    part = text[lines[line - 1] : lines[line - 1] + column + 1]
    if part.isascii():
        return column
    whole = text[lines[line - 1] :].split("\n", 1)[0].encode()
    return len(whole[:column].decode())


def _apply(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _tokenize(text: str) -> Iterator[Tok]:
    lines = _line_starts(text)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start = lines[token.start[0] - 1] + token.start[1] if token.start[0] <= len(lines) else len(text)
        end = lines[token.end[0] - 1] + token.end[1] if token.end[0] <= len(lines) else len(text)
        yield Tok(token.type, token.string, start, end)


_SILENT = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT}


def _neighbour(tokens: list[Tok], number: int, step: int) -> Tok | None:
    number += step
    while 0 <= number < len(tokens) and tokens[number].kind in _SILENT:
        number += step
    return tokens[number] if 0 <= number < len(tokens) else None


def _role(tokens: list[Tok], number: int) -> str:
    """Tell what a name is: an attribute, the keyword of a call (or a parameter with a default), or plain."""
    before, after = _neighbour(tokens, number, -1), _neighbour(tokens, number, 1)
    if before is not None and before.kind == tokenize.OP and before.text == ".":
        return "attribute"
    if tokens[number].text in ("case", "match") and before is not None and before.kind == tokenize.NEWLINE or (
        tokens[number].text in ("case", "match") and number and tokens[number - 1].kind in _SILENT
    ):
        if after is not None and after.text not in ("=", ".", ",", ")", ":", "[", "|=", "+="):
            return "soft"
    if after is not None and after.text == "=" and before is not None and before.text in ("(", ","):
        depth = 0
        for token in reversed(tokens[:number]):
            if token.kind == tokenize.OP and token.text in ")]}":
                depth += 1
            elif token.kind == tokenize.OP and token.text in "([{":
                depth -= 1
                if depth < 0:
                    return "keyword"
            elif token.kind == tokenize.NEWLINE:
                break
    return "plain"


def _base(tokens: list[Tok], number: int) -> str:
    """Return the dotted name before `.name`, or nothing."""
    parts: list[str] = []
    at = number - 1
    while at > 0 and tokens[at].text == "." and tokens[at - 1].kind == tokenize.NAME:
        parts.insert(0, tokens[at - 1].text)
        at -= 2
    return ".".join(parts)


def _is_f(string: str) -> bool:
    head = string[: min(i for i in (string.find('"'), string.find("'")) if i >= 0)]
    return "f" in head.lower()


def _is_docstring(tokens: list[Tok], number: int) -> bool:
    """Whether a string stands alone as a statement."""
    before, after = number - 1, number + 1
    while before >= 0 and tokens[before].kind in _SILENT:
        before -= 1
    return (before < 0 or tokens[before].kind in (tokenize.NEWLINE, tokenize.ENCODING)) and (
        after < len(tokens) and tokens[after].kind in (tokenize.NEWLINE, tokenize.ENDMARKER)
    )


def _in_fields(string: str, change: Callable[[str], str]) -> str:
    """Change the replacement fields of an f-string."""
    out, at = [], 0
    while at < len(string):
        c = string[at]
        if c == "{" and string[at + 1 : at + 2] == "{":
            out.append("{{")
            at += 2
        elif c == "{":
            depth, end = 1, at + 1
            while depth and end < len(string):
                depth += {"{": 1, "}": -1}.get(string[end], 0)
                end += 1
            out.append(change(string[at:end]))
            at = end
        else:
            out.append(c)
            at += 1
    return "".join(out)


def _sub_plain(inner: str, old: str, new: str) -> str:
    return re.sub(rf"(?<![\w.'\"]){re.escape(old)}(?![\w'\"])(?!\s*=[^=])", new, inner)


def _distinctive(name: str) -> bool:
    """Whether a name is no word of English."""
    return bool(re.search(r"[a-z0-9][A-Z]|[a-zA-Z]_[a-zA-Z]", name))


def _module_names(tree: ast.Module) -> set[str]:
    """Return the names that are defined at module level, not those that are imported."""
    found = set[str]()
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.If | ast.Try | ast.For | ast.With):
            for part in ("body", "orelse", "finalbody"):
                waiting += getattr(node, part, [])
    return found


def _bound_in(node: ast.AST) -> set[str]:
    """Return the names that a function binds: parameters and assigned names, without inner functions."""
    found = set[str]()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        a = node.args
        found |= {x.arg for x in [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]}
    body = node.body if isinstance(node.body, list) else []
    waiting: list[ast.AST] = list(body)
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(inner.name)
            continue
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found.add(inner.id)
        if isinstance(inner, ast.MatchAs | ast.MatchStar) and inner.name:
            found.add(inner.name)
        if isinstance(inner, ast.ExceptHandler) and inner.name:
            found.add(inner.name)
        waiting += list(ast.iter_child_nodes(inner))
    return found


def _shadows(tree: ast.Module, name: str) -> list[tuple[int, int]]:
    """Return the line ranges of the functions that bind the name themselves."""
    return [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name in _bound_in(node)
    ] + [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda) and name in _bound_in(node)
    ]


def _binds(tree: ast.Module, name: str) -> bool:
    """Whether the name is bound anywhere in a file, or used as a plain name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name:
            return True
        if isinstance(node, ast.arg) and node.arg == name:
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) == name:
            return True
    return name in _module_names(tree)


def _functions(tree: ast.Module) -> list[tuple[int, int]]:
    """Return the line ranges of functions of a module and of its classes, without those inside functions."""
    found = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((node.lineno, node.end_lineno or node.lineno))
        elif isinstance(node, ast.ClassDef):
            waiting += node.body
    return found


def _home(functions: list[tuple[int, int]], line: int) -> tuple[int, int] | None:
    return next((f for f in functions if f[0] <= line <= f[1]), None)


def _import_lines(tree: ast.Module) -> set[int]:
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _class_members(node: ast.ClassDef) -> set[str]:
    found = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)}
    for inner in node.body:
        targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target] if isinstance(inner, ast.AnnAssign) else []
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _members(tree: ast.Module, name: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield the positions of definitions of a member in class bodies (and of `self.x: T`, which is an attribute)."""
    lines = text.split("\n")
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name == name:
                line = lines[inner.lineno - 1]
                column = line.index(f"def {name}") + 4
                yield inner.lineno, len(line[:column].encode())
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name) and inner.target.id == name:
                yield inner.target.lineno, inner.target.col_offset
            elif isinstance(inner, ast.Assign):
                for target in inner.targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        yield target.lineno, target.col_offset


assert keyword and sys and re
