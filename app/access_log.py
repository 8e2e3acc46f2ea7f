"""Access logs, counted: how many clients and sessions a server answered on each day of UTC.

::

    lines ──read_line(format)──> Hit ──DailyCounter.add──> day: sessions, clients

A session is a client within an hour of the clock: a page with fifty pictures is one, so what is counted is not more
than there was. A client is an address with a user agent, kept as a hash under a key that is made for the run and
thrown away.
Memory is bounded: beyond so many hashes nothing is added, and the numbers are lower bounds all the more.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

MOST_HASHES = 3_000_000
"""Some 300 MB."""


class LogFormat(StrEnum):
    """What a line looks like."""

    COMBINED = "combined"
    """nginx and Apache: ``address - - [time] "GET / HTTP/1.1" 200 512 "referrer" "agent"``, or without the last two."""
    VHOST_COMBINED = "vhost_combined"
    """The same behind ``virtual-host[:port]``, as Debian's Apache writes other_vhosts_access.log."""
    HAPROXY = "haproxy"
    """HAProxy's ``option httplog``, with or without what syslog puts before it; its times are taken for UTC."""
    JSONL = "jsonl"
    """A JSON object in each line, with time, address, status, and perhaps path and user agent."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A response: when, to whom, with which status, to which path."""

    at: datetime
    address: str
    status: int
    path: str
    user_agent: str = ""
    host: str = ""
    """The virtual host in lower case, without a port; empty where the line names none."""

    @property
    def client(self) -> str:
        """Who it is, as far as a log tells."""
        return f"{self.address} {self.user_agent}"


class UnreadableLine(ValueError):
    """A line that is not of the format."""


_REQUEST = (
    r'[^\[]*\[(?P<time>[^\]]{10,40})\] "(?:[A-Z]+ )?(?P<target>[^" ]*)[^"]*" (?P<status>\d{3}) '
    r'(?:\S+)(?: "[^"]*" "(?P<agent>[^"]*)")?'
)
_COMBINED = re.compile(r"(?P<address>\S+) \S+ " + _REQUEST)
# Of combined the second word is the identity by RFC 1413, which nobody asks for any more: a "-".
_VHOST_COMBINED = re.compile(r"(?P<vhost>\S+) (?!- )(?P<address>\S+) \S+ \S+ " + _REQUEST)
_HAPROXY = re.compile(
    r"(?:.*?\]: )?(?P<address>[0-9A-Fa-f.:]+):\d+ \[(?P<time>[^\]]{10,40})\] \S+ \S+ \S+ (?P<status>\d{3}) "
    r'.*"(?:[A-Z]+ )?(?P<target>[^" ]*)[^"]*"'
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<authority>[^/?#]*)(?P<path>.*)")
"""The request target in absolute form (RFC 9112 section 3.2.2), in which HAProxy logs every HTTP/2 request."""
_TIMES = ("%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S.%f", "%d/%b/%Y:%H:%M:%S")
_NAMES: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "@timestamp", "time_iso8601", "time_local", "msec", "ts"),
    "address": ("remote_addr", "client_ip", "remote_ip", "clientip", "address"),
    "status": ("status", "status_code"),
    "path": ("path", "request_uri", "uri", "url"),
    "agent": ("http_user_agent", "user_agent"),
}
"""Members under which JSON lines of usual configurations tell these."""


def guess_format(line: str) -> LogFormat:
    """Guess from the first line. Raises UnreadableLine where none fits."""
    for known in (LogFormat.JSONL, LogFormat.VHOST_COMBINED, LogFormat.COMBINED, LogFormat.HAPROXY):
        try:
            READERS[known](line)
        except UnreadableLine:
            continue
        return known
    raise UnreadableLine("not a line of combined, vhost_combined, haproxy or jsonl")


def _read_combined(line: str) -> Hit:
    if _VHOST_COMBINED.match(line):
        # Its first word would pass for the client: all visitors of a host for one.
        raise UnreadableLine("a virtual host stands before the address, as in vhost_combined")
    return _hit(_COMBINED.match(line))


def _read_vhost_combined(line: str) -> Hit:
    return _hit(_VHOST_COMBINED.match(line))


def _read_haproxy(line: str) -> Hit:
    return _hit(_HAPROXY.match(line))


def _hit(found: "re.Match[str] | None") -> Hit:
    if found is None:
        raise UnreadableLine("the line has another form")
    parts = found.groupdict()
    path, authority = _split_target(parts["target"])
    return Hit(
        _time(parts["time"]),
        parts["address"],
        int(parts["status"]),
        path,
        parts.get("agent") or "",
        _without_port(parts.get("vhost") or authority),
    )


def _split_target(target: str) -> tuple[str, str]:
    """Return path and authority of a request target; no authority where the target is a path alone."""
    absolute = _ABSOLUTE.fullmatch(target)
    return (target, "") if absolute is None else (absolute["path"] or "/", absolute["authority"])


def _without_port(authority: str) -> str:
    return re.sub(r":\d+$", "", authority).lower().rstrip(".")


def _read_json(line: str) -> Hit:
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreadableLine("no JSON") from None
    if not isinstance(members, dict):
        raise UnreadableLine("no JSON object")
    found = {name: _first(members, known) for name, known in _NAMES.items()}
    for name in ("time", "address", "status"):
        if found[name] is None:
            raise UnreadableLine(f"none of the members {', '.join(_NAMES[name])}")
    try:
        status = int(found["status"])
    except (ValueError, TypeError):
        raise UnreadableLine("the status is no number") from None
    path, authority = _split_target(str(found["path"] or ""))
    agent = str(found["agent"] or "")
    return Hit(_time(found["time"]), str(found["address"]), status, path, agent, _without_port(authority))


def _first(members: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((members[name] for name in names if members.get(name) is not None), None)


def _time(told: Any) -> datetime:
    """Read a time; one without a zone is taken for UTC."""
    for form in _TIMES if isinstance(told, str) else ():
        try:
            moment = datetime.strptime(told, form)
        except ValueError:
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    try:
        if isinstance(told, str) and not re.fullmatch(r"\d+(\.\d+)?", told):
            moment = datetime.fromisoformat(told)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return datetime.fromtimestamp(float(told), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise UnreadableLine(f"the time cannot be read: {str(told)[:40]}") from None


READERS: dict[LogFormat, Callable[[str], Hit]] = {
    LogFormat.COMBINED: _read_combined,
    LogFormat.VHOST_COMBINED: _read_vhost_combined,
    LogFormat.HAPROXY: _read_haproxy,
    LogFormat.JSONL: _read_json,
}


@dataclass
class _Day:
    sessions: set[int] = field(default_factory=set)
    clients: set[int] = field(default_factory=set)


class DailyCounter:
    """Counts hits by day; ``full`` once the bound on memory is reached, from where on the counts are lower bounds."""

    def __init__(self, *, most: int = MOST_HASHES) -> None:
        self._room = most
        self._key = secrets.token_bytes(32)
        self._days: dict[date, _Day] = {}

    @property
    def room(self) -> int:
        """How many hashes may still be added."""
        return self._room

    @property
    def full(self) -> bool:
        """Whether something was left out for want of room."""
        return self._room <= 0

    def add(self, hit: Hit) -> None:
        """Count a response."""
        if self.full:
            return
        day = self._days.setdefault(hit.at.date(), _Day())
        client = self._hash(hit.client)
        session = self._hash(f"{hit.at.hour} {hit.client}")
        self._room -= (client not in day.clients) + (session not in day.sessions)
        day.clients.add(client)
        day.sessions.add(session)

    def add_day(self, at: datetime) -> None:
        """Tell that a day was looked at, even if nobody counts on it."""
        self._days.setdefault(at.date(), _Day())

    def _hash(self, text: str) -> int:
        digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big")

    def days(self) -> Iterator[tuple[date, int, int]]:
        """Tell each day's sessions and clients."""
        for day, counted in sorted(self._days.items()):
            yield day, len(counted.sessions), len(counted.clients)
