"""Filters: which violations and single reports are wanted, and the SQL conditions for that."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, or_, select

from app.hpkp.errors import InvalidPin
from app.hpkp.judgement.causes import CAUSES, IMPACTS, Cause, Impact
from app.hpkp.pins import parse_pin
from app.store import tables

_SHA256 = re.compile("[0-9a-fA-F]{64}")
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look at; None leaves a thing open. Instants are of receipt; ``until`` is exclusive.

    ``host`` finds what was asked for under that name as well; ``counted_for`` only what counts for its policy: a report
    about a noted host belongs to that host's (RFC 7469 sections 2.6 and 3). ``text`` is what a search box takes: a part
    of a host name, issuer, note or cause; or a whole pin, certificate fingerprint or number of a violation.
    """

    host: str | None = None
    counted_for: str | None = None
    cause: str | None = None
    status: str | None = None
    sender: str | None = None
    mode: str | None = None
    app: str | None = None
    app_version: str | None = None
    platform: str | None = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    issuer: str | None = None
    impact: str | None = None
    text: str | None = None

    @property
    def only_on_violation(self) -> bool:
        """Whether something is wanted that is known of violations alone, and not of the counts of their hosts."""
        return any(value is not None for value in (self.status, self.issuer, self.impact, self.text))

    def of_violation(self) -> list[Any]:
        """Conditions on a violation itself."""
        violations = tables.violations.c
        found: list[Any] = []
        if self.host is not None:
            found.append(or_(violations.host == self.host, violations.hostname == self.host))
        if self.counted_for is not None:
            found.append(violations.host == self.counted_for)
        columns = ("cause", "status", "sender", "mode")
        stated = {column: getattr(self, column) for column in columns if getattr(self, column) is not None}
        found.extend(violations[column] == wanted for column, wanted in stated.items())
        if self.issuer is not None:
            found.append(violations.leaf_issuer == self.issuer)
        if self.impact is not None:
            found.append(impact_of_violation() == self.impact)
        if self.text is not None:
            found.append(_matches(self.text))
        return found

    def of_source(self) -> list[Any]:
        """Conditions on where a report came from."""
        named = {
            "app": self.app,
            "app_version": self.app_version,
            "platform": self.platform,
            "label": self.label,
        }
        return [tables.sources.c[column] == wanted for column, wanted in named.items() if wanted is not None]


def impact_of_violation() -> Any:
    """Return the expression for what a violation means for the verdict, as `impact_of`; its status does not matter."""
    violations = tables.violations.c
    by_cause = {impact: [str(c) for c in Cause if IMPACTS[c] is impact] for impact in Impact}
    locked_out_now = and_(violations.cause == str(Cause.STALE_KNOWN_PINS), violations.locks_out)
    return case(
        (or_(violations.cause.in_(by_cause[Impact.BLOCKER]), locked_out_now), str(Impact.BLOCKER)),
        (violations.cause.in_(by_cause[Impact.WARNING]), str(Impact.WARNING)),
        else_=str(Impact.INFO),
    )


def _matches(text: str) -> Any:
    """Return the condition of a search."""
    violations = tables.violations.c
    columns = violations.hostname, violations.host, violations.leaf_issuer, violations.note
    found: list[Any] = [column.icontains(text, autoescape=True) for column in columns]
    lower = text.lower()
    causes = [str(c) for c in Cause if lower in str(c) or lower in CAUSES[c].title.lower()]
    if causes:
        found.append(violations.cause.in_(causes))
    if text.isascii() and text.isdigit() and int(text[:20]) <= _LARGEST_ID:
        found.append(violations.id == int(text[:20]))
    if (certificate := _names_certificate(text)) is not None:
        contained = tables.chain_certificates.c
        chains = (
            select(contained.chain)
            .join(tables.certificates, tables.certificates.c.sha256 == contained.sha256)
            .where(certificate)
        )
        found += [violations.served_chain.in_(chains), violations.validated_chain.in_(chains)]
    return or_(*found)


def _names_certificate(text: str) -> Any | None:
    """Return the condition on certificates if a text is a pin or a fingerprint, else None."""
    fingerprint = text.replace(":", "")
    if _SHA256.fullmatch(fingerprint):
        return tables.certificates.c.sha256 == bytes.fromhex(fingerprint)
    try:
        return tables.certificates.c.pin == str(parse_pin(text))
    except InvalidPin:
        return None
