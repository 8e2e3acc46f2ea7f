"""Alerts, told to a real receiver: signed, once, again where nobody took them, and never to where a redirect leads."""

import asyncio
import email
import email.policy
import json
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from app.alert_job import OutageAlert, send_alerts
from app.cli import app as commands
from app.cli.scenario import HOST, play
from app.demo.rollout import make_keys
from app.demo.scenarios import SCENARIOS
from app.hpkp.alert_rules import MANY_REFUSED
from app.metrics import Metrics
from app.notifier import Message, MessageKind, Notification, Receivers, notify
from app.outcomes import Outcome
from app.service import Service, now, open_service
from app.settings import Settings
from app.store.engine import to_ms, writing
from app.store.read.alerts import list_alerts
from app.store.submissions import RejectedSubmission
from app.store.write.samples import record_rejections
from app.store.write.statuses import set_status
from tests.support.application import settings_for
from tests.support.server import running_service

DOCUMENT = Path(__file__).parents[1] / "docs" / "alerts.md"
SECRET = "a secret"


@dataclass
class Receiver:
    """A webhook's other end; ``answers`` are given in turn, the last one for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [204])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a real HTTP server that takes alerts."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = found.answers.pop(0) if len(found.answers) > 1 else found.answers[0]
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{found.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with _running(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield found


@contextmanager
def _running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _is_genuine() -> Callable[[bytes, str, str, str], bool]:
    """Return the check that the document gives to receivers."""
    found = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    check: Callable[[bytes, str, str, str], bool] = names["is_genuine"]
    return check


MESSAGE = Message(MessageKind.ALERT, now(), [Notification("verdict_worse", "www.example.com", "it fell ☂", now())])


def _tell(url: str, message: Message = MESSAGE) -> str | None:
    (delivery,) = asyncio.run(notify(Receivers(webhook=url, secret=SECRET, pause=0.01), message))
    return delivery.fault


def test_a_webhook_is_signed_as_the_document_says(receiver: Receiver) -> None:
    assert _tell(receiver.url) is None
    ((fields, body),) = receiver.got
    check = _is_genuine()
    assert check(body, fields["hpkp-timestamp"], fields["hpkp-signature"], SECRET)
    assert not check(body + b" ", fields["hpkp-timestamp"], fields["hpkp-signature"], SECRET)
    assert not check(body, fields["hpkp-timestamp"] + "0", fields["hpkp-signature"], SECRET)
    example = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert example is not None
    told, documented = json.loads(body), json.loads(example[1])
    assert told.keys() == documented.keys()
    assert told["alerts"][0].keys() == documented["alerts"][0].keys()


@pytest.mark.parametrize(
    ("answers", "attempts", "fault"),
    [
        ([204], 1, None),
        ([500, 429, 200], 3, None),
        ([503], 3, "answered 503"),
        ([404], 1, "answered 404"),
        ([302], 1, "answered 302"),
    ],
)
def test_a_receiver_is_tried_three_times_where_that_may_help(
    receiver: Receiver, answers: list[int], attempts: int, fault: str | None
) -> None:
    receiver.answers = answers
    assert _tell(receiver.url) == fault
    assert len(receiver.got) == attempts


def test_what_is_said_of_a_receiver_gives_no_secret_away() -> None:
    urls = Receivers(webhook="http://127.0.0.1:9/s3cret", apprise=("nothing://s3cret@x",), pause=0.01)
    for delivery in asyncio.run(notify(urls, MESSAGE)):
        assert delivery.fault
        assert "s3cret" not in f"{delivery}"
    settings = Settings(_env_file=None, alert_webhook=SecretStr("http://s3cret"), alert_urls=(SecretStr("s3cret"),))
    assert "s3cret" not in repr(settings)


class _Mailbox:
    def __init__(self) -> None:
        self.got: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.got.append(email.message_from_bytes(envelope.content, policy=email.policy.default).as_string())
        return "250 OK"


def test_an_e_mail_arrives_at_a_real_server() -> None:
    mailbox = _Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{port}?to=ops@example.net&from=hpkp@example.net&mode=insecure"
        (delivery,) = asyncio.run(notify(Receivers(apprise=(url,)), MESSAGE))
    finally:
        controller.stop()
    assert delivery.fault is None
    (mail,) = mailbox.got
    assert "HPKP: 1 new alert\n" in mail.replace("\r", "")
    assert "ops@example.net" in mail


@contextmanager
def _told_of(directory: Path, scenario: str, days: int, **settings: Any) -> Iterator[Service]:
    """Play the first days of a scenario into a store, and open a service on it."""
    at = now()
    keys = make_keys(HOST, at=at - timedelta(days=5))
    roots = directory / "roots.pem"
    roots.write_text(keys.roots_pem)
    service = open_service(settings_for(directory, trust_anchors=roots, **settings), Metrics())
    try:
        chosen = next(known for known in SCENARIOS if known.name == scenario)
        for _ in play(service, replace(chosen, days=days), keys, until=at):
            pass
        yield service
    finally:
        service.engine.dispose()


def _send(service: Service, at: datetime | None = None) -> list[str | None]:
    return [delivery.fault for delivery in asyncio.run(send_alerts(service, at=at or now()))]


def _kinds(message: dict[str, Any]) -> set[str]:
    return {told["kind"] for told in message["alerts"]}


def test_what_may_be_an_attack_is_told_once_and_again_in_a_digest(tmp_path: Path, receiver: Receiver) -> None:
    with _told_of(tmp_path, "misissuance", 10, alert_webhook=SecretStr(receiver.url)) as service:
        assert _send(service) == [None]
        assert _kinds(receiver.messages[0]) == {"alarming_violation", "verdict_worse"}
        assert {told["host"] for told in receiver.messages[0]["alerts"]} == {HOST}
        assert _send(service) == []
        assert _send(service, now() + timedelta(hours=25)) == [None]
        assert receiver.messages[1]["type"] == "digest"
        assert "alarming_violation" in _kinds(receiver.messages[1])
        with writing(service.engine) as connection:
            set_status(connection, 1, status="expected", note="", at=now())
        assert _send(service, now() + timedelta(hours=26)) == []
        with service.engine.connect() as connection:
            rows = list_alerts(connection, limit=9, since=now())
        assert {row.kind for row in rows if row.resolved_at is not None} == {"alarming_violation"}


def test_a_verdict_that_fell_is_told_until_it_is_another_and_not_for_what_else_changes(
    tmp_path: Path, receiver: Receiver
) -> None:
    with _told_of(tmp_path, "renewal", 10, alert_webhook=SecretStr(receiver.url)) as service:
        assert _send(service) == [None]
        (told,) = receiver.messages[0]["alerts"]
        assert told["kind"] == "verdict_worse"
        assert told["text"].startswith("Verdict fell from not enough data to not ready. New: Served certificate")
        at = now() + timedelta(hours=50)  # the canary is too old by now, and nothing else is different
        service.readiness.record(HOST, at=at)
        assert _send(service, at) == [None]
        assert receiver.messages[1]["type"] == "digest"
        assert _kinds(receiver.messages[1]) == {"verdict_worse"}


def test_what_flickers_is_told_once_and_what_comes_back_later_again(tmp_path: Path, receiver: Receiver) -> None:
    with _told_of(tmp_path, "misissuance", 10, alert_webhook=SecretStr(receiver.url)) as service:
        assert _send(service) == [None]

        def set_to(status: str, minutes: int) -> None:
            at = now() + timedelta(minutes=minutes)
            with writing(service.engine) as connection:
                set_status(connection, 1, status=status, note="", at=at)
            assert _send(service, at) == []

        set_to("expected", 10)
        set_to("open", 20)
        set_to("expected", 30)
        with writing(service.engine) as connection:
            set_status(connection, 1, status="open", note="", at=now())
        assert _send(service, now() + timedelta(minutes=95)) == [None]
        assert _kinds(receiver.messages[1]) == {"alarming_violation"}


def test_what_nobody_took_is_told_in_the_next_round(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [403, 204]
    with _told_of(tmp_path, "misissuance", 10, alert_webhook=SecretStr(receiver.url)) as service:
        assert _send(service) == ["answered 403"]
        assert _send(service) == [None]
        assert receiver.messages[0]["alerts"] == receiver.messages[1]["alerts"]
        assert _send(service) == []


def test_a_missing_canary_is_told_where_the_service_sends_them(tmp_path: Path, receiver: Receiver) -> None:
    hook = SecretStr(receiver.url)
    with _told_of(tmp_path, "dead-report-uri", 9, alert_webhook=hook, canary_interval_hours=6) as service:
        assert _send(service) == [None]
        assert "canary_missing" in _kinds(receiver.messages[0])


def test_a_leaf_about_to_expire_is_told(tmp_path: Path, receiver: Receiver) -> None:
    with _told_of(tmp_path, "clean", 2, alert_webhook=SecretStr(receiver.url)) as service:
        assert _send(service) == []
        assert _send(service, now() + timedelta(days=30)) == [None]
        (told,) = receiver.messages[0]["alerts"]
        assert told["kind"] == "leaf_expires"
        policy = service.policies.in_force(HOST, at=now())
        assert policy is not None
        assert f"with one that is already pinned: {policy.pins[1].pin}" in told["text"]


def test_refusals_are_told_where_they_are_many_or_our_own(tmp_path: Path, receiver: Receiver) -> None:
    with _told_of(tmp_path, "clean", 1, alert_webhook=SecretStr(receiver.url)) as service:
        for outcome, number in ((Outcome.NOT_A_REPORT, MANY_REFUSED - 1), (Outcome.STORE_UNAVAILABLE, 1)):
            rows = [RejectedSubmission(to_ms(now()), outcome, "a reason", 1)] * number
            with writing(service.engine) as connection:
                record_rejections(connection, rows, limit=1000)
        assert _send(service) == [None]
        (told,) = receiver.messages[0]["alerts"]
        assert (told["kind"], told["host"]) == ("intake_refuses", None)
        assert "store_unavailable" in told["text"]


def test_the_service_tells_by_itself(tmp_path: Path, receiver: Receiver) -> None:
    with _told_of(tmp_path, "misissuance", 10):
        pass
    settings = {
        "HPKP_TRUST_ANCHORS": str(tmp_path / "roots.pem"),
        "HPKP_ALERT_WEBHOOK": receiver.url,
        "HPKP_ALERT_INTERVAL_MINUTES": "0.01",
    }
    with running_service(tmp_path, **settings):
        deadline = time.monotonic() + 30
        while not receiver.got and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "alarming_violation" in _kinds(receiver.messages[0])


def test_a_store_that_does_not_answer_is_told_though_nothing_can_be_kept_in_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    with _told_of(tmp_path, "clean", 1):
        pass
    settings = {"HPKP_ALERT_WEBHOOK": receiver.url, "HPKP_ALERT_INTERVAL_MINUTES": "0.005"}
    with running_service(tmp_path, **settings):
        with closing(sqlite3.connect(tmp_path / "hpkp.sqlite3")) as store:
            store.execute("ALTER TABLE alerts RENAME TO gone")
        deadline = time.monotonic() + 30
        while not receiver.got and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
    (message,) = receiver.messages
    (told,) = message["alerts"]
    assert (told["kind"], told["host"]) == ("intake_refuses", None)
    assert "Database unavailable: reports are rejected" in told["text"]
    assert "no such table" in told["text"]


def test_it_is_told_again_when_it_went_away_again_or_nobody_took_it(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [403, 204]
    error = OperationalError("SELECT 1", None, Exception("it is locked"))
    with _told_of(tmp_path, "clean", 1, alert_webhook=SecretStr(receiver.url)) as service:
        outage_alert = OutageAlert(service)

        def send(hours: int) -> int:
            return len(asyncio.run(outage_alert.send(error, at=now() + timedelta(hours=hours))))

        assert [send(0), send(0), send(1), send(25), send(26)] == [1, 1, 0, 1, 0]
        outage_alert.reset()
        assert send(27) == 1


def test_the_command_tries_every_receiver(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = partial(CliRunner().invoke, commands)
    assert "HPKP_ALERT_WEBHOOK" in run(["alert", "test"]).stderr
    monkeypatch.setenv("HPKP_ALERT_WEBHOOK", receiver.url)
    assert run(["alert", "test"]).stdout == "webhook: delivered\n"
    assert receiver.messages[0]["type"] == "test"
    receiver.answers = [404]
    refused = run(["alert", "test"])
    assert (refused.exit_code, refused.stdout) == (1, "webhook: answered 404\n")


def test_the_command_lists_alerts(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with _told_of(tmp_path, "misissuance", 10, alert_webhook=SecretStr(receiver.url)) as service:
        _send(service)
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    shown = CliRunner().invoke(commands, ["alert", "list"])
    assert "open     www.example.com: Possible attack: Public CA certificate with an unknown key" in shown.stdout
