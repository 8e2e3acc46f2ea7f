"""What the transaction of a batch has to write, planned from the batch alone. Pure: no database, no clock.

::

    reports of a batch -> drop_retries -> fresh -> plan_counts -> FoldPlan

The fold knows the identity and the host of each report by now, has judged what is new with no transaction open, and
asked the limits. The transaction then compares the watermark, writes the plan and moves the watermark; if the policy or
the catalog changed since the judging, it is rolled back and the batch is judged again. Rows are in the order of their
keys, so that two folds on one database lock them in the same order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from app.ingest.limits import OverflowReason

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Source = tuple[str, str, str, str]
"""App, app version, platform and label; empty where unknown."""


class FoldedReport(NamedTuple):
    """One report of the log, read and identified. Instants are in milliseconds since the Unix epoch.

    ``digest`` (16 bytes) is the same for a retry: the submission's, with the place of the report in it. ``overflow`` is
    set if the report's violation is new and over a limit.
    """

    digest: bytes
    identity: bytes
    host: str
    client: bytes
    network: bytes
    received_at: int
    source: Source
    overflow: OverflowReason | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """The reports of a batch that are no retries, in their order, and how many were."""

    reports: tuple[FoldedReport, ...]
    duplicates: int


def drop_retries(reports: Iterable[FoldedReport], seen: Mapping[bytes, int]) -> Fresh:
    """Drop what was counted within 24 hours before; ``seen`` has, by digest, when that was."""
    last, fresh, duplicates = dict(seen), list[FoldedReport](), 0
    for report in reports:
        at = last.get(report.digest)
        if at is not None and report.received_at - at < DAY_MS:
            duplicates += 1
            continue
        last[report.digest] = report.received_at
        fresh.append(report)
    return Fresh(tuple(fresh), duplicates)


@dataclass(frozen=True, slots=True)
class HourCount:
    """Reports of a violation from a source in an hour."""

    identity: bytes
    source: Source
    hour: int
    reports: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """Reports of a violation in a day, the clients that sent them, and the networks they came from."""

    identity: bytes
    day: int
    reports: int
    clients: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class ViolationCount:
    """Reports of a violation in all of the batch; ``networks`` has when each reported first."""

    identity: bytes
    host: str
    reports: int
    first_received_at: int
    last_received_at: int
    networks: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class OverflowCount:
    """Reports that were left out over a limit, and the networks they came from."""

    host: str
    day: int
    reason: OverflowReason
    reports: int
    networks: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """All counts of a batch, each sorted by its key. Counts of hosts are sums over their violations."""

    violations: tuple[ViolationCount, ...]
    hours: tuple[HourCount, ...]
    days: tuple[DayCount, ...]
    overflow: tuple[OverflowCount, ...]
    digests: tuple[tuple[bytes, int], ...]
    """To record for 24 hours: retries of what overflowed must not overflow again."""


def plan_counts(fresh: Fresh) -> FoldPlan:
    """Plan what is counted of a batch. Every fresh report is counted once, as violation or as overflow."""
    counted = [report for report in fresh.reports if report.overflow is None]
    return FoldPlan(
        violations=_count_violations(counted),
        hours=_count_hours(counted),
        days=_count_days(counted),
        overflow=_count_overflow(report for report in fresh.reports if report.overflow is not None),
        digests=tuple(sorted({report.digest: report.received_at for report in fresh.reports}.items())),
    )


def _count_violations(reports: Iterable[FoldedReport]) -> tuple[ViolationCount, ...]:
    by_identity = defaultdict[bytes, list[FoldedReport]](list)
    for report in reports:
        by_identity[report.identity].append(report)
    return tuple(
        ViolationCount(
            identity,
            same[0].host,
            len(same),
            min(report.received_at for report in same),
            max(report.received_at for report in same),
            _first_of_each_network(same),
        )
        for identity, same in sorted(by_identity.items())
    )


def _first_of_each_network(reports: Iterable[FoldedReport]) -> tuple[tuple[bytes, int], ...]:
    first: dict[bytes, int] = {}
    for report in reports:
        first[report.network] = min(report.received_at, first.get(report.network, report.received_at))
    return tuple(sorted(first.items(), key=lambda item: (item[1], item[0])))


def _count_hours(reports: Iterable[FoldedReport]) -> tuple[HourCount, ...]:
    hours = Counter((report.identity, report.source, _start(report.received_at, HOUR_MS)) for report in reports)
    return tuple(HourCount(*key, count) for key, count in sorted(hours.items()))


def _count_days(reports: Iterable[FoldedReport]) -> tuple[DayCount, ...]:
    days = defaultdict[tuple[bytes, int], list[bytes]](list)
    for report in reports:
        days[report.identity, _start(report.received_at, DAY_MS)].append(report.client)
    return tuple(DayCount(*key, len(clients), frozenset(clients)) for key, clients in sorted(days.items()))


def _count_overflow(reports: Iterable[FoldedReport]) -> tuple[OverflowCount, ...]:
    overflow = defaultdict[tuple[str, int, OverflowReason], list[bytes]](list)
    for report in reports:
        assert report.overflow is not None  # selected by the caller
        overflow[report.host, _start(report.received_at, DAY_MS), report.overflow].append(report.network)
    return tuple(OverflowCount(*key, len(networks), frozenset(networks)) for key, networks in sorted(overflow.items()))


def _start(moment: int, length: int) -> int:
    """Return the beginning of the hour or the day that an instant is in."""
    return moment - moment % length
