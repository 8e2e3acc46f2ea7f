"""What a batch adds to the counts of each violation, gathered in memory before anything is written.

::

    FoldedReport … ──add──> ViolationCount ─┬─ hours by source      exact
                                            ├─ DayCount by day      exact, with report rows up to a limit
                                            ├─ clients ─> sketches  once per batch and key
                                            └─ networks             the first few

Knows no SQL: `rollups` reads the state before and writes what was added. These values live in one transaction only.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from app.hpkp.readiness.ignore_rules import FEW
from app.store.engine import DAY_MS, HOUR_MS
from app.store.sketches import NO_CLIENTS, Sketched, count_in
from app.store.write.values import FoldedReport, FoldLimits


class HostKey(NamedTuple):
    """Under what the reports of a violation are counted for its host; ``mode`` is empty if unknown."""

    host: str
    cause: str
    sender: str
    mode: str


class KeptReport(NamedTuple):
    """A report of which a row is kept, with the id of its source, and with its body if there is room for that."""

    report: FoldedReport
    source_id: int
    with_body: bool


@dataclass(slots=True)
class DayCount:
    """A violation's day: rows kept and clients before, and what the batch adds."""

    rows_kept: int = 0
    sketched: Sketched = NO_CLIENTS
    reports: int = 0
    clients: set[bytes] = field(default_factory=set)
    kept: list[KeptReport] = field(default_factory=list)
    has_new_clients: bool = False


@dataclass(slots=True)
class ViolationCount:
    """A violation: its state before, and what the batch adds."""

    id: int
    key: HostKey
    raw_bodies: int
    sketched: Sketched
    networks_kept: int = 0
    reports: int = 0
    last_received_at: int = 0
    new_bodies: int = 0
    hours: dict[tuple[int, int], int] = field(default_factory=dict)
    """Reports by hour and id of the source."""
    days: dict[int, DayCount] = field(default_factory=dict)
    networks: dict[bytes, int] = field(default_factory=dict)
    """The first few networks of the batch, with the receipt of their first report."""

    def add(self, report: FoldedReport, source_id: int, limits: FoldLimits) -> None:
        """Count one report. Runs once for each, so it is flat: 0.9 us."""
        at = report.received_at
        hour = at - at % HOUR_MS, source_id
        self.hours[hour] = self.hours.get(hour, 0) + 1
        midnight = at - at % DAY_MS
        day = self.days.get(midnight)
        if day is None:
            day = self.days[midnight] = DayCount()
        day.reports += 1
        day.clients.add(report.client)
        if day.rows_kept + len(day.kept) < limits.report_rows_per_day:
            self._keep(report, source_id, day, limits)
        if at > self.last_received_at:
            self.last_received_at = at
        # Which ones the store knows is read later. It keeps FEW in all, so among twice as many are enough new ones.
        if report.network not in self.networks and len(self.networks) < 2 * FEW:
            self.networks[report.network] = at

    def _keep(self, report: FoldedReport, source_id: int, day: DayCount, limits: FoldLimits) -> None:
        """Keep a row, and the body while there is room for it."""
        with_body = report.body is not None and self.raw_bodies + self.new_bodies < limits.raw_bodies
        self.new_bodies += with_body
        day.kept.append(KeptReport(report, source_id, with_body))

    def finish(self) -> None:
        """Sum up and sketch, after the last report. Clients known of a day are known of the violation."""
        self.days = {midnight: day for midnight, day in sorted(self.days.items()) if day.reports}
        for day in self.days.values():
            self.reports += day.reports
            before, day.sketched = day.sketched, count_in(day.sketched, day.clients)
            day.has_new_clients = day.sketched is not before
            if day.has_new_clients:
                self.sketched = count_in(self.sketched, day.clients)

    def new_networks(self, known: Collection[bytes]) -> list[tuple[bytes, int]]:
        """Return the first networks for which there is room beside those that are known."""
        new = [(network, at) for network, at in self.networks.items() if network not in known]
        return new[: max(FEW - len(known), 0)]

    def kept(self) -> Iterator[KeptReport]:
        """Yield the reports of which rows are kept, by day."""
        for day in self.days.values():
            yield from day.kept


@dataclass(frozen=True, slots=True)
class HostCounts:
    """What a batch adds to the counts of hosts, by key and start of the hour or day."""

    hours: dict[tuple[HostKey, int], int]
    days: dict[tuple[HostKey, int], int]
    clients: dict[tuple[str, int], set[bytes]]
    """Clients that are new to a violation's day, and so perhaps to the host's."""


def sum_by_host(counts: list[ViolationCount]) -> HostCounts:
    """Sum what a batch adds to violations by host."""
    total = HostCounts({}, {}, {})
    for count in counts:
        for (hour, _), reports in count.hours.items():
            total.hours[count.key, hour] = total.hours.get((count.key, hour), 0) + reports
        for midnight, day in count.days.items():
            total.days[count.key, midnight] = total.days.get((count.key, midnight), 0) + day.reports
            if day.has_new_clients:
                total.clients.setdefault((count.key.host, midnight), set()).update(day.clients)
    return total
