"""The pages of apps: what each release does with the chains served, its installs, and what reports name."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.app_configs.writers import write_config
from app.demo.forms import FORMS
from app.demo.incident import Incident, SampleApp
from app.demo.rollout import make_keys
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.hpkp.probe_result import Endpoint, Probe
from app.hpkp.report import Sender
from app.hpkp.x509.certificate import read_certificate
from app.service import now
from tests.support.app_pins import BACKUP, OTHER, pin_of
from tests.support.application import StartApp, TestClient, service_of
from tests.support.web.markup import read, words_of
from tests.support.web.stock import SCRIPT

HOST, APP = Host("www.example.com"), "example.shop"
KEYS = make_keys(HOST, at=now())
OLD = pin_of("the old key")


def _release(
    version: str, *pins: Pin, form: Form = Form.TRUSTKIT_PLIST, platform: Platform = Platform.IOS
) -> AppRelease:
    entry = PinEntry(HOST, Scope.NAME_AND_BELOW, PinMode.ENFORCE, carry(pins), report_uris=("https://c.test/report/x",))
    return AppRelease(APP, version, platform, (PinLayer(form, (entry,)),))


@pytest.fixture
def client(start: StartApp, tmp_path: Path) -> TestClient:
    """Return a browser's client of a service with three releases, a probe, installs, and a report of a fourth."""
    (tmp_path / "roots.pem").write_text(KEYS.roots_pem)
    client = start(trust_anchors=tmp_path / "roots.pem")
    client.headers["accept"] = "text/html"
    service, at = service_of(client), now()
    service.policies.set(PinningPolicy(HOST, tuple(map(ExpectedPin, (KEYS.leaf[0].pin, BACKUP)))), at=at)
    service.apps.register(_release("1.0", OLD, OTHER), at=at)
    service.apps.register(_release("2.0", KEYS.leaf[0].pin, BACKUP), at=at)
    service.apps.register(_release("2.0", OLD, form=Form.OKHTTP, platform=Platform.ANDROID), at=at)
    service.apps.record_installs(
        [
            InstallCount(APP, Platform.IOS, at.date(), 3_410, "1.0", source="api"),
            InstallCount(APP, Platform.IOS, at.date(), 280_590, "2.0", source="api"),
        ],
        at=at,
    )
    chain = tuple(read_certificate(issued.der, position=i) for i, issued in enumerate(KEYS.leaf))
    service.probing.record(Probe(HOST, 443, at, (Endpoint("192.0.2.1", (chain,)),)))
    return client


def _report(version: str) -> bytes:
    incident = Incident(
        hostname=HOST,
        noted_hostname=HOST,
        known_pins=(OLD, OTHER),
        served=[issued.der for issued in KEYS.leaf],
        validated=[issued.der for issued in (*KEYS.leaf, KEYS.old_root)],
        at=datetime.now(UTC) - timedelta(minutes=1),
        enforced=True,
        app=SampleApp(APP, version),
    )
    return FORMS[Sender.TRUSTKIT_APPLE].sample(incident).body


def test_the_list_names_the_releases_that_a_served_chain_locks_out(client: TestClient) -> None:
    text = words_of(client.get("/apps"))
    assert "example.shop 3 of 3 2.0 (android) 1.0 (ios) www.example.com" in text


def test_a_release_is_shown_with_installs_hosts_and_reports(client: TestClient) -> None:
    for version in ("1.0", SCRIPT):
        client.post("/report", content=_report(version), headers={"Content-Type": "application/json"})
    client.get("/api/v1/violations")  # waits until both are counted
    page = client.get(f"/apps/{APP}")
    read(page)
    text = words_of(page)
    assert "1.0 (ios) 3,410 of 284,000 (1.2%)" in text
    assert "www.example.com : locked out 1 1" in text
    assert "2.0 (ios) 280,590 of" in text
    assert "www.example.com : locked out cannot report 0 0" in text
    assert "Versions that report and are not registered" in text
    assert "<script>document" not in page.text
    assert str(BACKUP) in page.text


def test_the_host_page_gives_the_verdict_for_each_release_and_leads_to_its_app(client: TestClient) -> None:
    page = client.get(f"/hosts/{HOST}")
    assert page.text.count(f'href="/apps/{APP}"') == 4
    text = words_of(page)
    assert "example.shop 1.0 (ios) not ready 3,410 of 284,000 (1.2%)" in text
    assert "It is locked out now: a chain that is served has none of its pins." in text
    assert text.index("example.shop 1.0 (ios)") < text.index("example.shop 2.0 (ios) ready 280,590 of 284,000")
    assert "Apps with pins for this host: example.shop ." in text


def test_a_host_without_a_policy_leads_to_its_apps(visitor: TestClient) -> None:
    service_of(visitor).apps.register(_release("1.0", OLD, OTHER), at=now())
    visitor.post("/report", content=_report("1.0"), headers={"Content-Type": "application/json"})
    text = words_of(visitor.get(f"/hosts/{HOST}"))
    assert "No policy in force" in text
    assert "Apps with pins for this host: example.shop ." in text


def test_an_app_that_is_not_registered_is_not_found(client: TestClient) -> None:
    assert client.get("/apps/com.example.other").status_code == 404


def test_without_apps_the_page_says_how_to_register_one(visitor: TestClient) -> None:
    assert "hpkp app import" in visitor.get("/apps").text


def test_a_configuration_over_http_shows_up(visitor: TestClient) -> None:
    body = {"platform": "ios", "files": [write_config(_release("3.0", OLD, OTHER).layers[0], Form.TRUSTKIT_PLIST)]}
    assert visitor.put(f"/api/v1/apps/{APP}/releases/3.0", json=body).status_code == 200
    assert "www.example.com : unknown not probed" in words_of(visitor.get(f"/apps/{APP}"))
