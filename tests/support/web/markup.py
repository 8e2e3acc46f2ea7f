"""What tests read out of a page without a browser."""

import re
from html.parser import HTMLParser
from typing import Any

_FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')
_UNSEEN = {"head", "style", "script"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        stated = dict(attrs)
        self.tags.append((tag, stated))
        self._hidden += tag in _UNSEEN
        if tag == "a" and stated.get("href"):
            self.links.append(stated["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _UNSEEN

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def read(response: Any, status: int = 200) -> _Reader:
    """Read a page."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    reader = _Reader()
    reader.feed(response.text)
    return reader


def words_of(response: Any, status: int = 200) -> str:
    """Return the text of a page, with single blanks."""
    return " ".join(" ".join(read(response, status).words).split())


def token_of(response: Any) -> str:
    """Return the token that the forms of a page bring along."""
    found = _FORM_TOKEN.search(response.text)
    assert found is not None, "the page has no form"
    return found[1]
