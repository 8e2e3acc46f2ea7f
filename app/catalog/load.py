"""The catalog from its files: those of the package, the roots by name, and the operator's own.

Knows TOML and what an entry must hold; what the entries mean is told in `app.hpkp.catalog`. A file holds any of five
tables, each entry with its ``source`` and the day ``collected`` on which it was read there::

    [[interception_products]]  name, issuer_common_name and/or issuer_organization, basis
    [[known_bad_keys]]         name, pin
    [[captive_portals]]        name, pin
    [[ca_names]]               name, pin, state
    [[example_pins]]           name, pin
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError, model_validator

from app.catalog.roots import load_former_roots, load_public_roots
from app.hpkp.catalog import (
    Basis,
    CaName,
    CaState,
    Catalog,
    InterceptionProduct,
    KnownKey,
    compile_issuer_pattern,
)
from app.hpkp.errors import InvalidFile
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.x509.certificate import Certificate

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Key = TypeVar("Key")
Value = TypeVar("Value")


def _text_first(convert: Any) -> BeforeValidator:
    """Convert text, and say so where there is something else."""

    def validate(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError("must be text")
        return convert(value)

    return BeforeValidator(validate)


PinText = Annotated[Pin, _text_first(parse_pin)]
Pattern = Annotated[re.Pattern[str], _text_first(compile_issuer_pattern)]


class Entry(BaseModel):
    """What every entry of every table holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: Text
    source: Text
    """Where it was read: an address, or a file of a repository at a commit."""
    collected: date
    """The day on which it was read there."""


class ProductEntry(Entry):
    """An interception product, by its patterns."""

    issuer_common_name: Pattern | None = None
    issuer_organization: Pattern | None = None
    basis: Basis = Basis.OBSERVED

    @model_validator(mode="after")
    def _is_a_product(self) -> "ProductEntry":
        self.value()
        return self

    def value(self) -> InterceptionProduct:
        """Return the domain's value."""
        return InterceptionProduct(
            self.name, self.issuer_common_name, self.issuer_organization, self.source, self.basis
        )


class KeyEntry(Entry):
    """A key that is known for something bad, or as a captive portal's."""

    pin: PinText

    def value(self) -> KnownKey:
        """Return the domain's value."""
        return KnownKey(self.name, self.source, self.collected)


class CaEntry(Entry):
    """A CA's name for a key."""

    pin: PinText
    state: CaState

    def value(self) -> CaName:
        """Return the domain's value."""
        return CaName(self.name, self.state)


class ExampleEntry(Entry):
    """A pin that stands in a text for everybody to copy; the name says which."""

    pin: PinText


class CatalogFile(BaseModel):
    """One file: any of the tables, and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interception_products: tuple[ProductEntry, ...] = ()
    known_bad_keys: tuple[KeyEntry, ...] = ()
    captive_portals: tuple[KeyEntry, ...] = ()
    ca_names: tuple[CaEntry, ...] = ()
    example_pins: tuple[ExampleEntry, ...] = ()

    def value(self) -> Catalog:
        """Return the domain's value; the entries of one key keep their order."""
        return Catalog(
            known_bad=_grouped((entry.pin, entry.value()) for entry in self.known_bad_keys),
            captive_portals={entry.pin: entry.value() for entry in self.captive_portals},
            products=tuple(entry.value() for entry in self.interception_products),
            ca_names=_grouped((entry.pin, entry.value()) for entry in self.ca_names),
            example_pins={entry.pin: entry.name for entry in self.example_pins},
        )


def _grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, tuple[Value, ...]]:
    """Collect the values of each key, each value once."""
    found: dict[Key, tuple[Value, ...]] = {}
    for key, value in pairs:
        earlier = found.get(key, ())
        found[key] = earlier if value in earlier else (*earlier, value)
    return found


PACKAGED = (
    "interception_products.toml",
    "known_bad_keys.toml",
    "captive_portals.toml",
    "ca_names.toml",
    "example_pins.toml",
)
"""The files beside this module, one table in each."""


def load_catalog(operator_file: Path | None = None) -> Catalog:
    """Load the package's catalog with the names of roots, public and departed, and the operator's entries before them.

    Raises InvalidFile if the operator's file cannot be read or is not what it should be: the message names the setting,
    the file, and the table, index and reason of each broken entry.
    """
    catalog = _catalog_of_roots()
    directory = resources.files(__package__)
    for name in PACKAGED:
        catalog = catalog.merged_with(parse_catalog_file((directory / name).read_text(encoding="utf-8"), name).value())
    if operator_file is None:
        return catalog
    try:
        return catalog.merged_with(load_catalog_file(operator_file).value())
    except OSError as error:
        raise InvalidFile(f"HPKP_CATALOG: {operator_file}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidFile(f"HPKP_CATALOG: {error}") from None


def load_catalog_file(path: Path) -> CatalogFile:
    """Load one file. Raises OSError if it cannot be read, and ValueError, naming it, if it is not what it should be."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}") from None
    return parse_catalog_file(text, str(path))


def parse_catalog_file(text: str, origin: str) -> CatalogFile:
    """Parse the text of one file; ValueError begins with the origin."""
    try:
        return CatalogFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{origin}: not TOML: {error}") from None
    except ValidationError as error:
        raise ValueError("\n".join(f"{origin}: {line}" for line in _told(error))) from None


def _told(error: ValidationError) -> Iterable[str]:
    """Write each error as ``table[index].field: reason``."""
    for detail in error.errors(include_url=False, include_context=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"])
        yield f"{place.removeprefix('.')}: {detail['msg'].removeprefix('Value error, ')}"


def _catalog_of_roots() -> Catalog:
    """Name every root that Mozilla's store holds, or held: what is known of it by its key."""
    public, former = load_public_roots(), load_former_roots()
    current = {root.pin for root in public}
    departed = {
        root.stored.certificate.pin: (root.name, departure)
        for root in former
        if (departure := root.stored.departure)
        and (departure.how == "distrusted" or root.stored.certificate.pin not in current)
    }
    left = ((pin, CaName(name, CaState.OLD)) for pin, (name, _) in departed.items() if pin not in current)
    return Catalog(ca_names=_grouped((*_names_of_roots(public), *left)), departed_roots=departed)


def _names_of_roots(roots: tuple[Certificate, ...]) -> Iterable[tuple[Pin, CaName]]:
    """Name roots by their subject: its common name, or all of it if others have that name too."""
    bearers = Counter(root.common_name for root in roots)
    for root in roots:
        name = root.common_name
        yield root.pin, CaName(name if name and bearers[name] == 1 else root.subject, CaState.ROOT)
