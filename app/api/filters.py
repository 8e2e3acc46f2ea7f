"""What a list or a summary is narrowed by: the same query parameters everywhere."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from app.api.values import Instant
from app.store.read.filters import Filter


def read_report_filter(
    app: Annotated[str | None, Query(description="Bundle id or package of the app.")] = None,
    app_version: Annotated[str | None, Query(description="Version of the app.")] = None,
    platform: Annotated[str | None, Query(description="Platform, as the sender writes it.")] = None,
    label: Annotated[str | None, Query(description="Label of the report-uri.")] = None,
    since: Annotated[Instant | None, Query(description="Received at or after.")] = None,
    until: Annotated[Instant | None, Query(description="Received before.")] = None,
) -> Filter:
    """Read what tells single reports apart."""
    return Filter(app=app, app_version=app_version, platform=platform, label=label, since=since, until=until)


ReportFilter = Annotated[Filter, Depends(read_report_filter)]


def read_violation_filter(
    of_reports: ReportFilter,
    cause: Annotated[str | None, Query(description="Cause of the violation.")] = None,
    sender: Annotated[str | None, Query(description="Sender, by the form of its reports.")] = None,
    mode: Annotated[str | None, Query(description="`report-only` or `enforce`.")] = None,
    status: Annotated[str | None, Query(description="Status that the operator gave.")] = None,
) -> Filter:
    """Read what tells violations apart, besides."""
    return replace(of_reports, cause=cause, sender=sender, mode=mode, status=status)


ViolationFilter = Annotated[Filter, Depends(read_violation_filter)]
