"""What is known about keys and issuers beyond a host's own policy, as values.

Pure: the facts themselves, with their sources, are data that others load. Nothing here proves anything about a
violation by itself: an issuer's name is whatever the issuer wrote, while a key can be told from every other key.

::

    leaf's issuer CN, O ──product_of──> InterceptionProduct   a name: a hint
    pin ──known_bad, captive_portals──> KnownKey              a key: evidence
    pin ──ca_names_of──> CaName …                             one key may carry several names
    pin ──departed_roots──> name, RootDeparture               the key of no current root
    pin ──example_pins──> where it was copied from
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeVar

from app.hpkp.errors import HpkpError
from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import RootDeparture
from app.hpkp.x509.certificate import Certificate

MAX_MATCHED = 256
"""Characters of an issuer's name that are compared with a pattern; a name may be of any length."""

MAX_REPEATS = 3
"""Repeats in one pattern: the cost of a match grows with the length of the name to this power."""

_LITERALS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_REPEATS = re.compile(r"[*+?]|\{[0-9,]+\}")
_GROUP_REPEATED = re.compile(r"\)(?:[*+]|\{)")
_EXTENSION = re.compile(r"\(\?(?!:)")


def compile_issuer_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern for an issuer's name, of the part of the language that RE2 and Python share.

    HpkpError refuses what could make a match slow: repeated groups, except by ``?``, and many repeats. Groups other
    than ``(?:…)`` are refused as well, because back references and look-around are not in RE2.
    """
    bare = _LITERALS.sub("x", text)
    if _EXTENSION.search(bare):
        raise HpkpError(f"the pattern has a group of a kind that RE2 does not know: {text!r}")
    bare = bare.replace("(?:", "(")
    if _GROUP_REPEATED.search(bare):
        raise HpkpError(f"the pattern repeats a group, which may take very long to match: {text!r}")
    if len(_REPEATS.findall(bare)) > MAX_REPEATS:
        raise HpkpError(f"the pattern has more than {MAX_REPEATS} repeats: {text!r}")
    try:
        return re.compile(text)
    except re.error as error:
        raise HpkpError(f"not a regular expression ({error}): {text!r}") from None


class Basis(StrEnum):
    """How sure it is that a product writes this issuer."""

    PUBLISHED = "published"
    """A browser vendor matches certificates by this pattern."""
    OBSERVED = "observed"
    """The product's source or documentation says so, or somebody showed such a certificate in public."""
    JUDGED = "judged"
    """Likely by the product's naming; no certificate was seen."""


@dataclass(frozen=True, slots=True)
class InterceptionProduct:
    """Software that signs certificates for every host, by the issuer that it writes into them.

    Every pattern that is there must match the whole of the name, as with RE2's FullMatch.
    """

    name: str
    issuer_common_name: re.Pattern[str] | None
    issuer_organization: re.Pattern[str] | None
    source: str
    basis: Basis

    def __post_init__(self) -> None:
        """Refuse a product without a pattern, which every certificate would match."""
        if self.issuer_common_name is None and self.issuer_organization is None:
            raise HpkpError(f"{self.name}: neither a pattern for the common name nor one for the organization")

    def signed(self, certificate: Certificate) -> bool:
        """Whether the certificate names this product as its issuer."""
        common_names = () if certificate.issuer_common_name is None else (certificate.issuer_common_name,)
        return _matches(self.issuer_common_name, common_names) and _matches(
            self.issuer_organization, certificate.issuer_organizations
        )


def _matches(pattern: re.Pattern[str] | None, values: Iterable[str]) -> bool:
    """Say whether any of the values matches as a whole; where there is no pattern, nothing is asked."""
    return pattern is None or any(pattern.fullmatch(value[:MAX_MATCHED]) for value in values)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that others have published as bad, or as that of a captive portal."""

    name: str
    source: str
    since: date
    """The day on which it was taken over from the source."""


class CaState(StrEnum):
    """Whether leaves are issued under a CA's key."""

    ROOT = "root"
    """In the public store."""
    PENDING = "pending"
    """A root that public stores do not hold yet."""
    ACTIVE = "active"
    BACKUP = "backup"
    """Made, and to issue when an active one no longer can."""
    RETIRED = "retired"
    """Issues no more; leaves under it may still be valid."""
    OLD = "old"
    """Expired, or no longer in the public store."""
    UNSTATED = "unstated"
    """A CA of that name has the key; whether it issues, the source does not say."""


@dataclass(frozen=True, slots=True, order=True)
class CaName:
    """A certification authority by name."""

    name: str
    state: CaState


Named = TypeVar("Named")


@dataclass(frozen=True)
class Catalog:
    """All that is known, by key and by issuer."""

    known_bad: Mapping[Pin, tuple[KnownKey, ...]] = field(default_factory=dict)
    """Keys that are compromised, were certified by mistake, or were made for interception."""
    captive_portals: Mapping[Pin, KnownKey] = field(default_factory=dict)
    """Keys of leaves that a network shows in place of any host until one has logged in."""
    products: tuple[InterceptionProduct, ...] = ()
    ca_names: Mapping[Pin, tuple[CaName, ...]] = field(default_factory=dict)
    departed_roots: Mapping[Pin, tuple[str, RootDeparture]] = field(default_factory=dict)
    """Name and departure of roots that left Mozilla's store, by keys that no root there has now; and of distrusted
    roots that it still holds."""
    example_pins: Mapping[Pin, str] = field(default_factory=dict)
    """Pins of standards, tutorials and empty commands, with where they stand."""

    def product_of(self, certificate: Certificate) -> InterceptionProduct | None:
        """Return the first product that the certificate names as its issuer."""
        return next((product for product in self.products if product.signed(certificate)), None)

    def ca_names_of(self, pin: Pin) -> tuple[CaName, ...]:
        """Return the names of the CAs that have this key; none for a key that is not known as a CA's."""
        return self.ca_names.get(pin, ())

    def merged_with(self, other: "Catalog") -> "Catalog":
        """Add another catalog, the operator's; where both know something, the other's comes first."""
        return Catalog(
            known_bad=_merge(other.known_bad, self.known_bad),
            captive_portals={**self.captive_portals, **other.captive_portals},
            products=(*other.products, *self.products),
            ca_names=_merge(other.ca_names, self.ca_names),
            departed_roots={**self.departed_roots, **other.departed_roots},
            example_pins={**self.example_pins, **other.example_pins},
        )


def _merge(
    first: Mapping[Pin, tuple[Named, ...]], second: Mapping[Pin, tuple[Named, ...]]
) -> dict[Pin, tuple[Named, ...]]:
    return {pin: tuple(dict.fromkeys((*first.get(pin, ()), *second.get(pin, ())))) for pin in (*second, *first)}
