"""What a page is narrowed by: the query parameters of the API, where an empty field of a form leaves a thing open."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query

from app.api.hosts import read_moment
from app.api.problems import ProblemError
from app.store.read.filters import Filter

_Text = Annotated[str, Query(max_length=200)]


def read_filter(
    cause: _Text = "",
    status: _Text = "",
    sender: _Text = "",
    mode: _Text = "",
    app: _Text = "",
    app_version: _Text = "",
    platform: _Text = "",
    label: _Text = "",
    since: _Text = "",
    until: _Text = "",
) -> Filter:
    """Read the fields of the filter; a moment without a zone is UTC."""
    texts = {
        "cause": cause, "status": status, "sender": sender, "mode": mode, "app": app, "app_version": app_version,
        "platform": platform, "label": label,
    }  # fmt: skip
    stated = {name: text.strip() or None for name, text in texts.items()}
    return Filter(**stated, since=_read(since, "since"), until=_read(until, "until"))


PageFilter = Annotated[Filter, Depends(read_filter)]


def _read(text: str, name: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ProblemError(
            422, "Not a moment", f"{name} is a day or a moment in UTC, such as 2026-11-01 or 2026-11-01T06:00."
        ) from None
    return read_moment(moment if moment.tzinfo else moment.replace(tzinfo=UTC), f"/query/{name}")


def as_query(wanted: Filter) -> dict[str, Any]:
    """Return the parameters that make a filter again; those of the address of a page."""
    names = ("cause", "status", "sender", "mode", "app", "app_version", "platform", "label")
    found = {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None}
    moments = {name: getattr(wanted, name) for name in ("since", "until")}
    return found | {name: f"{value:%Y-%m-%dT%H:%MZ}" for name, value in moments.items() if value is not None}
