"""Costly requests, a policy change and many what-ifs at once, and honest reports all the while.

``python -m tests.support.faults.pressure`` is the same with 10,000 violations; docs/performance.md has its figures.
"""

from pathlib import Path

from tests.support.faults.pressure import press

_WORST_RATIO = 25
"""Between the latencies with everything at once and those without: judged within a request, one costly body is 100."""
_LEAST_MS = 20
"""Below it, a quiet p99 says more about the machine's timer than about the service."""


def test_costly_requests_a_policy_change_and_what_ifs_do_not_hold_up_reports(tmp_path: Path) -> None:
    """Sent at once: five costly bodies, a policy under which 600 violations are judged again, 40 what-ifs."""
    found = press(tmp_path, violations=600)
    assert set(found.honest) == {204}
    assert set(found.costly) == {204}
    assert found.rejudged >= 600
    assert found.missing == 0
    assert set(found.what_ifs) <= {200, 503}
    assert 200 in found.what_ifs
    assert found.retry_after
    assert found.busy_p99 <= _WORST_RATIO * max(found.quiet_p99, _LEAST_MS), found
