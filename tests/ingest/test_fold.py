"""The plan of a fold: every report is counted exactly once, however a log is cut into batches."""

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.ingest.fold import DAY_MS, HOUR_MS, FoldedReport, FoldPlan, drop_retries, plan_counts
from app.ingest.limits import OverflowReason

_HOSTS = {b"1" * 32: "a.example", b"2" * 32: "a.example", b"3" * 32: "b.example"}
_OVERFLOW = {b"3" * 32: OverflowReason.HOST}
_REPORTS = st.builds(
    lambda digest, identity, client, network, received_at, version: FoldedReport(
        digest,
        identity,
        _HOSTS[identity],
        client,
        network,
        received_at,
        ("app", version, "", ""),
        _OVERFLOW.get(identity),
    ),
    st.integers(0, 30).map(lambda number: number.to_bytes(16, "big")),
    st.sampled_from(sorted(_HOSTS)),
    st.sampled_from([b"c1", b"c2", b"c3"]),
    st.sampled_from([b"n1", b"n2"]),
    st.integers(0, 3 * DAY_MS),
    st.sampled_from(["1", "2"]),
)
_IN_ORDER = st.lists(_REPORTS, max_size=60).map(lambda reports: sorted(reports, key=lambda r: r.received_at))


def _fold(reports: list[FoldedReport], cuts: list[int]) -> tuple[list[FoldPlan], int]:
    """Fold in batches, recording digests as the database does; return the plans and the number of duplicates."""
    seen, plans, duplicates = dict[bytes, int](), list[FoldPlan](), 0
    edges = [0, *sorted(cuts), len(reports)]
    for start, stop in itertools.pairwise(edges):
        fresh = drop_retries(reports[start:stop], seen)
        plan = plan_counts(fresh)
        seen |= dict(plan.digests)
        plans.append(plan)
        duplicates += fresh.duplicates
    return plans, duplicates


@given(_IN_ORDER, st.data())
def test_batches_count_what_one_batch_counts(reports: list[FoldedReport], data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(reports)), max_size=4))
    [whole], duplicates = _fold(reports, [])
    parts, duplicates_of_parts = _fold(reports, cuts)
    assert duplicates_of_parts == duplicates
    hours = Counter[tuple[bytes, tuple[str, str, str, str], int]]()
    clients: dict[tuple[bytes, int], set[bytes]] = {}
    for plan in parts:
        hours.update({(hour.identity, hour.source, hour.hour): hour.reports for hour in plan.hours})
        for day in plan.days:
            clients.setdefault((day.identity, day.day), set()).update(day.clients)
    assert hours == {(hour.identity, hour.source, hour.hour): hour.reports for hour in whole.hours}
    assert clients == {(day.identity, day.day): day.clients for day in whole.days}
    assert sum(o.reports for plan in parts for o in plan.overflow) == sum(o.reports for o in whole.overflow)


@given(_IN_ORDER)
def test_all_counts_agree(reports: list[FoldedReport]) -> None:
    fresh = drop_retries(reports, {})
    plan = plan_counts(fresh)
    assert len(fresh.reports) + fresh.duplicates == len(reports)
    by_violation = {violation.identity: violation.reports for violation in plan.violations}
    for counts in (plan.hours, plan.days):
        total = Counter[bytes]()
        for count in counts:
            total[count.identity] += count.reports
        assert total == by_violation
    overflow = sum(count.reports for count in plan.overflow)
    assert sum(by_violation.values()) + overflow == len(fresh.reports)
    for keys in (
        [violation.identity for violation in plan.violations],
        [(hour.identity, hour.source, hour.hour) for hour in plan.hours],
        [(day.identity, day.day) for day in plan.days],
        [digest for digest, _ in plan.digests],
    ):
        assert keys == sorted(set(keys)), "each key once, in the order in which rows are locked"  # type: ignore[type-var]


def _report(digest: int, received_at: int, **changes: object) -> FoldedReport:
    report = FoldedReport(
        digest.to_bytes(16, "big"), b"1" * 32, "a.example", b"client", b"network", received_at, ("", "", "", "")
    )
    return report._replace(**changes)  # type: ignore[arg-type]


def test_a_retry_counts_again_after_24_hours() -> None:
    reports = [_report(1, 0), _report(1, DAY_MS - 1), _report(1, DAY_MS), _report(1, 2 * DAY_MS - 1)]
    fresh = drop_retries(reports, {})
    assert [report.received_at for report in fresh.reports] == [0, DAY_MS]
    assert fresh.duplicates == 2
    assert drop_retries(reports[:1], {reports[0].digest: -DAY_MS}).duplicates == 0
    assert drop_retries(reports[:1], {reports[0].digest: 1 - DAY_MS}).duplicates == 1


def test_networks_are_in_the_order_in_which_they_reported() -> None:
    reports = [
        _report(1, 5 * HOUR_MS, network=b"second"),
        _report(2, 4 * HOUR_MS, network=b"first"),
        _report(3, 9 * HOUR_MS, network=b"first"),
    ]
    [violation] = plan_counts(drop_retries(reports, {})).violations
    assert violation.networks == ((b"first", 4 * HOUR_MS), (b"second", 5 * HOUR_MS))
    assert (violation.first_received_at, violation.last_received_at) == (4 * HOUR_MS, 9 * HOUR_MS)


def test_overflow_is_counted_by_host_day_and_reason_with_its_networks() -> None:
    reasons = OverflowReason.HOST, OverflowReason.NETWORK
    reports = [_report(n, n * DAY_MS // 2, overflow=reasons[n % 2], network=b"%d" % (n % 3)) for n in range(6)]
    plan = plan_counts(drop_retries(reports, {}))
    assert (plan.violations, plan.hours, plan.days) == ((), (), ())
    counted = [(count.host, count.day // DAY_MS, count.reason, count.reports) for count in plan.overflow]
    assert counted == [("a.example", day, reason, 1) for day in range(3) for reason in sorted(reasons)]
    assert [count.networks for count in plan.overflow][:2] == [frozenset({b"0"}), frozenset({b"1"})]
    assert len(plan.digests) == 6
