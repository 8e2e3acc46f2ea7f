"""Golden reports in the envelope of the Reporting API, each with one entry of type hpkp."""

import json
from collections.abc import Iterator
from typing import Any

from app.demo import FORMS, Members
from app.hpkp.report import Sender
from tests.support.golden.cases import BaseIncident, Case, make_base_incident

_CSP = {
    "type": "csp-violation", "age": 10, "url": "https://www.example.com/", "user_agent": "Mozilla/5.0",
    "body": {"blockedURL": "inline", "disposition": "enforce"},
}  # fmt: skip


def reporting_api_cases() -> Iterator[Case]:
    """Make the cases of the Reporting API."""
    base = make_base_incident()
    entry = FORMS[Sender.REPORTING_API].members(base.incident())
    yield _envelope("batch-of-one", base, [entry])
    yield _envelope("entry-on-its-own", base, entry)
    yield _envelope("among-other-types", base, [_CSP, {"type": "network-error"}, entry, _CSP])
    yield _envelope(
        "with-a-date-of-its-own", base, [entry | {"body": entry["body"] | {"date-time": "2026-06-01T11:59:00Z"}}],
        means={"date_time": "2026-06-01T11:59:00+00:00", "date_time_text": "2026-06-01T11:59:00Z"},
    )  # fmt: skip
    yield _envelope("without-age", base, [entry | {"age": None}], means={"date_time": None})
    yield _envelope("age-before-all-computers", base, [entry | {"age": 10**15}], means={"date_time": None})


def _envelope(name: str, base: BaseIncident, envelope: Any, *, means: Members | None = None) -> Case:
    expected = base.told() | {
        "sender": "reporting-api",
        "date_time_text": None,
        "effective_expiration_date": "2026-07-31T12:00:00+00:00",
        "effective_expiration_text": "2026-07-31T12:00:00.000Z",
    }
    return Case("reporting-api", name, json.dumps(envelope, separators=(",", ":")).encode(), expected | (means or {}))
