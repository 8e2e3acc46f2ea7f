"""One world: the certificates, the policy, the client, and what the collector knows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum

from tests.support.differential.certificates import Certificate

HOST = "www.example.com"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""When the report arrives, and by what clock the policy is in force."""
DAY = timedelta(days=1)
YEAR = 365 * DAY


class Family(StrEnum):
    """The senders, by what they validate, compare and write."""

    CHROMIUM = "chromium"
    TRUSTKIT_APPLE = "trustkit-apple"
    TRUSTKIT_ANDROID = "trustkit-android"
    GO = "tam7t/hpkp"
    PROTON_BRIDGE = "proton-bridge"
    PROTON_VPN = "proton-vpn"
    RFC7469 = "rfc7469"


class Calendar(Enum):
    """How a device counts years; some apps write dates as the device does."""

    GREGORIAN = "Gregorian"
    BUDDHIST = "Buddhist"
    JAPANESE = "Japanese"
    UNDATED = "no date at all"


@dataclass(frozen=True, slots=True)
class Store:
    """The trust anchors of a device."""

    shipped: tuple[Certificate, ...]
    installed: tuple[Certificate, ...] = ()
    """Added by its user or administrator."""

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """All of them."""
        return (*self.shipped, *self.installed)


@dataclass(frozen=True, slots=True)
class Client:
    """A client: who it is, what it trusts, what it knows."""

    family: Family
    store: Store
    clock: datetime
    enforcing: bool
    known_pins: tuple[str, ...]
    cached: tuple[Certificate, ...] = ()
    """Intermediates that it has from elsewhere: fetched, or seen before."""
    pin_only: bool = False
    """It compares pins alone (InsecureSkipVerify): tam7t's PinOnlyDialer, Proton's alternative routes."""
    system_checks_pins: bool = False
    """Android from 7 on: the path that the system built is not in the report."""
    on_macos: bool = False
    """TrustKit there neither compares nor reports chains that end at an installed root."""
    validates_to_report: bool = True
    """Whether a client in the form of RFC 7469 sends the chain that it validated."""
    zone: timedelta = timedelta()
    """TrustKit for Android writes local time as if it were UTC."""
    calendar: Calendar = Calendar.GREGORIAN


@dataclass(frozen=True, slots=True)
class Policies:
    """The operator's pins over time; each may be without pins, where there was no such revision."""

    current: frozenset[str]
    previous: frozenset[str] = frozenset()
    future: frozenset[str] = frozenset()
    own_keys: frozenset[str] = frozenset()
    """Keys of the operator that are not pinned."""
    withdrawn: bool = False

    @property
    def expected(self) -> frozenset[str]:
        """The pins in force now."""
        return frozenset() if self.withdrawn else self.current

    @property
    def ever(self) -> frozenset[str]:
        """The pins of every revision."""
        return self.current | self.previous | self.future


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the collector knows of certificates and keys."""

    public: tuple[Certificate, ...]
    former: tuple[Certificate, ...]
    operator: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]
    known_bad: frozenset[str]

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """Every root that it knows by name and key."""
        return (*self.public, *self.former, *self.operator)


@dataclass(frozen=True, slots=True)
class Forgery:
    """A body in the form of the world's client that no client made. ``validated`` is the path that it states."""

    how: str
    validated: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class World:
    """Everything."""

    seed: int
    summary: str
    served: tuple[Certificate, ...]
    client: Client
    policies: Policies
    knowledge: Knowledge
    broken: bool = False
    """Whether a link of the served chain is invalid."""
    forgery: Forgery | None = None
