"""What a page is narrowed by: the query parameters of the API, where an empty field of a form leaves a thing open."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query

from app.api.hosts import read_moment
from app.api.problems import ProblemError
from app.hpkp.hosts import canonical_host
from app.store.read.filters import Filter

_Text = Annotated[str, Query(max_length=200)]
_LongText = Annotated[str, Query(max_length=600)]

_PARAMETERS = {
    "q": "text", "cause": "cause", "impact": "impact", "status": "status", "sender": "sender", "mode": "mode",
    "app": "app", "app_version": "app_version", "platform": "platform", "label": "label", "issuer": "issuer",
}  # fmt: skip
"""Parameters of an address, and the members of a filter that they fill."""


def read_filter(
    q: _Text = "",
    cause: _Text = "",
    impact: _Text = "",
    status: _Text = "",
    sender: _Text = "",
    mode: _Text = "",
    app: _Text = "",
    app_version: _Text = "",
    platform: _Text = "",
    label: _Text = "",
    issuer: _LongText = "",
    since: _Text = "",
    until: _Text = "",
) -> Filter:
    """Read the fields of the filter; a time without a zone is UTC."""
    texts = {
        "q": q, "cause": cause, "impact": impact, "status": status, "sender": sender, "mode": mode, "app": app,
        "app_version": app_version, "platform": platform, "label": label, "issuer": issuer,
    }  # fmt: skip
    stated = {_PARAMETERS[name]: text.strip() or None for name, text in texts.items()}
    return Filter(**stated, since=_read(since, "since"), until=_read(until, "until"))


PageFilter = Annotated[Filter, Depends(read_filter)]


def read_host_filter(narrowed: PageFilter, host: _Text = "") -> Filter:
    """Read the filter of a page of all hosts, which may name one. Raises InvalidHost."""
    return replace(narrowed, host=canonical_host(host) if host.strip() else None)


HostFilter = Annotated[Filter, Depends(read_host_filter)]


def _read(text: str, name: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ProblemError(
            422, "Invalid time", f"{name} must be a UTC date or time, for example 2026-11-01T06:00."
        ) from None
    return read_moment(moment if moment.tzinfo else moment.replace(tzinfo=UTC), f"/query/{name}")


def as_query(wanted: Filter) -> dict[str, Any]:
    """Return the parameters that make a filter again, without the host; those of the address of a page."""
    members = {parameter: getattr(wanted, member) for parameter, member in _PARAMETERS.items()}
    found = {parameter: value for parameter, value in members.items() if value is not None}
    moments = {name: getattr(wanted, name) for name in ("since", "until")}
    return found | {name: f"{value:%Y-%m-%dT%H:%MZ}" for name, value in moments.items() if value is not None}
