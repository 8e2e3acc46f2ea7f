"""A real Chromium, brought from Debian where the machine has none, with the same fonts everywhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.debian import Program, debian_package, debian_program

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_FONTS = ("fonts-inter", "fonts-dejavu-core")
_FONT_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  {folders}
  <cachedir>{cache}</cachedir>
  <alias binding="same"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="same"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="same"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser with a profile of its own; RuntimeError says what to install where none can be had."""
    program = debian_program("chromium", package="chromium")
    environment = {**program.environment, "FONTCONFIG_FILE": str(_font_configuration())}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_executable(program),
            env={**environment},
            args=list(_FLAGS),
            ignore_default_args=["--headless"],
        )
        try:
            yield browser
        finally:
            browser.close()


def _executable(program: Program) -> Path:
    """Return the program itself: Debian's command is a script that looks for it where packages are installed."""
    unpacked = program.root / "usr/lib/chromium/chromium"
    return unpacked if unpacked.exists() else program.path


def _font_configuration() -> Path:
    """Write down which fonts there are, so that pages look and break alike on every machine."""
    roots = [debian_package(package) for package in _FONTS]
    folders = "".join(f"<dir>{root}/usr/share/fonts</dir>" for root in roots)
    target = roots[0].parent / "fonts.conf"
    written = target.with_name(f"fonts.conf.{os.getpid()}")
    written.write_text(_FONT_CONFIGURATION.format(folders=folders, cache=roots[0].parent / "fonts-cache"))
    return written.replace(target)
