"""The project's own answer: bytes through the reader, and the report judged."""

import re
from datetime import date, datetime
from functools import lru_cache

from app.hpkp.catalog import Basis, Catalog, InterceptionProduct, KnownKey
from app.hpkp.hosts import Host
from app.hpkp.judgement.judge import Judgement, judge
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509.anchors import KnownCertificates, RootDeparture, StoredRoot
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.senders import CertificateReader, read_report
from tests.support.differential import certificates
from tests.support.differential.generator import EXAMPLE_PIN
from tests.support.differential.situations import PRODUCT
from tests.support.differential.world import HOST, NOW, YEAR, Policies, World

READER = CertificateReader()


def judge_body(world: World, body: bytes) -> Judgement:
    """Read and judge a body as the service does."""
    report = read_report(body, certificates=READER, received_at=NOW)
    assert isinstance(report, ViolationReport), report
    return judge(report, _history(world.policies), _known(world), _catalog(world), received_at=NOW, at=NOW)


_LEFT = RootDeparture((NOW - 2 * YEAR).date(), "removed", "a test")
"""When the former roots left the store: clients whose clock is three years late meet them as public."""


def _known(world: World) -> KnownCertificates:
    knowledge = world.knowledge
    return KnownCertificates(
        public=tuple(map(_read, knowledge.public)),
        operator=tuple(map(_read, knowledge.operator)),
        former=tuple(StoredRoot(_read(root), (NOW - 6 * YEAR).date(), _LEFT) for root in knowledge.former),
        intermediates=tuple(map(_read, knowledge.intermediates)),
        known_bad=frozenset(map(parse_pin, knowledge.known_bad)),
    )


@lru_cache(maxsize=1024)
def _read_der(der: bytes) -> Certificate:
    element = read_certificate(der)
    assert isinstance(element, Certificate), element
    return element


def _read(certificate: certificates.Certificate) -> Certificate:
    return _read_der(certificate.der)


def _history(policies: Policies) -> PolicyHistory:
    starts = ((policies.previous, NOW - YEAR), (policies.current, NOW - YEAR / 4), (policies.future, NOW + YEAR / 12))
    revisions = [_revision(number, pins, policies, start) for number, (pins, start) in enumerate(starts, 1) if pins]
    if policies.withdrawn:
        revisions.append(PinningPolicy(Host(HOST), (), 4, effective_from=NOW - YEAR / 12, withdrawn=True))
    return PolicyHistory.of(revisions)


def _revision(number: int, pins: frozenset[str], policies: Policies, start: datetime) -> PinningPolicy:
    return PinningPolicy(
        host=Host(HOST),
        pins=tuple(ExpectedPin(parse_pin(pin)) for pin in sorted(pins)),
        revision=number,
        own_keys=frozenset(map(parse_pin, policies.own_keys)),
        effective_from=start,
    )


def _catalog(world: World) -> Catalog:
    known_since = date(2026, 1, 1)
    common_name, organization = (re.compile(re.escape(text)) for text in PRODUCT)
    return Catalog(
        known_bad={
            parse_pin(pin): (KnownKey("a leaked key", "a test", known_since),) for pin in world.knowledge.known_bad
        },
        products=(InterceptionProduct("Acme Proxy", common_name, organization, "a test", Basis.PUBLISHED),),
        example_pins={parse_pin(EXAMPLE_PIN): "placeholder of A's"},
    )
