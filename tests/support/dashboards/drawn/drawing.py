"""Boards drawn in headless Chromium with Grafana's own published front end (@grafana/scenes, data, ui; Apache-2.0).

What is not published is approximated in ``page/panels.tsx`` (the thin panels around the components, the state
timeline) or stands in `answers` (what backends do), and so is no proof of Grafana's own. Not drawn: tooltips, menus,
alert states.
"""

import functools
import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import Browser, FloatRect, Page, TimeoutError

from tests.support.dashboards.boards import FILES
from tests.support.dashboards.drawn.answers import Sources, serving
from tests.support.node import node, npm_packages

_HERE = Path(__file__).parents[3] / "dashboards" / "drawn"
_PATIENCE_MS = 180_000
_SETTLED = """() => {
    if (window.failed) throw new Error(window.failed);
    const panels = window.drawn?.();
    if (!panels?.length || !panels.every(({ done }) => done)) return false;
    const now = JSON.stringify(panels.map(({ text, rows }) => [text, rows])), before = window.lastDrawn;
    window.lastDrawn = now;
    return now === before;
}"""
"""Every panel has its answer, and nothing moved between two looks a quarter of a second apart."""

_BOARD_LINKS = "[...document.querySelectorAll('a[data-board-link]')].map(a => [a.textContent, a.getAttribute('href')])"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel as drawn, see ``page/measure.ts``."""

    title: str
    kind: str
    error: str | None
    text: str
    rows: int
    empty: bool
    series: list[dict[str, Any]]
    cells: list[dict[str, str]]
    links: list[dict[str, Any]]
    done: bool
    cut: Sequence[str] = ()
    """Titles, headers and cells that are wider than where they are shown."""
    right: int = 0
    """Pixels of a table that are out of sight to the right."""
    below: int = 0
    legend_below: int = 0
    """Pixels of a legend that are out of sight."""

    @property
    def value(self) -> str:
        """What a stat shows below its title."""
        return self.text.removeprefix(self.title).strip()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A board as drawn: what the page said, its panels, and the links at its top."""

    text: str
    panels: dict[str, Panel]
    board_links: dict[str, str]
    complaints: list[str]


@functools.cache
def _page() -> Path:
    """Bundle the page, once for each state of its sources and packages."""
    packages = npm_packages(_HERE / "package-lock.json")
    sources = sorted((_HERE / "page").iterdir())
    key = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:16]
    folder = packages.parent / f"page-{key}"
    if not (folder / "dist" / "index.html").exists():
        shutil.copytree(_HERE / "page", folder, dirs_exist_ok=True)
        subprocess.run([*node().node, "build.mjs"], cwd=folder, check=True)
    return folder / "dist"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Draws boards, all from the same sources."""

    browser: Browser
    address: str
    boards: dict[str, Any]
    """Boards that stand for the committed ones of their names."""

    def draw(
        self,
        board: str,
        *,
        theme: str = "dark",
        width: int = 1280,
        picture: Path | None = None,
        height: int = 0,
        since: str = "",
        until: str = "now",
        **variables: str,
    ) -> Drawn:
        """Draw a board such as ``postgres/host``; variables are named as on the board.

        The picture shows all of it, or so many pixels from its top.
        """
        asked = {f"var-{name}": value for name, value in variables.items()}
        if since:
            asked |= {"from": since, "to": until}
        return self._open(board, asked | {"theme": theme}, width=width, picture=picture, height=height)

    def follow(self, link: str, *, engine: str) -> Drawn:
        """Open a link to another board (``/d/uid?...``) as Grafana would."""
        parts = urlsplit(link)
        uid = parts.path.removeprefix("/d/")
        [name] = {f"{file.engine}/{file.name}" for file in FILES if file.model["uid"] == uid}
        assert name.partition("/")[0] in (engine, "prometheus")
        return self._open(name, dict(parse_qsl(parts.query, keep_blank_values=True)), width=1280, picture=None)

    def _open(
        self, board: str, asked: Mapping[str, str], *, width: int, picture: Path | None, height: int = 0
    ) -> Drawn:
        engine, _, name = board.partition("/")
        page = self.browser.new_page(viewport={"width": width, "height": 900})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            page.goto(f"{self.address}/?{urlencode({'engine': engine, 'board': name, **asked})}")
            _settle(page)
            whole = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": min(whole + 40, 8000)})
            _settle(page)
            if picture is not None:
                picture.parent.mkdir(parents=True, exist_ok=True)
                shown: FloatRect = {"x": 0, "y": 0, "width": width, "height": height or whole}
                page.screenshot(path=picture, clip=shown)
            return Drawn(
                text=page.evaluate("document.body.innerText"),
                panels={panel["title"]: Panel(**panel) for panel in page.evaluate("window.drawn()")},
                board_links=dict(page.evaluate(_BOARD_LINKS)),
                complaints=complaints,
            )
        finally:
            page.close()


def _settle(page: Page) -> None:
    try:
        page.wait_for_function(_SETTLED, polling=250, timeout=_PATIENCE_MS)
    except TimeoutError as error:
        waiting = page.evaluate("window.drawn?.().filter(({ done }) => !done).map(({ title }) => title)")
        raise AssertionError(f"the board does not settle; panels without an answer: {waiting}") from error


@contextmanager
def drawing(browser: Browser, sources: Sources) -> Iterator[Drawing]:
    """Draw within a block."""
    packages = npm_packages(_HERE / "package-lock.json")
    boards: dict[str, Any] = {}
    with serving(_page(), packages, sources, boards) as address:
        yield Drawing(browser, address, boards)
