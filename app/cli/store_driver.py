"""Plays into a store at hand, as of whatever moment: what a made-up rollout tells is written by the service's parts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.demo.client_population import Post
from app.demo.rollout import CarryPins, Chain, CountInstalls, Expose, Retire, pinning_field
from app.hpkp.app_pins.release import AppRelease, InstallCount
from app.hpkp.audience import Audience
from app.hpkp.control import ControlDay
from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import Host
from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, Probe
from app.hpkp.x509.certificate import read_certificate
from app.ingest.envelope import Envelope
from app.service import Service
from app.store.engine import to_ms
from app.store.read.filters import Filter
from app.wiring import DirectIntake

_ADDRESS = "192.0.2.1"


@dataclass
class StoreDriver:
    """A host on a service: each act takes place at ``moment``."""

    service: Service
    host: Host
    moment: datetime
    policy: PinningPolicy | None = None
    canaries: int = 0
    intake: DirectIntake = field(init=False)

    def __post_init__(self) -> None:
        """Take reports as the service would."""
        self.intake = DirectIntake(self.service)

    def set_policy(self, policy: PinningPolicy, *, report_uri_on_host: bool) -> None:
        """Publish a policy from this moment on; its report-uri is the driver's own, or one under the pins."""
        uri = f"https://{self.host}/report" if report_uri_on_host else "https://reports.example.net/report"
        self.publish(replace(policy, report_uri=uri, effective_from=self.moment))

    def publish(self, policy: PinningPolicy) -> None:
        """Publish a policy as it is; without a date it takes effect at this moment."""
        self.policy = policy
        self.service.policies.set(policy, at=self.moment)
        self._finish_rejudging()

    def post(self, body: bytes, *, address: str) -> None:
        """Send a report from an address."""
        take(self.intake, [Post(self.moment, body, address)])

    def expose(self, sessions: int | None, clients: int | None, *, app: str = "") -> None:
        """Tell how many were served the pins today."""
        self.count([Expose(sessions, clients, app)])

    def count(self, exposed: Iterable[Expose]) -> None:
        """Tell how many were served the pins today, of the site and of the versions of apps."""
        today = self.moment.date()
        days = [ExposedDay(self.host, today, e.sessions, e.clients, e.app, e.app_version) for e in exposed]
        self.service.records.record_exposure(days, origin="demo", at=self.moment)

    def carry_pins(self, release: CarryPins) -> None:
        """Record which pins a release of an app carries."""
        assert self.policy is not None
        pins = self.policy.expected if release.pins is None else frozenset(release.pins)
        named = Audience(release.app, release.version)
        self.service.records.record_releases(self.host, [named], pins, at=self.moment)

    def register(self, release: AppRelease) -> None:
        """Register a release of an app."""
        self.service.apps.register(release, at=self.moment)
        self._finish_rejudging()

    def count_installs(self, installs: CountInstalls) -> None:
        """Record the installs of today."""
        today = self.moment.date()
        counts = [
            InstallCount(installs.app, installs.platform, today, count, version, source="demo")
            for version, count in installs.by_version
        ]
        self.service.apps.record_installs(counts, at=self.moment)

    def retire(self, release: Retire) -> None:
        """Retire a release."""
        self.service.apps.retire(release.app, release.platform, release.version, at=self.moment)
        self._finish_rejudging()

    def add_control(self, pins: tuple[Pin, ...]) -> None:
        """Add control pins."""
        self.service.control.make(self.host, pins=pins, at=self.moment)
        self._finish_rejudging()

    def expose_control(self, clients: int) -> None:
        """Tell how many clients received control pins today."""
        day = ControlDay(self.host, self.moment.date(), clients)
        self.service.control.record_exposure([day], origin="demo", at=self.moment)

    def send_canary(self, *, arrives: bool) -> None:
        """Send a canary to the report-uri."""
        self.canaries += 1
        assert self.policy is not None
        assert self.policy.report_uri is not None
        nonce = f"{self.host}{self.canaries}".encode()[-16:].rjust(16, b"\0")
        if f"//{self.host}/" in self.policy.report_uri:
            arrives = False  # the host does not collect reports
        uri = self.policy.report_uri
        self.service.canaries.add(self.host, nonce, report_uri=uri, at=self.moment, arrived=arrives)

    def probe(self, chain: Chain, *, header: bool) -> None:
        """Look at the host, which serves a chain at its one address, and the policy's own field or none."""
        self.probe_addresses({_ADDRESS: chain}, header=header)

    def probe_addresses(self, chains: Mapping[str, Chain], *, header: bool) -> None:
        """Look at the host, which serves chains by address, and the policy's own field or none."""
        assert self.policy is not None
        _, value = pinning_field(self.policy)
        enforced = self.policy.mode is Mode.ENFORCE
        values = (value,) if header else ()
        answer = Answer("/", 200, *((values, ()) if enforced else ((), values)))
        endpoints = tuple(
            Endpoint(
                address,
                (tuple(read_certificate(issued.der, position=position) for position, issued in enumerate(chain)),),
                (answer,),
            )
            for address, chain in chains.items()
        )
        self.service.probing.record(Probe(self.host, 443, self.moment, endpoints))
        self._finish_rejudging()

    def _finish_rejudging(self) -> None:
        """Judge to the end what a slow machine left, so that a rollout is the same on all of them."""
        while self.service.rejudging.go_on(at=self.moment) is not None:
            pass

    def set_status(self, cause: Cause, status: str, note: str = "the operator of the story") -> None:
        """Close all violations of a cause."""
        violations = self.service.violations
        for violation in violations.list(Filter(host=self.host, cause=cause), limit=500):
            violations.set_status(violation.id, status=status, note=note, at=self.moment)

    def record_event(self, kind: str, text: str) -> None:
        """Record an event."""
        self.service.records.add_event(kind, text, host=self.host, at=self.moment)


def take(intake: DirectIntake, posts: Iterable[Post]) -> None:
    """Take what was sent, each at its moment, in one transaction; what is no report is kept as a rejection."""
    intake.take(
        (
            post.body,
            Envelope(post.address, post.label, content_type=post.content_type, user_agent=post.user_agent),
            to_ms(post.at),
        )
        for post in posts
    )
