"""Draw boards over every store, range, width, theme: ``python -m tests.support.dashboards.drawn.pictures [FOLDER]``.

Says what is wrong with each, and ends with 1 where anything is. ``--document`` draws those of docs/images alone.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.dashboards.drawn import material
from tests.support.dashboards.drawn.checks import faults
from tests.support.dashboards.drawn.drawing import drawing

_RANGES = ("now-6h", "now-24h", "now-7d", "now-90d", "now-365d")
_WIDTHS = (1280, 1920)
_THEMES = ("dark", "light")
_BOARDS = ("overview", "host", "violation")
_IMAGES = Path(__file__).parents[4] / "docs" / "images"
_TOP = 1150
"""Height of a picture in the documents: the first screen."""


def _everything(browser: Browser, folder: Path, work: Path) -> Iterator[tuple[str, list[str]]]:
    """Draw all, and give the name of each picture with what is wrong with it."""
    for make in (material.demo, material.empty, material.one_host, material.many_hosts):
        with ExitStack() as stack:
            sources = stack.enter_context(material.in_both(make(work)))
            pen = stack.enter_context(drawing(browser, sources))
            for engine, board, since, width, theme in product(
                ("postgres", "sqlite"), _BOARDS, _RANGES, _WIDTHS, _THEMES
            ):
                name = f"{make.__name__}-{engine}-{board}-{since}-{width}-{theme}"
                drawn = pen.draw(
                    f"{engine}/{board}", since=since, width=width, theme=theme, picture=folder / f"{name}.png"
                )
                yield name, faults(drawn)


def draw_for_documents(browser: Browser, work: Path, folder: Path = _IMAGES) -> None:
    """Draw the pictures of docs/grafana.md: the first screen of two boards."""
    with ExitStack() as stack:
        pen = stack.enter_context(drawing(browser, stack.enter_context(material.in_both(material.demo(work)))))
        pen.draw("postgres/overview", theme="light", picture=folder / "board-overview.png", height=_TOP)
        pen.draw("postgres/host", theme="light", picture=folder / "board-host.png", height=_TOP, host="www.example.com")


def main() -> None:
    """Draw what the arguments say."""
    work = Path(tempfile.mkdtemp(prefix="hpkp-boards-"))
    try:
        with chromium() as browser:
            if "--document" in sys.argv:
                draw_for_documents(browser, work)
                return
            folder = Path(next(iter(sys.argv[1:]), "build/boards"))
            bad = 0
            for name, found in _everything(browser, folder, work):
                sys.stdout.write("\n  ".join((name, *(found or ["fine"]))) + "\n")
                bad += bool(found)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
