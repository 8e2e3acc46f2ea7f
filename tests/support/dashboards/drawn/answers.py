"""Answers the queries of a drawn board as the backends of Grafana's data sources do, from a real store or Prometheus.

It serves the page of `bundle` too, with the committed boards, on the loopback address alone.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.support.dashboards import grafana
from tests.support.dashboards.boards import FOLDER

Json = dict[str, Any]
_KINDS = {16: "boolean", 1082: "time", 1114: "time", 1184: "time"} | dict.fromkeys(
    (20, 21, 23, 700, 701, 1700), "number"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".json": "application/json"}


@dataclass(frozen=True, slots=True)
class Sources:
    """What answers: a PostgreSQL by the reading role, a SQLite file, a Prometheus by its address."""

    postgres: str = ""
    sqlite: Path | None = None
    prometheus: str = ""

    def ask(self, body: Mapping[str, Any]) -> Json:
        """Run a query with its macros expanded; columns have the types that the backend gives them."""
        shown = grafana.Range(*(datetime.fromtimestamp(body[name] / 1000, UTC) for name in ("from", "to")))
        if body["source"] == "drawn-postgres":
            return self._ask_postgres(grafana.postgres(body["sql"], shown))
        return self._ask_sqlite(grafana.sqlite(body["sql"], shown), body["timeColumns"])

    def _ask_postgres(self, text: str) -> Json:
        # Grafana's connections do not come with our role's search path when another role reads the views.
        with psycopg.connect(self.postgres, autocommit=True, options="-c search_path=public") as connection:
            cursor = connection.execute(text.encode())
            described = cursor.description or []
            kinds = [_KINDS.get(column.type_code, "string") for column in described]
            return _answer([column.name for column in described], kinds, cursor.fetchall())

    def _ask_sqlite(self, text: str, times: Sequence[str]) -> Json:
        assert self.sqlite is not None
        with closing(sqlite3.connect(f"file:{self.sqlite}?mode=ro", uri=True)) as connection:
            cursor = connection.execute(text)
            names, rows = [column[0] for column in cursor.description], cursor.fetchall()
        kinds = []
        for place, name in enumerate(names):
            first = next((row[place] for row in rows if row[place] is not None), "")
            kinds.append("time" if name in times else "number" if isinstance(first, int | float) else "string")
        return _answer(names, kinds, rows)

    def ask_prometheus(self, path: str) -> Json:
        """Hand a question on."""
        found: Json = httpx.get(self.prometheus + path, trust_env=False, timeout=60).json()
        assert found["status"] == "success", found
        return found


def _answer(names: Sequence[str], kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> Json:
    columns = [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]
    return {"columns": columns, "rows": [[*map(_plain, row, kinds)] for row in rows]}


def _plain(value: Any, kind: str) -> Any:
    """Write a value as data frames have it: instants in milliseconds."""
    if isinstance(value, datetime):
        return value.timestamp() * 1000
    if kind == "time" and value is not None:
        return value * 1000
    return float(value) if isinstance(value, Decimal) else value


@contextmanager
def serving(page: Path, packages: Path, sources: Sources, boards: Mapping[str, Json]) -> Iterator[str]:
    """Serve the page and the answers within a block; yields the address. ``boards`` stand for committed ones."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/boards/"):
                name = path.removeprefix("/boards/")
                if name in boards:
                    self._send(200, json.dumps(boards[name]).encode(), "application/json")
                    return
                file = FOLDER / f"{name}.json"
            elif path.startswith("/public/build/"):
                file = packages / "@grafana/ui/dist/public" / path.removeprefix("/public/build/")
            else:
                file = page / (path.removeprefix("/") or "index.html")
            if file.is_file():
                self._send(200, file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream"))
            else:
                self._send(404, b"", "text/plain")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer: Callable[[], Json] = (
                (lambda: sources.ask(body)) if self.path == "/ask" else (lambda: sources.ask_prometheus(body["path"]))
            )
            try:
                status, found = 200, answer()
            except Exception as error:  # noqa: BLE001  whatever it is, the panel shows it, and the test fails by that
                status, found = 400, {"error": f"{type(error).__name__}: {error}"}
            self._send(status, json.dumps(found).encode(), "application/json")

        def _send(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
