"""Which responses of an access log count for a host, and what was seen of those that do not.

Counts bear on a verdict, so what is left out is told with its reason, and a log of which nothing counts is an error.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from app.access_log import Hit
from app.hpkp.errors import InvalidHost
from app.hpkp.hosts import canonical_host

_MOST_SEEN = 1000
"""Distinct values that are kept for each reason; a log may name any number."""
_SHOWN = 3


class LeftOut(StrEnum):
    """Why a response does not count, in words."""

    DAY = "on other days"
    STATUS = "with other statuses than 2xx and 3xx"
    HOST = "of other virtual hosts"
    PATH = "to other paths"


@dataclass
class Selection:
    """Chooses responses. ``hosts`` holds for lines that name a virtual host; one that names none counts."""

    hosts: Collection[str]
    path_prefix: str = ""
    since: date | None = None
    until: date | None = None
    taken: int = 0
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    _seen: dict[LeftOut, Counter[str]] = field(default_factory=dict)

    def takes(self, hit: Hit) -> bool:
        """Say whether a response counts, and remember why not."""
        reason, seen = self._refusal(hit)
        if reason is None:
            self.taken += 1
            return True
        self.left_out[reason] += 1
        values = self._seen.setdefault(reason, Counter())
        if seen in values or len(values) < _MOST_SEEN:
            values[seen] += 1
        return False

    def _refusal(self, hit: Hit) -> tuple[LeftOut | None, str]:
        day = hit.at.date()
        if (self.since is not None and day < self.since) or (self.until is not None and day > self.until):
            return LeftOut.DAY, str(day)
        if hit.host:
            try:
                host = canonical_host(hit.host)
            except InvalidHost:
                return (
                    LeftOut.HOST,
                    "no host name",
                )  # anybody may write anything into a log, and this goes to a terminal
            if host not in self.hosts:
                return LeftOut.HOST, host
        if not hit.path.startswith(self.path_prefix):
            return LeftOut.PATH, hit.path.partition("?")[0][:60]
        if not 200 <= hit.status < 400:
            return LeftOut.STATUS, str(hit.status)
        return None, ""

    def seen(self, reason: LeftOut) -> str:
        """Name what was seen most of what a reason left out."""
        values = self._seen.get(reason, Counter())
        shown = ", ".join(value for value, _ in values.most_common(_SHOWN))
        return f"{shown}{', …' if len(values) > _SHOWN else ''}"

    def nothing_taken(self) -> str:
        """Say what the log has in place of what was asked for, and what to change."""
        told = [f"{count} {reason} ({self.seen(reason)})" for reason, count in self.left_out.most_common()]
        advice = {
            LeftOut.DAY: "change --since and --until",
            LeftOut.HOST: "name the virtual host of the log with --virtual-host",
            LeftOut.PATH: f"change --path-prefix {self.path_prefix}",
        }
        steps = ", or ".join(step for reason, step in advice.items() if self.left_out[reason])
        return f"no response counts: {'; '.join(told)}{'. ' + steps[0].upper() + steps[1:] if steps else ''}"
