"""What a rollout is made of: a site with its keys, and what its operator, its server and its clients do.

::

    Keys ──> Act (SetPolicy, Serve, Send, Expose, CarryPins, …) ──play──> Stage: a service, by HTTP or at hand
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from app.demo.forms import FORMS, pem
from app.demo.incident import Incident, SampleApp
from app.demo.site import Issued, issue
from app.hpkp.app_pins.release import AppRelease, Platform
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy
from app.hpkp.report import Sender

Chain = tuple[Issued, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """A host's chains. Both roots are trusted by clients; every chain is as it is served, without its root."""

    host: Host
    old_root: Issued
    new_root: Issued
    intermediate: Issued
    cross: Issued
    """The same intermediate key, certified by the new root."""
    leaf: Chain
    renewed: Chain
    """A renewal with another key."""
    reissued: Chain
    """The leaf's key under another intermediate of the same CA."""
    misissued: Chain
    portal: Chain
    proxied: Chain
    proxy_root: Issued
    backup: Pin
    retired: Pin
    """The key of an intermediate that issues no more."""

    @property
    def roots_pem(self) -> str:
        """The roots that clients trust."""
        return pem(self.old_root.der) + pem(self.new_root.der)

    @property
    def catalog(self) -> str:
        """What is known of the CA's keys, as a catalog file."""
        names = (("Sample Intermediate", self.intermediate.pin, "active"), ("Sample Old", self.retired, "retired"))
        return "".join(
            f'[[ca_names]]\nname = "{name}"\npin = "{pin}"\nstate = "{state}"\n'
            'source = "https://ca.example/chains"\ncollected = 2026-11-23\n'
            for name, pin, state in names
        )


def make_keys(host: Host, *, at: datetime) -> Keys:
    """Make the keys and certificates of a rollout around ``at``; leaves are valid 45 days to either side."""
    old_root, new_root = (issue(f"Sample Root X{number}", None, at, ca=True) for number in (1, 2))
    intermediate = issue("Sample Intermediate", old_root, at, ca=True)
    cross = issue("Sample Intermediate", new_root, at, ca=True, key=intermediate.key)
    another = issue("Sample Intermediate 2", old_root, at, ca=True)
    proxy_root = issue("Sample Interception Proxy", None, at, ca=True)
    leaf = issue(host, intermediate, at)
    return Keys(
        host=host,
        old_root=old_root,
        new_root=new_root,
        intermediate=intermediate,
        cross=cross,
        leaf=(leaf, intermediate),
        renewed=(issue(host, intermediate, at), intermediate),
        reissued=(issue(host, another, at, key=leaf.key), another),
        misissued=(issue(host, new_root, at),),
        portal=(issue("login.portal.example", new_root, at),),
        proxied=(issue(host, proxy_root, at),),
        proxy_root=proxy_root,
        backup=issue(host, None, at).pin,
        retired=issue("Sample Old", None, at, ca=True).pin,
    )


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """The operator publishes pins."""

    pins: tuple[Pin, ...]
    mode: Mode = Mode.REPORT_ONLY
    max_age: int = 300
    report_uri_on_host: bool = False
    own_keys: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True)
class Serve:
    """The server is given a chain."""

    chain: Chain


@dataclass(frozen=True, slots=True)
class Send:
    """So many clients report what they met, each once and from an address of its own.

    ``forged`` are made up by one sender on one network, who claims to be so many installs.
    """

    served: Chain
    validated: Chain
    known: tuple[Pin, ...]
    clients: int
    sender: Sender = Sender.CHROMIUM
    enforced: bool = False
    forged: bool = False
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Expose:
    """The operator tells how many were served the pins on this day."""

    sessions: int | None
    clients: int | None
    app: str = ""
    app_version: str = ""


@dataclass(frozen=True, slots=True)
class CarryPins:
    """The operator records which pins a release of an app carries: those of the policy if none are named."""

    app: str
    version: str = ""
    pins: tuple[Pin, ...] | None = None


@dataclass(frozen=True, slots=True)
class AddControl:
    """The operator has control pins."""

    pins: tuple[Pin, ...]


@dataclass(frozen=True, slots=True)
class ExposeControl:
    """The operator tells how many clients received control pins on this day."""

    clients: int


@dataclass(frozen=True, slots=True)
class SendCanary:
    """A canary is sent to the report-uri, which is alive or dead."""

    arrives: bool = True


@dataclass(frozen=True, slots=True)
class RunProbe:
    """The service looks at what the host serves; without ``header`` no pinning field."""

    header: bool = True


@dataclass(frozen=True, slots=True)
class SetStatus:
    """The operator closes the violations of a cause."""

    cause: Cause
    status: str
    note: str = "the operator of the story"


@dataclass(frozen=True, slots=True)
class Register:
    """The operator registers a release of an app with its pins."""

    release: AppRelease


@dataclass(frozen=True, slots=True)
class CountInstalls:
    """The operator records the installs of this day, by version of an app on a platform."""

    app: str
    platform: Platform
    by_version: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Retire:
    """The operator says that no install of a release matters any more."""

    app: str
    platform: Platform
    version: str


Act = (
    Register
    | CountInstalls
    | Retire
    | SetPolicy
    | Serve
    | Send
    | Expose
    | CarryPins
    | AddControl
    | ExposeControl
    | SendCanary
    | RunProbe
    | SetStatus
)


class RolloutDriver(Protocol):
    """Where a rollout is played: each act takes place now, whatever now is there."""

    def set_policy(self, policy: PinningPolicy, *, report_uri_on_host: bool) -> None:
        """Publish a policy; its report-uri is the driver's own, or one under the pins."""

    def post(self, body: bytes, *, address: str) -> None:
        """Send a report from an address."""

    def expose(self, sessions: int | None, clients: int | None, *, app: str) -> None:
        """Tell how many were served the pins today."""

    def carry_pins(self, release: CarryPins) -> None:
        """Record which pins a release of an app carries."""

    def register(self, release: AppRelease) -> None:
        """Register a release of an app."""

    def count_installs(self, installs: CountInstalls) -> None:
        """Record the installs of today."""

    def retire(self, release: Retire) -> None:
        """Retire a release."""

    def add_control(self, pins: tuple[Pin, ...]) -> None:
        """Add control pins."""

    def expose_control(self, clients: int) -> None:
        """Tell how many clients received control pins today."""

    def send_canary(self, *, arrives: bool) -> None:
        """Send a canary to the report-uri."""

    def probe(self, chain: Chain, *, header: bool) -> None:
        """Look at the host, which serves a chain, and the policy's own field or none."""

    def set_status(self, cause: Cause, status: str) -> None:
        """Close all violations of a cause."""


@dataclass
class Rollout:
    """Plays acts with a driver; remembers what is served."""

    keys: Keys
    driver: RolloutDriver
    serving: Chain = ()
    policy: PinningPolicy | None = None
    _clients: int = field(default=0)

    def play(self, acts: Iterable[Act], *, at: datetime) -> None:
        """Play the acts of a day."""
        for act in acts:
            match act:
                case SetPolicy():
                    self.policy = PinningPolicy(
                        host=self.keys.host,
                        pins=tuple(map(ExpectedPin, act.pins)),
                        mode=act.mode,
                        max_age=act.max_age,
                        own_keys=frozenset(act.own_keys),
                    )
                    self.driver.set_policy(self.policy, report_uri_on_host=act.report_uri_on_host)
                case Serve():
                    self.serving = act.chain
                case Send():
                    self._send(act, at)
                case Expose():
                    self.driver.expose(act.sessions, act.clients, app=act.app)
                case CarryPins():
                    self.driver.carry_pins(act)
                case Register():
                    self.driver.register(act.release)
                case CountInstalls():
                    self.driver.count_installs(act)
                case Retire():
                    self.driver.retire(act)
                case AddControl():
                    self.driver.add_control(act.pins)
                case ExposeControl():
                    self.driver.expose_control(act.clients)
                case SendCanary():
                    self.driver.send_canary(arrives=act.arrives)
                case RunProbe():
                    self.driver.probe(self.serving, header=act.header)
                case SetStatus():
                    self.driver.set_status(act.cause, act.status)

    def _send(self, act: Send, at: datetime) -> None:
        for _ in range(act.clients):
            self._clients += 1
            incident = Incident(
                hostname=self.keys.host,
                noted_hostname=self.keys.host,
                known_pins=act.known,
                served=[issued.der for issued in act.served],
                validated=[issued.der for issued in act.validated],
                at=at,
                enforced=act.enforced,
                trusted=act.trusted,
                app=SampleApp(install_id=f"0B5A2C1E-7C39-4E57-9C55-{self._clients:012}"),
            )
            address = f"198.51.{100 + self._clients % 150}.{1 + self._clients // 150 % 250}"
            if act.forged:
                address = f"203.0.113.{1 + self._clients % 3}"
            self.driver.post(FORMS[act.sender].sample(incident).body, address=address)


def pinning_field(policy: PinningPolicy) -> tuple[str, str]:
    """Return the field that a server sends for a policy, by name and value."""
    return ENFORCING if policy.mode is Mode.ENFORCE else REPORT_ONLY, str(PinningHeader.of_policy(policy))
