"""Limits on what is read of a file, far above what any app carries, and the value that readers return."""

from dataclasses import dataclass, field

from app.hpkp.app_pins.model import AppIdentity, PinLayer
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.findings import Finding

MAX_BYTES = 1_000_000
"""Bytes of a file."""
MAX_NODES = 50_000
"""Elements of an XML document, or values of a property list: the latter can refer to one value many times."""
MAX_DEPTH = 64
"""Levels of nesting."""
MAX_ENTRIES = 2_000
"""Names with pins in one file."""
MAX_PINS = 20_000
"""Pins in one file; those that several names inherit count for each."""
MAX_URIS = 20
"""Report-uris of a name."""
_LONGEST_URI = 2_000


@dataclass(frozen=True, slots=True)
class AppConfig:
    """What one file says.

    ``findings`` hold what the layers no longer show: misspelt keys, elements at a wrong level.
    """

    layers: tuple[PinLayer, ...]
    identity: AppIdentity = field(default_factory=AppIdentity)
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        """Refuse more than any app carries."""
        entries = [entry for layer in self.layers for entry in layer.entries]
        check_number(len(entries), MAX_ENTRIES, "names with pins")
        check_number(sum(len(entry.all_pins) for entry in entries), MAX_PINS, "pins")
        for uri in (uri for entry in entries for uri in entry.report_uris[: MAX_URIS + 1]):
            if len(uri) > _LONGEST_URI or not uri.isprintable():
                raise InvalidAppConfig(f"{uri[:80]!r} is no report-uri")
        check_number(max((len(entry.report_uris) for entry in entries), default=0), MAX_URIS, "report-uris of a name")


def check_number(count: int, most: int, of_what: str) -> None:
    """Refuse more than there may be."""
    if count > most:
        raise InvalidAppConfig(f"it has {count} {of_what}, more than {most}")
