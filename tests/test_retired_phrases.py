"""No text that a person reads has a phrase of which the meaning has to be guessed; `PLAIN` says what to write."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from jinja2 import Environment

from app.cli import app
from app.metrics import Metrics

ROOT = Path(__file__).parent.parent

PLAIN = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bbesides?\b": "also, next to",
    r"\b(pins?|keys?|it|none|one) (stands?|fits?) (in|among|on|beside)\b": "the chain contains the pin",
    r"\bin which no\b": "without",
    r"\b(was|were|is|are|be|been|as|not) told\b": "reported, known, sent",
    r"\btells? (of|how|that|what|whether|why|who|nothing|least)\b": "shows, says which",
    r"\b(do|does|can) not tell\b|\bcannot (be told|tell)\b": "unknown",
    r"\b(last|every|each|between) looks?\b|\blook(s|ed|ing)? at (what|hosts)\b|\bnot (been )?looked at\b": "probe",
    r"\bwhose (matter|doing|turn)\b": "attributed to",
    r"\bmistakes? of (yours|ours)\b|\b(our|your) own mistakes?\b": "configuration error",
    r"\bspeaks? (against|for)\b": "warnings, blockers",
    r"\bway back\b": "rollback",
    r"\bknown again\b|\bmet (once|with)\b|\bmeets? with\b": "duplicate, received",
    r"\b(was|were|is|are) (not )?taken\b": "accepted, delivered",
    r"\bpast moment\b|\bnot a moment\b|\bof a moment\b": "time",
    r"\bso many\b|\bfor so long\b|\bso-manieth\b": "the number, the duration",
    r"\bforg(ets|etting|otten)\b": "delete, expire",
    r"\bheld against\b|\bholds? back\b|\bheld back\b": "compared with, withhold",
    r"\bstrangers?\b": "unknown key, anyone",
    r"\bsettled?\b": "resolved",
    r"\banew\b|\bonce more\b|\ball the same\b|\btime and again\b": "again",
    r"\bthe service's own\b|\bof (its|their|our|your|the operator's) own\b": "own",
    r"\bmade[- ]up\b|\bmade ahead\b": "synthetic, forged",
    r"\bweigh(t(y|iest|ier)|s (most|otherwise|more))\b": "severe, severity",
    r"\bbears on\b|\bbearing\b": "impact",
    r"\bvouch(es|ed|ing)?\b": "issue",
    r"\b(nobody|somebody|everybody|whoever)\b": "name the actor",
    r"\d %|\} %": "2.5%, without a blank",
    r"\bwhence\b|\bthereof\b|\bsince when\b": "from, since",
    r"\bso far as\b|\bas far as\b": "if",
    r"\b(says|knows|proves|means) nothing\b|\bnothing (follows|is known|speaks)\b": "unknown",
    r"\bbroken off\b": "interrupted",
    r"\bin (plain )?words\b": "as text",
    r"\balarms?\b|\balarming\b": "alert, possible attack",
    r"\bremember(s|ed)? (the|these|those|former|its) pins\b|\b(?<!In )former pins?\b": "cache, previous",
    r"\b(dis)?believe[sd]?\b": "count, exclude",
    r"\bstands? in the way\b|\bmust not enforce\b": "blocker, not ready",
    r"\blocked out by mistakes\b|\bcut off by\b": "locked out",
    r"\((?:e?s)\)": "write singular and plural in code",
}
"""Phrase, and what to write in its place."""

_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
"""Code: from a run of backticks to the next run of that length. A span or a fence may hold a backtick."""


def faults(text: str) -> list[str]:
    """Return what is retired in a text; code in it is not prose."""
    prose = _CODE.sub("`…`", text)
    return [
        f"{found[0]!r} in …{prose[max(found.start() - 50, 0) : found.end() + 50]!r}…: {instead}"
        for phrase, instead in PLAIN.items()
        for found in re.finditer(phrase, prose, re.IGNORECASE)
    ]


def _sentences(source: str) -> Iterator[str]:
    """Yield the texts of a module: strings of several words that are no docstrings; parts of an f-string together."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation | parts:
            yield node.value


def modules() -> list[Path]:
    """Return the modules whose texts people read."""
    return sorted(p for p in (ROOT / "app").rglob("*.py") if not NOT_READ.search(str(p.relative_to(ROOT))))


NOT_READ = re.compile(r"^app/(demo|store/(migrations|views)|catalog|hpkp/user_agents)/")
"""SQL, data with quotes of others, and the demo's material."""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_a_module_has_a_retired_phrase(path: Path) -> None:
    found = [fault for text in _sentences(path.read_text()) if " " in text for fault in faults(text)]
    assert not found, "\n".join(found)


TEMPLATES = ROOT / "app" / "web" / "templates"
_MARKUP = re.compile(r"<[^>]*>|\s+")
_TEXT_ATTRIBUTE = re.compile(r'(?:aria-label|placeholder|title|alt)="([^"]*)"')


def _prose_of(template: str) -> Iterator[str]:
    """Yield what a template shows: its text, the texts in its expressions, and the attributes that are read out.

    A placeholder takes the place of an expression, so that a sentence around it stays one.
    """
    shown = []
    for _, kind, value in Environment().lex(template):
        if kind == "data":
            shown.append(value)
        elif kind == "string":
            yield value[1:-1]
        elif kind == "variable_begin":
            shown.append("…")
    page = "".join(shown)
    yield from _TEXT_ATTRIBUTE.findall(page)
    yield _MARKUP.sub(" ", re.sub(r"<(code|pre)\b.*?</\1>", "…", page, flags=re.DOTALL))


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: str(path.name))
def test_no_page_has_a_retired_phrase(path: Path) -> None:
    found = [fault for text in _prose_of(path.read_text()) if " " in text for fault in faults(text)]
    assert not found, "\n".join(found)


def test_what_a_template_shows_is_read_and_its_code_is_not() -> None:
    template = """
        {# mend #}{% if weighty %}
        <p class="weighty">Mend {{ it["x"] or "what was told" }} <code>mend</code></p>{% endif %}
        <a aria-label="Every {{ n }} looks">{{ 5 % 2 }}</a>
    """
    assert [text.strip() for text in _prose_of(template) if " " in text.strip()] == [
        "what was told",
        "Every … looks",
        "Mend … …   …",
    ]
    assert len([fault for text in _prose_of(template) for fault in faults(text)]) == 2


BOARDS = sorted((ROOT / "dashboards").rglob("*.json"))
_SHOWN_BY_GRAFANA = {"title", "description", "summary", "label", "legendFormat", "noValue", "text", "displayName"}


def _texts_of_board(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in _SHOWN_BY_GRAFANA and isinstance(value, str):
                yield value
            else:
                yield from _texts_of_board(value)
    elif isinstance(node, list):
        for item in node:
            yield from _texts_of_board(item)


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_board_has_a_retired_phrase(path: Path) -> None:
    found = [fault for text in _texts_of_board(json.loads(path.read_text())) for fault in faults(text)]
    assert not found, "\n".join(found)


DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md"),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_no_retired_phrase(name: str) -> None:
    found = faults((ROOT / name).read_text())
    assert not found, "\n".join(found)


def test_a_backtick_in_code_hides_no_prose() -> None:
    assert faults("Encoded: `` ` ``, and `x`. Mend it; see `y`.")
    assert not faults("```sh\necho `mend`\n```")


def _helps(command: Any, name: str = "hpkp") -> Iterator[tuple[str, str]]:
    """Yield the help of a command and of its options, and of all its subcommands."""
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    if hasattr(command, "list_commands"):
        context = click.Context(command)
        for part in command.list_commands(context):
            yield from _helps(command.get_command(context, part), f"{name} {part}")


def test_the_help_of_every_command_has_no_retired_phrase() -> None:
    texts = dict(_helps(typer.main.get_command(app)))
    assert len(texts) > 100
    assert not [f"{name}: {fault}" for name, text in texts.items() for fault in faults(text)]


def test_the_help_of_every_metric_has_no_retired_phrase() -> None:
    shown = Metrics().exposition().decode()
    helps = [line for line in shown.splitlines() if line.startswith("# HELP")]
    assert helps
    assert not [fault for line in helps for fault in faults(line)]


def test_the_openapi_document_has_no_retired_phrase() -> None:
    texts = _texts(json.loads((ROOT / "docs" / "openapi.json").read_text()))
    assert not [fault for text in texts for fault in faults(text)]


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "summary", "title") and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)
