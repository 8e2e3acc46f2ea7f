"""The reader of the ingest path: it knows again what it has read before.

A violation is reported again and again with the same bytes but for two dates. Chromium, which sorts the members, writes
them first::

    {"date-time":"…","effective-expiration-date":"…" ,"hostname":"www.example.com", …
    └─────────────────── head ─────────────────────┘└── rest ──> what was read from it, but for what the dates tell

Reading by the rest gives what reading the whole gives. The head holds two strings and nothing else; the rest, whose
members have other names (it is kept only where they have), was read before behind another head of this form; nothing
that is read from the rest looks at the dates, but the mode, the contradictions and the identity, which are told anew
by the same functions. Whatever is in any other form is read whole.
"""

import hashlib
import re
from datetime import datetime
from typing import NamedTuple

from lru import LRU

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.violation import clock_of, identity_of, is_outside_validity, out_of_date, shared_validity
from app.senders import Reading, Unreadable, read_reports
from app.senders.pem import CertificateReader
from app.senders.rfc7469 import chromium_mode, contradictions_of_dates
from app.senders.weighted_lru import WeightedLRU
from app.senders.wire import TO_THE_SECOND, read_usual_date

_DATE = rf'"({TO_THE_SECOND}\.\d{{3}}Z)"'
_HEAD = re.compile(f'{{"date-time":{_DATE},"effective-expiration-date":{_DATE}'.encode(), re.ASCII)
_HEAD_FORM = b'{"date-time":"%b","effective-expiration-date":"%b"'
_HEAD_LENGTH = len('{"date-time":"2026-06-01T12:00:00.000Z","effective-expiration-date":"2026-06-01T12:00:00.000Z"')
_NOT_IN_REST = (b'"date-time"', b'"effective-expiration-date"', b"\\u")
"""Names that would say the dates again; with an escape in it, any name could be one of them."""

_STRIDE = 61
"""Of a rest every so-manieth byte is looked up, and the whole compared with what is found: cheaper than hashing it."""
_SEEN_ONCE = 8192
"""How many rests are remembered as met once."""
_MAX_BYTES = 8_000_000
_WEIGHT = 2
"""A rest weighs itself and its certificates, of which it may be the last to hold them."""


class DatedBody(NamedTuple):
    """A body in two parts: two dates of 24 bytes each as sent, and the text behind them. ``bytes()`` joins them.

    The text is the same object for all reports of a violation: thousands of them are held at once, of 12 kB each.
    """

    dates: tuple[bytes, bytes]
    text: bytes

    def __bytes__(self) -> bytes:
        """Return the body exactly as sent."""
        return _HEAD_FORM % self.dates + self.text


class Identified(NamedTuple):
    """A report, the bytes that say it, and what it is known by.

    ``fingerprint`` is that of the body as sent and the report's place in it: the same for the same bytes.
    """

    report: ViolationReport
    body: bytes | DatedBody
    fingerprint: bytes
    received_at: datetime
    known_identity: bytes | None = None

    @property
    def identity(self) -> bytes:
        """The violation's identity; worked out here, because it is half the cost of certificates that are only read."""
        return self.known_identity or identity_of(self.report, received_at=self.received_at)


class Recalled(NamedTuple):
    """A report that was read before with other dates: its text is the same object each time.

    ``report`` is the one read first; of this one, ``dates`` are as sent, 24 bytes each.
    """

    report: ViolationReport
    text: bytes
    dates: tuple[bytes, bytes]
    fingerprint: bytes


class _BodyTemplate:
    """What was read from a rest; the dates are those of the body that it was read from."""

    __slots__ = ("_contradictions", "_identities", "_validity", "digest", "report", "text")

    def __init__(self, text: bytes, report: ViolationReport, digest: bytes) -> None:
        by_dates = tuple(contradictions_of_dates(report.date_time, report.effective_expiration_date))
        self._contradictions = tuple(found for found in report.contradictions if found not in by_dates)
        self._identities: dict[tuple[Mode | None, bool, frozenset[bytes]], bytes] = {}
        self._validity = shared_validity(report)
        self.report = report
        self.text = text
        self.digest = digest

    @property
    def can_be_kept(self) -> bool:
        """Whether it was read as Chromium's, and does not say the dates again."""
        return self.report.sender is Sender.CHROMIUM and not any(name in self.text for name in _NOT_IN_REST)

    def ends(self, body: bytes | DatedBody) -> bool:
        """Whether it is the rest of this body."""
        if isinstance(body, DatedBody):
            return body.text == self.text
        return len(body) == _HEAD_LENGTH + len(self.text) and body.endswith(self.text)

    def at(
        self, date_time: str, expiration: str, mode: Mode | None, *, received_at: datetime
    ) -> tuple[ViolationReport, bytes]:
        """Return the report with these dates, and the identity of its violation."""
        noticed, expires = read_usual_date(date_time), read_usual_date(expiration)
        contradictions = (*self._contradictions, *contradictions_of_dates(noticed, expires))
        report = self.report.with_dates(
            mode=mode or chromium_mode(noticed, expires),
            date_time=noticed,
            date_time_text=date_time,
            effective_expiration_date=expires,
            effective_expiration_text=expiration,
            contradictions=contradictions,
        )
        outside = frozenset[bytes]()
        if is_outside_validity(*self._validity, clock_of(report, received_at=received_at)):
            outside = out_of_date(report, received_at=received_at)
        variant = report.mode, bool(contradictions), outside
        if (identity := self._identities.get(variant)) is None:
            identity = self._identities[variant] = identity_of(report, received_at=received_at)
        return report, identity


class ReportReader:
    """Reads submissions, and keeps certificates and reports that it has read, within bounds."""

    def __init__(self) -> None:
        self._certificates = CertificateReader()
        self._templates: WeightedLRU[bytes, _BodyTemplate] = WeightedLRU(_MAX_BYTES)
        self._seen_once: LRU[int, None] = LRU(_SEEN_ONCE)

    @property
    def kept(self) -> int:
        """How many reports are known again."""
        return len(self._templates)

    def recall(self, body: bytes) -> Recalled | None:
        """Recognise a body that differs from one read before in nothing but its dates; it is not read again."""
        head = _HEAD.match(body)
        if head is None or (kept := self._templates.get(body[_HEAD_LENGTH::_STRIDE])) is None or not kept.ends(body):
            return None
        date_time, expiration = head.groups()
        return Recalled(kept.report, kept.text, (date_time, expiration), _fingerprint(body, kept.digest))

    def read(
        self, body: bytes | DatedBody, *, mode: Mode | None = None, received_at: datetime
    ) -> tuple[Identified | Unreadable, ...]:
        """Read one submission as `read_reports` does, and say what each report in it is known by."""
        if isinstance(body, DatedBody):
            first, sample = _HEAD_FORM % body.dates, body.text[::_STRIDE]
        else:
            first, sample = body[:_HEAD_LENGTH], body[_HEAD_LENGTH::_STRIDE]
        head = _HEAD.fullmatch(first)
        if head is not None and (kept := self._templates.get(sample)) is not None and kept.ends(body):
            date_time, expiration = head.groups()
            report, identity = kept.at(date_time.decode(), expiration.decode(), mode, received_at=received_at)
            return (Identified(report, body, _fingerprint(first, kept.digest), received_at, identity),)
        body = bytes(body)
        rest = body[_HEAD_LENGTH:]
        digest = hashlib.sha256(rest).digest()
        readings = read_reports(body, certificates=self._certificates, mode=mode, received_at=received_at)
        if head is not None and len(readings) == 1 and isinstance(readings[0], Reading):
            self._keep(sample, _BodyTemplate(rest, readings[0].report, digest))
        return tuple(
            reading
            if isinstance(reading, Unreadable)
            else Identified(reading.report, reading.body, _fingerprint(body, digest, position), received_at)
            for position, reading in enumerate(readings)
        )

    def _keep(self, sample: bytes, template: _BodyTemplate) -> None:
        """Keep what is met a second time: of a flood of what comes only once, nothing."""
        if not template.can_be_kept:
            return
        if hash(sample) in self._seen_once:
            self._templates.put(sample, template, weight=_WEIGHT * len(template.text))
        else:
            self._seen_once[hash(sample)] = None


def _fingerprint(body: bytes, digest_of_rest: bytes, position: int = 0) -> bytes:
    """Name the bytes of a body and the place of a report in it."""
    return body[:_HEAD_LENGTH] + digest_of_rest + position.to_bytes(2, "big")
