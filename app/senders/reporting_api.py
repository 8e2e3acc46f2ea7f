"""The Reporting API's envelope (W3C Reporting API section 2.2), batch or single entry.

::

    [{"type": "hpkp", "age": 420, "url": "…", "user_agent": "…", "body": {members of RFC 7469 section 3}}, …]

A batch may mix types; only ``hpkp`` is meant for this service, and others beside it are passed over. ``age`` is in
milliseconds: the violation was at received - age, unless the body has a date of its own. No UA is known to send it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, ViolationReport
from app.senders.other_kinds import kind_of_type, refusal
from app.senders.pem import CertificateReader
from app.senders.rfc7469 import read_as
from app.senders.wire import NotAReport, read_members

MAX_ENTRIES = 100
"""Entries of a batch, of whatever type."""
MAX_CERTIFICATES = 160
"""Different ones of all entries together: real ones fill 256 kB with that many."""
MAX_PLACES = 640
"""In the chains of all entries together, whatever stands there; 100 reports with two chains of three have 600."""
MAX_PINS = 640
"""Of all entries together."""
_TYPE = "hpkp"
_CHAINS = ("served-certificate-chain", "validated-certificate-chain")
_PEM = "-----BEGIN"
"""One text may hold several blocks."""
_LONGEST_AGE_MS = 366 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of type hpkp: the whole of it, and a JSON pointer to where it stands in the body."""

    pointer: str
    value: dict[str, Any]


def is_envelope(value: Any) -> bool:
    """Whether a JSON value is a batch, or an entry on its own."""
    return isinstance(value, list) or (
        isinstance(value, dict) and isinstance(value.get("type"), str) and "body" in value and "hostname" not in value
    )


def entries(envelope: Any) -> tuple[Entry, ...]:
    """Return the entries of type hpkp; none where all are of types that are not known here.

    Raises NotAReport, also where there are none but of other kinds known by name: somebody gave the wrong address.
    """
    if isinstance(envelope, dict):
        listed = {"": envelope}
    elif not envelope:
        raise NotAReport("", "An empty list holds no report.")
    elif len(envelope) > MAX_ENTRIES:
        raise NotAReport("", f"{len(envelope)} entries; at most {MAX_ENTRIES} are accepted")
    else:
        listed = {f"/{index}": entry for index, entry in enumerate(envelope)}
    types = {pointer: _type_of(entry, pointer) for pointer, entry in listed.items()}
    found = tuple(Entry(pointer, listed[pointer]) for pointer, name in types.items() if name == _TYPE)
    kinds = {pointer: kind for pointer, name in types.items() if (kind := kind_of_type(name))}
    if kinds and not found:
        raise NotAReport(f"{next(iter(kinds))}/type", refusal(set(kinds.values())))
    _check_sizes([body for entry in found if isinstance(body := entry.value.get("body"), dict)])
    return found


def _check_sizes(bodies: list[dict[str, Any]]) -> None:
    """Refuse a batch whose reports would cost much more to read than one. Raises NotAReport."""
    listed = [_listed(body.get(member)) for body in bodies for member in _CHAINS]
    places = sum(map(len, listed))
    if places > MAX_PLACES:
        raise NotAReport(
            "", f"A batch with {places} certificates; at most {MAX_PLACES} are accepted. Send it in parts."
        )
    certificates = sum(
        max(1, text.count(_PEM)) for text in {one for chain in listed for one in chain if isinstance(one, str)}
    )
    if certificates > MAX_CERTIFICATES:
        reason = f"A batch with {certificates} different certificates; at most {MAX_CERTIFICATES} are accepted."
        raise NotAReport("", f"{reason} Send it in parts.")
    pins = sum(len(pins) for body in bodies if isinstance(pins := body.get("known-pins"), list))
    if pins > MAX_PINS:
        raise NotAReport("", f"A batch with {pins} pins; at most {MAX_PINS} are accepted. Send it in parts.")


def _listed(chain: Any) -> list[Any]:
    return chain if isinstance(chain, list) else [] if chain is None else [chain]


def read(
    entry: Entry, certificates: CertificateReader, mode: Mode | None, *, received_at: datetime | None
) -> ViolationReport:
    """Read one entry. Raises NotAReport with a pointer into the whole body."""
    try:
        report = read_as(Sender.REPORTING_API, read_members(entry.value.get("body")), certificates, mode)
    except NotAReport as error:
        raise NotAReport(f"{entry.pointer}/body{error.pointer}", error.reason) from None
    age = _age(entry.value.get("age"))
    if report.date_time is not None or received_at is None or age is None:
        return report
    return replace(report, date_time=received_at - age)


def _type_of(entry: Any, pointer: str) -> str:
    if isinstance(entry, dict) and isinstance(entry.get("type"), str):
        return str(entry["type"])
    raise NotAReport(pointer, "A list is read as a batch of the Reporting API, whose entries have a type.")


def _age(value: Any) -> timedelta | None:
    """Read an age; nothing for what is no number of milliseconds within a year."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST_AGE_MS:
        return None
    return timedelta(milliseconds=value)
