"""A store with something of everything that pages show: ten days of a rollout, and what hostile senders would write."""

import functools
import json
from datetime import datetime, timedelta
from pathlib import Path

from app.demo import SampleApp, SampleKind, SampleSite, make_site
from app.hpkp.app_pins.forms import Form
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, Platform
from app.hpkp.exposure import ExposedDay
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.hpkp.probe_result import Answer, Endpoint, Probe
from app.hpkp.report import Sender
from app.hpkp.x509.certificate import read_certificate
from app.ingest.envelope import Envelope
from app.outcomes import Outcome
from app.service import Service, now
from app.store.canaries import add_canary, receive_canary
from app.store.engine import to_ms, writing
from app.store.exposures import record_exposure
from app.store.submissions import RejectedSubmission
from app.store.write.samples import record_rejections
from app.wiring import DirectIntake
from tests.support.authority import make_root
from tests.support.reports import report_body

HOST = Host("www.example.com")
APP = "example.bank"
HOSTILE_HOST = "hostile.example.com"
SCRIPT = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>"
REVERSED = "moc.elpmaxe\u202e.gnp"
LONG = "x" * 3000
NAMES = tuple(f"name-{number}.{'long-' * 8}label.example.com" for number in range(500))

_DAYS = 10
_IN_BROWSERS = (
    SampleKind.OTHER_TRUST_PATH, SampleKind.OWN_KEY_NOT_PINNED, SampleKind.STALE_KNOWN_PINS,
    SampleKind.MATCHES_EXPECTED, SampleKind.NO_EVIDENCE,
)  # fmt: skip
_IN_APPS = (SampleKind.PRIVATE_ROOT, SampleKind.CLOCK)


@functools.cache
def sample_site() -> SampleSite:
    """Return the host that the reports are about."""
    return make_site(HOST, at=now())


def roots_file(directory: Path) -> Path:
    """Write the roots that the site's clients trust into a file, for ``HPKP_TRUST_ANCHORS``."""
    path = directory / "roots.pem"
    path.write_text(sample_site().public_roots_pem)
    return path


def fill(service: Service, *, at: datetime) -> None:
    """Fill a store."""
    site = sample_site()
    current = (ExpectedPin(site.old_root.pin, "our CA's root"), ExpectedPin(site.backup, "backup key, offline"))
    previous = (ExpectedPin(site.previous, "former key"), ExpectedPin(site.backup, "backup key, offline"))
    for pins, days in ((previous, 60), (current, _DAYS)):
        service.policies.set(
            PinningPolicy(
                host=site.host,
                pins=pins,
                max_age=5_184_000,
                report_uri="https://reports.example.net/report",
                own_keys=frozenset({site.leaf.pin, site.stray.pin}),
                effective_from=at - timedelta(days=days),
            ),
            at=at,
        )
    for day in range(_DAYS):
        moment = at - timedelta(days=day, hours=1)
        for scenario in (*_IN_BROWSERS, *_IN_APPS):
            app = SampleApp("com.example.shop", f"4.{day % 3}.0", f"00000000-0000-4000-8000-{day:012}")
            chosen = (Sender.TRUSTKIT_APPLE, app) if scenario in _IN_APPS else (Sender.CHROMIUM, None)
            take(service, site.report(scenario, at=moment, sender=chosen[0], app=chosen[1]), at=moment)
    _add_facts(service, at)
    service.probing.record(_look(service, at))
    _add_hostile(service, at)
    entry = PinEntry("apps.example.net", pins=carry([site.leaf.pin, site.backup]))
    service.apps.register(AppRelease(APP, "1.0", Platform.ANDROID, (PinLayer(Form.OKHTTP, (entry,)),)), at=at)
    service.readiness.record(HOST, at=at)


def take(service: Service, body: bytes, *, at: datetime, label: str = "", user_agent: str | None = None) -> None:
    """Take a report as if it had come at a moment."""
    envelope = Envelope(address="203.0.113.7", label=label, user_agent=user_agent)
    counted = DirectIntake(service).take([(body, envelope, to_ms(at))])
    assert counted.result.accepted == 1


def _add_facts(service: Service, at: datetime) -> None:
    days = [ExposedDay(HOST, (at - timedelta(days=day)).date(), 9000, 1200) for day in range(1, _DAYS)]
    with writing(service.engine) as connection:
        record_exposure(connection, days, origin="test", at=at)
        nonce = b"c" * 16
        add_canary(connection, HOST, nonce, report_uri="https://reports.example.net/report", at=at)
        receive_canary(connection, HOST, nonce, at=at)


def _look(service: Service, at: datetime) -> Probe:
    """Return a look at a host that serves what its policy says, and an address that is not there."""
    site = sample_site()
    policy = service.policies.in_force(HOST, at=at)
    assert policy is not None
    served = tuple(
        read_certificate(issued.der, position=position)
        for position, issued in enumerate((site.leaf, site.by_old_root, site.old_root))
    )
    answer = Answer("/", 200, report_only=(str(PinningHeader.of_policy(policy)),))
    up = Endpoint("192.0.2.1", (served,), (answer,))
    return Probe(HOST, 443, at, (up, Endpoint("192.0.2.2", faults=("connection refused",))))


def _add_hostile(service: Service, at: datetime) -> None:
    """Let strangers write what they like wherever a report or a request has room for it."""
    root = make_root(f"{SCRIPT[:40]} root", organization=REVERSED)
    leaf = root.issue(HOSTILE_HOST, names=NAMES, organization=SCRIPT)
    body = report_body(
        host=HOSTILE_HOST,
        served=[leaf.pem],
        validated=[leaf.pem, root.pem],
        known_pins=[SCRIPT, REVERSED, LONG],
        app_bundle_id=SCRIPT,
        app_version=LONG[:90],
    )
    take(service, body, at=at, label="a" * 64, user_agent=f"{SCRIPT} {REVERSED} {LONG}")
    rejected = RejectedSubmission(
        received_at=to_ms(at),
        outcome=Outcome.UNREADABLE,
        reason=f"Not JSON: {SCRIPT}",
        length=len(LONG),
        pointer=f"/{SCRIPT}",
        content_type=SCRIPT,
        user_agent=f"{REVERSED} {SCRIPT}",
        sample=json.dumps([SCRIPT, REVERSED, LONG[:200]]),
    )
    with writing(service.engine) as connection:
        record_rejections(connection, [rejected], limit=1000)
