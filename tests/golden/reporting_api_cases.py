"""Golden reports in the envelope of the Reporting API, each with one entry of type hpkp."""

import json
from collections.abc import Iterator
from typing import Any

from app.hpkp.report import Sender
from app.samples import FORMS, Members
from tests.golden.cases import Case, Story, make_story

_CSP = {
    "type": "csp-violation", "age": 10, "url": "https://www.example.com/", "user_agent": "Mozilla/5.0",
    "body": {"blockedURL": "inline", "disposition": "enforce"},
}  # fmt: skip


def reporting_api_cases() -> Iterator[Case]:
    """Make the cases of the Reporting API."""
    story = make_story()
    entry = FORMS[Sender.REPORTING_API].members(story.incident())
    yield _envelope("batch-of-one", story, [entry])
    yield _envelope("entry-on-its-own", story, entry)
    yield _envelope("among-other-types", story, [_CSP, {"type": "network-error"}, entry, _CSP])
    yield _envelope(
        "with-a-date-of-its-own", story, [entry | {"body": entry["body"] | {"date-time": "2026-06-01T11:59:00Z"}}],
        means={"date_time": "2026-06-01T11:59:00+00:00", "date_time_text": "2026-06-01T11:59:00Z"},
    )  # fmt: skip
    yield _envelope("without-age", story, [entry | {"age": None}], means={"date_time": None})
    yield _envelope("age-before-all-computers", story, [entry | {"age": 10**15}], means={"date_time": None})


def _envelope(name: str, story: Story, envelope: Any, *, means: Members | None = None) -> Case:
    expected = story.told() | {
        "sender": "reporting-api",
        "date_time_text": None,
        "effective_expiration_date": "2026-07-31T12:00:00+00:00",
        "effective_expiration_text": "2026-07-31T12:00:00.000Z",
    }
    return Case("reporting-api", name, json.dumps(envelope, separators=(",", ":")).encode(), expected | (means or {}))
