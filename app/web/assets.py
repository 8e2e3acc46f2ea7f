"""The files that pages are shown with; the only ones, and open to all, because the log-in needs them."""

from fastapi import APIRouter, Response

from app.api.problems import not_found
from app.web.rendering import HEADERS, static_file

router = APIRouter()

_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@router.get("/static/{name}")
async def give(name: str) -> Response:
    """Give a packaged file. Its address changes with its content, so it may be cached for ever."""
    if name not in _TYPES:
        raise not_found("file", name)
    kept = HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(static_file(name), headers=kept | {"Content-Type": _TYPES[name]})
