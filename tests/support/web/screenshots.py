"""Take the pictures of the pages that the documents show, of the made-up rollout of ``hpkp demo``.

Run by ``make screenshots``. Pictures are cut below the first screens, so that they stay small.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser
from typer.testing import CliRunner

from app.api.sessions import COOKIE
from app.cli import app as cli
from app.hpkp.judgement.causes import Cause
from app.main import create_app
from app.service import Service
from app.store.read.filters import Filter
from app.store.read.violations import list_violations
from tests.support.admin import session_cookie
from tests.support.application import settings_for
from tests.support.browser import chromium
from tests.support.web_server import served

HOST = "www.example.com"
TARGET = Path(__file__).parents[3] / "docs" / "images"


@dataclass(frozen=True)
class Picture:
    """A page, how it is looked at, and how much of it is kept, in CSS pixels."""

    name: str
    path: str
    scheme: str
    width: int
    height: int


def pictures(violation: int) -> tuple[Picture, ...]:
    """Return what is to be taken, with the violation of this number."""
    host = f"/hosts/{HOST}"
    return (
        Picture("hosts", "/", "light", 1280, 800),
        Picture("violations", "/violations", "dark", 1280, 900),
        Picture("host", host, "light", 1280, 900),
        Picture("host-narrow", host, "dark", 390, 1200),
        Picture("reports", f"{host}#reports", "dark", 1280, 760),
        Picture("violation", f"/violations/{violation}", "light", 1280, 1160),
    )


def take(browser: Browser, url: str, picture: Picture, target: Path, *, session: str) -> None:
    """Take one picture, logged in by a session's cookie."""
    context = browser.new_context(
        color_scheme="dark" if picture.scheme == "dark" else "light",
        viewport={"width": picture.width, "height": picture.height},
        java_script_enabled=False,
    )
    context.add_cookies([{"name": COOKIE, "value": session, "url": url}])
    page = context.new_page()
    page.goto(f"{url}{picture.path}")
    page.screenshot(path=target / f"{picture.name}.png")
    context.close()


def _telling_violation(service: Service) -> int:
    """Return the number of a violation of an unpinned key; without one, of any other."""
    wanted = (Filter(host=HOST, cause=Cause.OWN_KEY_NOT_PINNED), Filter(cause=Cause.OTHER_TRUST_PATH), Filter())
    with service.engine.connect() as connection:
        found = (row for narrowed in wanted for row in list_violations(connection, narrowed, limit=1))
        return int(next(found).id)


def take_all(target: Path) -> None:
    """Fill a store with the demo, serve it, and take every picture."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory, "demo.sqlite3")
        filled = CliRunner().invoke(cli, ["demo", "--database", str(store), "--json"])
        assert filled.exit_code == 0, filled.output
        settings = settings_for(
            Path(directory),
            database_url=f"sqlite:///{store}",
            trust_anchors=store.with_suffix(".roots.pem"),
            catalog=store.with_suffix(".catalog.toml"),
        )
        app = create_app(settings)
        with served(app) as url, chromium() as browser:
            session = session_cookie(app.state.service.engine)
            for picture in pictures(_telling_violation(app.state.service)):
                take(browser, url, picture, target, session=session)


if __name__ == "__main__":
    take_all(Path(sys.argv[1]) if sys.argv[1:] else TARGET)
