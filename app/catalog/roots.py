"""The public roots, by the installed certifi, and those that were public before, by the package's own history.

::

    certifi (installed) ──> public roots
    root_history.toml (all roots since 2015, by certifi's releases)  ┐
    root_departures.toml (when and how one left Mozilla's store)     ┴─ less the public ones ──> former roots

The installed certifi alone decides what is public now, so that updating it is enough: what it no longer holds is former
even if the history does not know that yet.
"""

import re
import tomllib
from binascii import a2b_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import certifi
from pydantic import BaseModel, ConfigDict

from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import RootDeparture, StoredRoot
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.pem import pem_blocks

HISTORY = "root_history.toml"
DEPARTURES = "root_departures.toml"


class DepartureEntry(BaseModel):
    """What is known of one root's departure; ``left``, ``how`` and ``bug`` go together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str
    left: date | None = None
    how: Literal["removed", "expired", "trust_off"] | None = None
    bug: int | None = None
    distrust_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoricalRoot:
    """A root of the history: its newest certificate, and the releases of certifi that hold it."""

    name: str
    certificate: Certificate
    held_by: tuple[tuple[str, str], ...]
    """First and last release of each uninterrupted span."""


@dataclass(frozen=True, slots=True)
class FormerRoot:
    """A root that is no longer public, or distrusted, with the name that Mozilla's store has for it."""

    name: str
    stored: StoredRoot


@dataclass(frozen=True, slots=True)
class RootHistory:
    """The releases that the history covers, oldest first, and every root that one of them holds."""

    releases: tuple[str, ...]
    roots: tuple[HistoricalRoot, ...]


def release_key(version: str) -> tuple[int, ...]:
    """Return what sorts certifi's versions; ``2026.10.19.post1`` comes after ``2026.10.19``."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def release_date(version: str) -> date:
    """Return the day that a version of certifi names. Raises ValueError if it names none."""
    year, month, day = (*release_key(version), 0, 0, 0)[:3]
    return date(year, month, day)


@cache
def load_public_roots() -> tuple[Certificate, ...]:
    """Load the roots of the installed certifi."""
    text = Path(certifi.where()).read_text(encoding="utf-8")
    read = (read_certificate(block.decode()) for block in pem_blocks(text))
    return tuple(root for root in read if isinstance(root, Certificate))


@cache
def load_former_roots() -> tuple[FormerRoot, ...]:
    """Load the roots that the installed certifi does not hold, or that Mozilla distrusts."""
    return find_former_roots(load_history(), load_departures(), load_public_roots(), installed=certifi.__version__)


def load_history() -> RootHistory:
    """Load the package's history."""
    plain = _read(HISTORY)
    return RootHistory(tuple(plain["releases"]), tuple(map(_read_root, plain["roots"])))


def load_departures() -> Mapping[str, DepartureEntry]:
    """Load what is known of departures, by the SHA-256 of the certificate in hex."""
    entries = map(DepartureEntry.model_validate, _read(DEPARTURES)["root_departures"])
    return {entry.sha256: entry for entry in entries}


def _read(name: str) -> dict[str, Any]:
    assert __package__
    return tomllib.loads((resources.files(__package__) / name).read_text(encoding="utf-8"))


def _read_root(plain: dict[str, Any]) -> HistoricalRoot:
    certificate = read_certificate(a2b_base64(plain["der"]))
    if not isinstance(certificate, Certificate):
        raise ValueError(f"{HISTORY}: {plain['name']}: {certificate.reason}")
    return HistoricalRoot(plain["name"], certificate, tuple((first, last) for first, last in plain["held_by"]))


def find_former_roots(
    history: RootHistory, departures: Mapping[str, DepartureEntry], public: Iterable[Certificate], *, installed: str
) -> tuple[FormerRoot, ...]:
    """Find the roots of the history that are not public, or distrusted; ``installed`` is certifi's version.

    A root counts as public as long as its key and name are: certificates of roots are issued again.
    """
    current: dict[Pin, list[Certificate]] = {}
    for held in public:
        current.setdefault(held.pin, []).append(held)
    found = []
    for root in history.roots:
        certificate = root.certificate
        entry = departures.get(certificate.fingerprint.hex())
        # Keys first: names are then read of the few roots whose key is current, which keeps the start short.
        if all(certificate.subject_der != other.subject_der for other in current.get(certificate.pin, ())):
            departure = _departure(root, entry, history.releases, installed)
        elif entry is not None and entry.distrust_after is not None:
            departure = _distrust(entry.distrust_after, entry.bug)
        else:
            continue
        first = root.held_by[0][0]
        since = None if first == history.releases[0] else release_date(first)
        found.append(FormerRoot(root.name, StoredRoot(certificate, since, departure)))
    return tuple(found)


_HOW = {
    "removed": "removed by Mozilla, bug {}",
    "expired": "expired and removed by Mozilla, bug {}",
    "trust_off": "no longer trusted by Mozilla for TLS servers, bug {}",
}


def _departure(
    root: HistoricalRoot, entry: DepartureEntry | None, releases: tuple[str, ...], installed: str
) -> RootDeparture:
    """Tell when and how a root left: as Mozilla's record says, else by the first release of certifi without it."""
    distrust_after = None if entry is None else entry.distrust_after
    distrust = "" if distrust_after is None else f"; {_distrust(distrust_after, None).reason}"
    if entry is not None and entry.left is not None and entry.how is not None:
        reason = _HOW[entry.how].format(entry.bug)
        return RootDeparture(entry.left, entry.how, reason + distrust, entry.bug, distrust_after)
    later = releases[releases.index(root.held_by[-1][1]) + 1 :]
    # Unknown to the history: it left in a release after all of these, at the latest in the one that is installed.
    without = later[0] if later else max(releases[-1], installed, key=release_key)
    return RootDeparture(release_date(without), "bundle", f"not in certifi {without}{distrust}", None, distrust_after)


def _distrust(after: datetime, bug: int | None) -> RootDeparture:
    """Describe a root that the store keeps for the certificates that it had issued until then."""
    reason = f"distrusted by Mozilla for certificates issued after {after:%Y-%m-%d}"
    return RootDeparture(after.date(), "distrusted", reason, bug, after)
