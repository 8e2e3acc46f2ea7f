"""The rules of the package's structure, read from the source text of ``app/``.

::

    main ──> web ──> api ──> wiring ──> service ──> ingest ──> senders, store ──> hpkp
    cli  ──> main    └────> answers ──> usecases ──────────────────┘

Imports point one way. SQL stays in the store, HTTP in the API, the clock and the disk out of the domain. Connections to
the database are opened by the store and the use cases alone, and no row leaves the store.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "app"

MAY_IMPORT: dict[str, set[str]] = {
    "app": set(),
    "clock": set(),
    "hpkp": set(),
    "outcomes": set(),
    "settings": set(),
    "catalog": {"hpkp"},
    "demo": {"hpkp"},
    "senders": {"hpkp", "outcomes"},
    "store": {"hpkp", "outcomes"},
    "ingest": {"canary", "hpkp", "metrics", "outcomes", "senders", "store", "threads"},
    "metrics": {"outcomes"},
    "access_log": set(),
    "app_agents": {"access_log", "hpkp"},
    "log_selection": {"access_log", "hpkp"},
    "threads": set(),
    "open_files": set(),
    "notifier": {"app", "outbound", "threads"},
    "alert_job": {"notifier", "hpkp", "service", "settings", "threads", "usecases"},
    "canary": {"app", "hpkp", "outbound"},
    "outbound": {"hpkp"},
    "probe": {"hpkp", "outbound"},
    "export": {"store"},
    "usecases": {"canary", "hpkp", "metrics", "probe", "settings", "store", "threads"},
    "app_configs": {"hpkp"},
    "answers": {"hpkp", "store", "usecases"},
    "service": {"catalog", "clock", "hpkp", "ingest", "metrics", "settings", "store", "usecases"},
    "wiring": {"canary", "ingest", "metrics", "service", "settings", "store"},
    "upkeep": {"hpkp", "ingest", "metrics", "store", "threads"},
    "background_jobs": {"alert_job", "app", "hpkp", "service", "store", "threads", "upkeep"},
    "api": {
        "answers", "app_configs", "export", "hpkp", "ingest", "open_files", "outcomes", "senders", "service",
        "settings", "store", "upkeep", "usecases", "wiring",
    },
    "web": {"answers", "api", "app", "hpkp", "service", "store", "upkeep", "usecases"},
    "main": {
        "api", "app", "background_jobs", "metrics", "service", "settings", "threads", "upkeep", "web", "wiring",
    },
    "cli": {
        "access_log",
        "app_agents",
        "alert_job",
        "notifier",
        "answers",
        "app",
        "app_configs",
        "catalog",
        "clock",
        "export",
        "hpkp",
        "ingest",
        "log_selection",
        "main",
        "metrics",
        "open_files",
        "outbound",
        "probe",
        "demo",
        "senders",
        "service",
        "settings",
        "store",
        "wiring",
    },
}  # fmt: skip
"""Which part of the package may import which; a part not named here is not allowed to exist."""

ONLY_IN: dict[str, set[str]] = {
    "sqlalchemy": {"store"},
    "sqlmodel": {"store"},
    "alembic": {"store"},
    "fastapi": {"api", "main", "web"},
    "starlette": {"api", "main"},
    "jinja2": {"web"},
    "markupsafe": {"web"},
    "uvicorn": {"cli"},
    "typer": {"cli"},
    "rich": {"cli"},
    "prometheus_client": {"metrics"},
}
"""The parts of the package in which a library may be imported."""

EXCEPTIONS = {
    # A protocol of this server, in which reports are answered.
    ("app.api.connections", "uvicorn.config.Config"),
    ("app.api.connections", "uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware"),
    ("app.api.connections", "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol"),
    ("app.api.connections", "uvicorn.protocols.http.httptools_impl.RequestResponseCycle"),
    ("app.api.connections", "uvicorn.protocols.http.httptools_impl.STATUS_LINE"),
    ("app.api.connections", "uvicorn.server.ServerState"),
    ("app.api.report_protocol", "uvicorn.config.Config"),
    ("app.api.report_protocol", "uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware"),
    ("app.api.report_protocol", "uvicorn.protocols.http.httptools_impl.STATUS_LINE"),
    ("app.api.report_protocol", "uvicorn.server.ServerState"),
    # Names in annotations.
    ("app.service", "sqlalchemy.Engine"),
    # The family of errors of a store that does not answer.
    ("app.cli.database", "sqlalchemy.exc.SQLAlchemyError"),
    ("app.cli.terminal", "sqlalchemy.exc.SQLAlchemyError"),
    # A name in annotations.
    ("app.cli.workers", "fastapi.FastAPI"),
}
"""Imports that stand against the table above: module, name."""

FOR_USECASES = {"sqlalchemy.Connection", "sqlalchemy.Engine", "sqlalchemy.exc.DBAPIError"}
"""What use cases may know of the database's library: they open connections, and write no SQL."""

MAY_CONNECT = {"store", "usecases"}

IMPURE_MODULES = {
    "asyncio", "glob", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket", "ssl", "subprocess",
    "sys", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
PURE_PARTS = ("urllib.parse",)
IMPURE_CALLS = {"open", "input", "print"}
IMPURE_METHODS = {"now", "utcnow", "today", "read_text", "read_bytes", "write_text", "write_bytes"}

PROBLEMS = "app.api.problems"


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the package by its dotted name, parsed."""

    name: str
    tree: ast.Module

    @property
    def part(self) -> str:
        """The part of the package to which it belongs: ``hpkp`` for ``app.hpkp.pins``."""
        return part_of(self.name)


def part_of(name: str) -> str:
    """Return the part to which a dotted name belongs; ``app`` for what the package itself holds."""
    _, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    return first if first and not first.startswith("__") else "app"


def imports_of(module: Module) -> Iterator[tuple[str, int]]:
    """Yield the full name of everything a module imports, wherever it does so, and the line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def check_direction(module: Module) -> Iterator[str]:
    if module.part not in MAY_IMPORT:
        yield f"{module.name}: the part {module.part} is not in the table"
        return
    for name, line in imports_of(module):
        if name.startswith("."):
            yield f"{module.name}:{line}: imports relatively"
        elif name.split(".")[0] == "app":
            part = part_of(name)
            if part != module.part and part not in MAY_IMPORT[module.part]:
                yield f"{module.name}:{line}: {module.part} imports {part}"


def check_libraries(module: Module) -> Iterator[str]:
    for name, line in imports_of(module):
        if module.part == "usecases" and name in FOR_USECASES:
            continue
        allowed = ONLY_IN.get(name.split(".")[0])
        if allowed is not None and module.part not in allowed and (module.name, name) not in EXCEPTIONS:
            yield f"{module.name}:{line}: imports {name}"


def check_connections(module: Module) -> Iterator[str]:
    """Let only the store and the use cases open connections, and only the store know rows."""
    if module.part == "store":
        return
    for name, line in imports_of(module):
        if name.startswith("sqlalchemy") and name.endswith(".Row"):
            yield f"{module.name}:{line}: knows Row"
        elif module.part not in MAY_CONNECT and name.startswith("sqlalchemy") and name.endswith(".Connection"):
            yield f"{module.name}:{line}: knows Connection"
    if module.part in MAY_CONNECT:
        return
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id="writing") | ast.Attribute(attr="writing" | "connect" | "begin")):
                yield f"{module.name}:{node.lineno}: opens a connection"


def check_purity(module: Module) -> Iterator[str]:
    if module.part != "hpkp":
        return
    for name, line in imports_of(module):
        if name.split(".")[0] in IMPURE_MODULES and not name.startswith(PURE_PARTS):
            yield f"{module.name}:{line}: imports {name}"
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                yield f"{module.name}:{node.lineno}: calls {name}"
            case ast.Attribute(attr=name) if name in IMPURE_METHODS:
                yield f"{module.name}:{node.lineno}: uses .{name}"


def check_errors(module: Module) -> Iterator[str]:
    """Let only `ProblemError` carry an error's status out of a route, and only ``problems.py`` answer one."""
    if module.name == PROBLEMS:
        return
    for name, line in imports_of(module):
        if name.endswith(".HTTPException"):
            yield f"{module.name}:{line}: imports {name}"
    for node in ast.walk(module.tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=int()), *_])):
                if name != "ProblemError":
                    yield f"{module.name}:{node.lineno}: raises {name} with a status"
            case ast.keyword(arg="status_code", value=ast.Constant(value=int(status))) if status >= 400:
                yield f"{module.name}:{node.value.lineno}: answers {status}"


def check_docstrings(module: Module) -> Iterator[str]:
    waiting: list[tuple[str, ast.AST]] = [(module.name, module.tree)]
    while waiting:
        name, node = waiting.pop()
        assert isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if not ast.get_docstring(node) and not name.endswith((".__init__", ".__post_init__")):
            yield f"{name}: has no docstring"
        if isinstance(node, ast.Module | ast.ClassDef):
            waiting.extend(
                (f"{name}.{inner.name}", inner)
                for inner in node.body
                if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and not inner.name.startswith("_")
            )


Check = Callable[[Module], Iterator[str]]
CHECKS: Mapping[str, Check] = {
    "direction": check_direction,
    "libraries": check_libraries,
    "connections": check_connections,
    "purity": check_purity,
    "errors": check_errors,
    "docstrings": check_docstrings,
}


def modules() -> Iterator[Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield Module(".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_package_keeps_the_rule(check: Check) -> None:
    assert [fault for module in modules() for fault in check(module)] == []


def test_the_table_of_imports_has_no_circle_and_names_only_parts_that_exist() -> None:
    list(TopologicalSorter(MAY_IMPORT).static_order())
    assert MAY_IMPORT.keys() == {module.part for module in modules()}


def test_no_exception_outlives_the_import_that_needed_it() -> None:
    imported = {(module.name, name) for module in modules() for name, _ in imports_of(module)}
    assert imported >= EXCEPTIONS


GOOD = '"""It says what it may know."""\n'


@pytest.mark.parametrize(
    ("check", "name", "source", "fault"),
    [
        ("direction", "app.hpkp.pins", "from app.store.engine import writing", "hpkp imports store"),
        ("direction", "app.hpkp.pins", "from app import outcomes", "hpkp imports outcomes"),
        ("direction", "app.senders.wire", "def f():\n    import app.store.tables", "senders imports store"),
        ("direction", "app.store.write.fold", "from app import catalog", "store imports catalog"),
        ("direction", "app.api.hosts", "from app.cli.terminal import out", "api imports cli"),
        ("direction", "app.outcomes", "from app.hpkp.pins import Pin", "outcomes imports hpkp"),
        ("direction", "app.ingest.fold", "from app.api.problems import STATUS", "ingest imports api"),
        ("direction", "app.senders.wire", "from .pem import read", "imports relatively"),
        ("direction", "app.helpers", "", "the part helpers is not in the table"),
        ("libraries", "app.api.hosts", "from sqlalchemy import select", "imports sqlalchemy.select"),
        ("libraries", "app.service", "import sqlalchemy", "imports sqlalchemy"),
        ("libraries", "app.cli.policy", "from sqlmodel import Session", "imports sqlmodel.Session"),
        ("libraries", "app.store.engine", "from fastapi import Depends", "imports fastapi.Depends"),
        (
            "libraries",
            "app.ingest.collector",
            "from starlette.requests import Request",
            "imports starlette.requests.Request",
        ),
        ("libraries", "app.store.write.fold", "import prometheus_client as p", "imports prometheus_client"),
        ("libraries", "app.usecases.policies", "from sqlalchemy import select", "imports sqlalchemy.select"),
        ("connections", "app.api.hosts", "from sqlalchemy import Row", "knows Row"),
        ("connections", "app.usecases.hosts", "from sqlalchemy.engine import Row", "knows Row"),
        ("connections", "app.web.hosts", "from sqlalchemy import Connection", "knows Connection"),
        ("connections", "app.answers.keys", "with service.engine.connect() as c: pass", "opens a connection"),
        ("connections", "app.cli.mark", "with writing(service.engine) as c: pass", "opens a connection"),
        ("connections", "app.export", "with store.writing(e): pass", "opens a connection"),
        ("connections", "app.api.hosts", "with engine.begin() as c: pass", "opens a connection"),
        ("purity", "app.hpkp.x509.certificate", "from pathlib import Path", "imports pathlib.Path"),
        ("purity", "app.hpkp.x509.certificate", "import os.path", "imports os.path"),
        ("purity", "app.hpkp.x509.certificate", "x = datetime.now(UTC)", "uses .now"),
        ("purity", "app.hpkp.x509.certificate", "from time import time", "imports time.time"),
        ("purity", "app.hpkp.x509.certificate", "with open(name) as f: pass", "calls open"),
        ("purity", "app.hpkp.x509.certificate", "import random", "imports random"),
        ("errors", "app.api.hosts", "from fastapi import HTTPException", "imports fastapi.HTTPException"),
        ("errors", "app.api.hosts", "raise Refusal(404, 'no')", "raises Refusal with a status"),
        ("errors", "app.api.hosts", "Response(status_code=503)", "answers 503"),
        ("docstrings", "app.api.hosts", "x = 1", "app.api.hosts: has no docstring"),
        ("docstrings", "app.api.hosts", GOOD + "def f(): pass", "app.api.hosts.f: has no docstring"),
        ("docstrings", "app.api.hosts", GOOD + "async def f(): pass", "app.api.hosts.f: has no docstring"),
        ("docstrings", "app.a", GOOD + 'class A:\n "It."\n def f(self): pass', "app.a.A.f: has no docstring"),
    ],
)
def test_a_breach_is_found(check: str, name: str, source: str, fault: str) -> None:
    [found] = CHECKS[check](Module(name, ast.parse(source)))
    assert found.endswith(fault)


@pytest.mark.parametrize(
    ("check", "name", "source"),
    [
        ("direction", "app.main", "from app import __version__\nfrom app.api import hosts"),
        ("direction", "app.hpkp.pins", "from app.hpkp.errors import InvalidPin\nimport appdirs"),
        ("libraries", "app.store.engine", "from sqlalchemy import select"),
        ("libraries", "app.service", "from sqlalchemy import Engine"),
        ("libraries", "app.usecases.policies", "from sqlalchemy import Connection, Engine"),
        ("connections", "app.usecases.policies", "with writing(engine) as connection: pass"),
        ("connections", "app.store.read.hosts", "from sqlalchemy import Row\nengine.connect()"),
        ("connections", "app.web.chart", "class Row: pass\nx = Row()"),
        ("connections", "app.cli.workers", "from multiprocessing import connection\nconnection.wait([])"),
        ("purity", "app.store.engine", "import os\nopen('x')"),
        ("purity", "app.hpkp.x509.certificate", "from datetime import datetime\nx = datetime(2026, 1, 1)"),
        ("errors", "app.api.hosts", "raise ProblemError(404, 'Not found', '')"),
        ("errors", "app.api.hosts", "@router.delete('/', status_code=204)\ndef f(): raise not_found('host', 'x')"),
        ("errors", PROBLEMS, "from starlette.exceptions import HTTPException"),
        ("docstrings", "app.a", GOOD + "def _f(): pass\nclass _A:\n def f(self): pass"),
    ],
)
def test_what_keeps_the_rule_passes(check: str, name: str, source: str) -> None:
    assert list(CHECKS[check](Module(name, ast.parse(source)))) == []
