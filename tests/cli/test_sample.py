"""``hpkp send-sample`` against a real service, what is on the wire, and what each scenario is judged as."""

import json
import socket
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.sample import ImitatedSender
from app.demo import FORMS, SampleKind, is_sent_by, make_site
from app.hpkp.hosts import Host
from app.hpkp.judgement.judge import judge
from app.hpkp.policy import ExpectedPin, PinningPolicy, PolicyHistory
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import read_certificate
from app.senders import CertificateReader, read_report
from tests.support.authority import NOW
from tests.support.server import running_service

runner = CliRunner()


def test_a_sample_arrives_and_is_judged(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        sent = runner.invoke(app, ["send-sample", f"{service.url}/report/tour", "--host", "a.example", "--json"])
        assert sent.exit_code == 0, sent.output
        violations = service.client.get("/api/v1/violations", params={"host": "a.example"}).json()["items"]
    assert json.loads(sent.stdout)["status"] == 204
    assert [violation["cause"] for violation in violations] == ["other_trust_path"]
    assert set(violations[0]["known_pins"]) == set(json.loads(sent.stdout)["pins"])


def test_a_sample_can_be_printed_instead() -> None:
    printed = runner.invoke(app, ["send-sample", "--print", "--scenario", "no_evidence"])
    assert json.loads(printed.stdout)["validated-certificate-chain"] == []


@pytest.mark.parametrize("path", ["report/bad%20label", "nothing"])
def test_a_refused_sample_is_exit_code_one(tmp_path: Path, path: str) -> None:
    with running_service(tmp_path) as service:
        refused = runner.invoke(app, ["send-sample", f"{service.url}/{path}"])
    assert refused.exit_code == 1
    assert "answered 4" in refused.stderr


def test_no_service_is_said_plainly() -> None:
    refused = runner.invoke(app, ["send-sample", "http://127.0.0.1:9/report"])
    assert refused.exit_code == 2
    assert "hpkp serve" in refused.stderr


def test_every_sender_with_a_known_form_can_be_named() -> None:
    assert [Sender(sender) for sender in ImitatedSender] == list(FORMS)


def test_a_sample_of_every_sender_is_taken_as_that_senders(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        for sender in ImitatedSender:
            options = ["--as", sender, "--host", "a.example", "--json"]
            sent = runner.invoke(app, ["send-sample", f"{service.url}/report", *options])
            assert (sent.exit_code, json.loads(sent.stdout)["sender"]) == (0, sender), sent.output
        violations = service.client.get("/api/v1/violations").json()["items"]
    assert {violation["sender"] for violation in violations} == set(ImitatedSender)


def request_of(sender: str) -> tuple[list[str], bytes]:
    """Send a sample to a socket that answers 204; return the lines of the request's head, and what follows it."""
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(30)
                while not _is_complete(received) and (more := connection.recv(65536)):
                    received.extend(more)
                connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/report"
        sent = runner.invoke(app, ["send-sample", url, "--as", sender])
        thread.join()
    assert sent.exit_code == 0, sent.output
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return head.decode("ascii").split("\r\n"), body


def _is_complete(received: bytearray) -> bool:
    head, blank, body = bytes(received).partition(b"\r\n\r\n")
    if b"chunked" in head:
        return body.endswith(b"\r\n0\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(blank) and len(body) == int(lengths[0].split(b":")[1])


@pytest.mark.parametrize(
    ("sender", "content_type"),
    [
        ("chromium", "application/json; charset=utf-8"),
        ("trustkit-apple", "application/json"),
        ("trustkit-android", "application/json"),
        ("proton-bridge", "application/json"),
        ("proton-vpn", "application/json; charset=utf-8"),
        ("react-native-ssl-manager", "application/json; charset=utf-8"),
        ("go-hpkp", "application/json"),
        ("reporting-api", "application/reports+json"),
    ],
)
def test_a_sample_is_framed_as_its_sender_frames_it(sender: str, content_type: str) -> None:
    [line, *lines], _ = request_of(sender)
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert line == "POST /report HTTP/1.1"
    assert headers["content-type"] == content_type
    assert ("transfer-encoding" in headers) == ("content-length" not in headers) == (sender == "trustkit-android")
    assert ("x-pm-appversion" in headers) == (sender == "proton-bridge")
    assert ("cache-control" in headers) == (sender == "chromium")
    assert "python" not in headers.get("user-agent", "")
    assert not headers.keys() & {"origin", "referer", "cookie", "authorization"}


def test_trustkit_for_android_sends_in_chunks() -> None:
    _, body = request_of("trustkit-android")
    length, _, rest = body.partition(b"\r\n")
    chunk, end = rest[: int(length, 16)], rest[int(length, 16) :]
    assert end == b"\r\n0\r\n\r\n"
    assert rb"\/" in chunk
    assert json.loads(chunk)["app-platform"] == "ANDROID"


# What a sender does not tell cannot be judged: nothing in these shows that the server sent the pinned path.
UNTOLD = {(SampleKind.OTHER_TRUST_PATH, "trustkit-apple")}


SENT = [
    (scenario, sender)
    for scenario in SampleKind
    for sender in (Sender.CHROMIUM, Sender.TRUSTKIT_APPLE)
    if is_sent_by(sender, scenario)
]


@pytest.mark.parametrize(("scenario", "sender"), SENT)
def test_each_scenario_is_judged_as_it_is_named(scenario: SampleKind, sender: str) -> None:
    site = make_site(Host("www.example.com"), at=NOW)
    report = read_report(site.report(scenario, at=NOW, sender=Sender(sender)), certificates=CertificateReader())
    assert isinstance(report, ViolationReport)
    policy = PinningPolicy(
        site.host,
        tuple(map(ExpectedPin, site.pins)),
        revision=2,
        own_keys=frozenset({site.leaf.pin, site.stray.pin}),
        effective_from=NOW,
    )
    previous = PinningPolicy(site.host, (ExpectedPin(site.previous), ExpectedPin(site.backup)))
    root = read_certificate(site.new_root.der)
    anchors = KnownCertificates(public=(root,)) if not hasattr(root, "reason") else KnownCertificates()
    judgement = judge(report, PolicyHistory.of((previous, policy)), anchors, received_at=NOW, at=NOW)
    assert (judgement.cause == scenario.value) == ((scenario, sender) not in UNTOLD)
