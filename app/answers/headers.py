"""Reviews of pinning fields."""

from typing import Any

from app.answers.findings import lint_answer
from app.hpkp.header.field_lines import FieldValues
from app.hpkp.header.lint import HeaderReview


def header_review_answer(found: FieldValues, review: HeaderReview) -> dict[str, Any]:
    """Return what the standard says of a field, and what browsers did with it."""
    parsed = review.parsed
    return {
        "field": found.field,
        "taken_from": found.source,
        "rfc7469": review.conformance,
        "browsers": {"chromium": review.chromium, "firefox": review.firefox},
        "parsed": None
        if parsed is None
        else {
            "pins": [str(pin) for pin in parsed.pins],
            "max_age": parsed.max_age,
            "include_subdomains": parsed.include_subdomains,
            "report_uri": parsed.report_uri,
        },
        "findings": lint_answer(review.findings),
    }
