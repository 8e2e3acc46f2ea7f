"""The deployment question: the page, the API and the command give one answer to one chain."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.hpkp.app_pins.forms import Form, PinMode, Scope
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform
from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import ExpectedPin, PinningPolicy
from app.service import now
from tests.application import StartApp, TestClient, service_of
from tests.authority import Site, make_root, make_site
from tests.web.markup import token_of, words_of

HOST, APP = Host("www.example.com"), "example.shop"
OLD, NEW, FOREIGN = make_site(HOST), make_site(HOST), make_site(HOST)
BACKUP = make_root("Backup").pin
PAGE, API = f"/hosts/{HOST}/check", f"/api/v1/hosts/{HOST}/check"


def _release(version: str, *pins: str) -> AppRelease:
    entry = PinEntry(HOST, Scope.NAME_AND_BELOW, PinMode.ENFORCE, carry(map(parse_pin, pins)))
    return AppRelease(APP, version, Platform.ANDROID, (PinLayer(Form.NSC, (entry,)),))


@pytest.fixture
def client(start: StartApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Return a browser's client of a service with a policy and two releases; the command has the same settings."""
    roots = tmp_path / "roots.pem"
    roots.write_text(OLD.root.pem + NEW.root.pem + FOREIGN.root.pem)
    client = start(trust_anchors=roots)
    client.headers["accept"] = "text/html"
    service, at = service_of(client), now()
    expected = tuple(ExpectedPin(parse_pin(pin)) for pin in (OLD.leaf.pin, NEW.leaf.pin))
    service.policies.set(PinningPolicy(HOST, expected), at=at)
    service.apps.register(_release("1.0", OLD.leaf.pin, BACKUP), at=at)
    service.apps.register(_release("2.0", OLD.leaf.pin, NEW.leaf.pin), at=at)
    counts = (("1.0", 3_410), ("2.0", 280_590))
    service.apps.record_installs(
        [InstallCount(APP, Platform.ANDROID, at.date(), count, version, source="api") for version, count in counts],
        at=at,
    )
    monkeypatch.setenv("HPKP_DATABASE_URL", service.settings.database_url)
    monkeypatch.setenv("HPKP_TRUST_ANCHORS", str(roots))
    return client


def _ask(client: TestClient, chain: str) -> str:
    """Return the words of the page after a chain was pasted."""
    form = {"form_token": token_of(client.get(PAGE)), "chain": chain}
    return words_of(client.post(PAGE, data=form))


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("site", "deployable", "code", "answer"),
    [
        (OLD, True, 0, "By its pins it may be deployed: it locks out no known client in use"),
        (NEW, False, 1, "Do not deploy: 1 release in use would be locked out (3,410 installs)."),
        (
            FOREIGN,
            False,
            1,
            "Do not deploy: it contains no expected pin; 2 releases in use would be locked out (284,000 installs).",
        ),
    ],
    ids=["matches", "locks out an old release", "locks out all"],
)
def test_page_api_and_command_give_the_same_answer(
    client: TestClient, tmp_path: Path, site: Site, deployable: bool, code: int, answer: str
) -> None:
    chain = "".join(site.served)
    told = client.post(API, content=chain, headers={"accept": "application/json"}).json()
    # What follows leads to the notes, of which the dates of the chain make one.
    assert (told["deployable"], told["text"][0].startswith(answer)) == (deployable, True), told["text"]
    assert told["key_sets"] == [[OLD.leaf.pin]]
    assert f"a chain with {OLD.leaf.pin} locks out no known client" in told["text"]

    (tmp_path / "chain.pem").write_text(chain)
    printed = CliRunner().invoke(cli, ["check", HOST, str(tmp_path / "chain.pem")], env={"COLUMNS": "300"})
    assert printed.exit_code == code, printed.output
    shown, page = " ".join(printed.stdout.split()), _ask(client, chain)
    for line in told["text"]:
        assert line in shown
        assert line in page
    assert len(printed.stdout.splitlines()) == len(told["text"])


def test_what_is_no_chain_is_said_at_the_field_and_kept(client: TestClient) -> None:
    form = {"form_token": token_of(client.get(PAGE)), "chain": "no chain"}
    answer = client.post(PAGE, data=form)
    assert "no certificate in PEM, DER or PKCS #7" in words_of(answer, 422)
    assert "no chain</textarea>" in answer.text


def test_a_private_key_is_refused_and_not_written_back(client: TestClient) -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    form = {"form_token": token_of(client.get(PAGE)), "chain": OLD.leaf.pem + secret}
    answer = client.post(PAGE, data=form)
    assert "treat it as compromised" in words_of(answer, 422)
    assert "c2VjcmV0" not in answer.text


def test_a_form_without_its_token_and_one_that_is_too_long_are_refused(client: TestClient) -> None:
    assert client.post(PAGE, data={"chain": OLD.leaf.pem}).status_code == 403
    form = {"form_token": token_of(client.get(PAGE)), "chain": "A" * 70_000}
    assert client.post(PAGE, data=form).status_code == 413


def test_a_host_that_nothing_pins_says_so(visitor: TestClient) -> None:
    form = {"form_token": token_of(visitor.get(PAGE)), "chain": OLD.leaf.pem}
    assert "nothing to check against" in words_of(visitor.post(PAGE, data=form), 422)


def test_the_page_of_the_host_leads_to_it(client: TestClient) -> None:
    assert f'href="{PAGE}"' in client.get(f"/hosts/{HOST}").text
