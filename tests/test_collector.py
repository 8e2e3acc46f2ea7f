"""One submission in, one outcome out; what is kept of a rejected one is harmless."""

import base64
import json
import textwrap
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from app.hpkp.clients import network_of
from app.ingest.body_reader import BodyReader
from app.ingest.entry import UNKNOWN_NETWORK, ReportEntry
from app.ingest.envelope import Envelope
from app.ingest.keyed_hashes import KeyedHashes
from app.ingest.rejections import sample_of
from app.metrics import Metrics
from app.outcomes import Outcome
from app.service import Service, open_service
from app.store.secrets import client_key
from tests.support.api.answers import rejections
from tests.support.application import SENDER, TestClient, collect, settings_for, status_of
from tests.support.authority import PrivateKey, new_key
from tests.support.reports import distinct_bodies, report_body


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = open_service(settings_for(tmp_path), Metrics())
    yield service
    service.engine.dispose()


def _counters(service: Service) -> dict[str, float]:
    lines = service.metrics.exposition().decode().splitlines()
    first = 'hpkp_submissions_total{outcome="'
    named = (line.removeprefix(first).split('"} ') for line in lines if line.startswith(first))
    return {name: float(value) for name, value in named if float(value)}


def test_submissions_together_have_an_outcome_each(service: Service) -> None:
    outcomes = collect(service, report_body(), b"", b"{}", report_body(), report_body(port=8443))
    assert outcomes == [
        Outcome.ACCEPTED, Outcome.UNREADABLE, Outcome.NOT_A_REPORT, Outcome.ACCEPTED, Outcome.ACCEPTED,
    ]  # fmt: skip
    assert _counters(service) == {"accepted": 3, "unreadable": 1, "not_a_report": 1}
    status = status_of(service)
    assert (status.accepted, status.duplicates) == (2, 1)


@settings(max_examples=40, deadline=None)
@given(bodies=st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([report_body(), b"[]", b"{}"])), max_size=8))
def test_whatever_is_sent_the_counters_add_up_to_what_was_sent(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    service = open_service(settings_for(tmp_path_factory.mktemp("any")), Metrics())
    outcomes = collect(service, *bodies)
    service.engine.dispose()
    assert sum(_counters(service).values()) == len(outcomes) == len(bodies)


@pytest.mark.parametrize("address", ["203.0.113.77", "2001:db8:1234:5678:9abc:def0:1357:2468"])
def test_no_file_of_the_store_holds_an_address(service: Service, tmp_path: Path, address: str) -> None:
    bodies = (report_body(), report_body(), report_body(port=8443), b"broken", b"{}")
    assert Outcome.ACCEPTED in collect(service, *bodies, envelope=Envelope(address=address))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {file.name for file in files} >= {"hpkp.sqlite3", "hpkp.sqlite3-wal"}
    held = b"".join(file.read_bytes() for file in files)
    assert b"www.example.com" in held
    assert b"broken" in held
    assert address.encode() not in held
    assert network_of(address).encode() not in held
    packed = ip_address(address).packed
    assert packed.hex().encode() not in held
    assert packed not in held or len(packed) == 4  # four bytes stand anywhere by chance


def _entry_of(service: Service, body: bytes, address: str) -> ReportEntry:
    read = BodyReader(KeyedHashes(client_key(service.engine))).read(body, Envelope(address=address), received_at=0)
    assert read.entry is not None
    return read.entry


def test_a_client_is_the_install_where_one_is_told_and_else_the_address(service: Service) -> None:
    def of(body: bytes, address: str) -> bytes:
        return _entry_of(service, body, address).client

    installed = report_body(app_bundle_id="org.example", trustkit_version="3", app_vendor_id="A-1")
    assert of(installed, "192.0.2.1") == of(installed, "192.0.2.2")
    assert of(report_body(), "192.0.2.1") == of(report_body(port=1), "192.0.2.1") != of(report_body(), "192.0.2.2")


def test_a_network_is_kept_as_a_hash_whatever_the_install_says_and_inside_is_nowhere(service: Service) -> None:
    def of(address: str, install: str) -> bytes:
        body = report_body(app_bundle_id="org.example", trustkit_version="3", app_vendor_id=install)
        return _entry_of(service, body, address).network

    assert of("203.0.113.1", "A") == of("203.0.113.9", "B") != of("203.0.114.1", "A")
    assert of("10.0.0.1", "A") == of("", "A") == UNKNOWN_NETWORK


def test_a_text_that_repeats_is_logged_by_reference_and_a_retry_is_known_in_either_form(service: Service) -> None:
    bodies = BodyReader(KeyedHashes(client_key(service.engine)))
    first, second, third = distinct_bodies(3)
    whole = [bodies.read(body, SENDER, received_at=0).entry for body in (first, second)]
    recalled = [bodies.recall(body, SENDER, received_at=0) for body in (second, third)]
    entries = [read.entry for read in recalled if read is not None and read.entry is not None]
    assert [bytes(entry.body) for entry in entries] == [second, third]
    assert entries[0].text is entries[1].text
    assert whole[1] is not None
    assert entries[0].submission == whole[1].submission != entries[1].submission


def _key_bodies(key: PrivateKey) -> dict[str, bytes]:
    """Return a private key as people paste one, and worse."""
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    bare = base64.b64encode(der).decode()
    return {
        "pem alone": pem.encode(),
        "pem in json": json.dumps({"hostname": "a", "key": pem}).encode(),
        "pem without its label": "\n".join(pem.splitlines()[1:-1]).encode(),
        "pem with its lines indented": textwrap.indent(pem, "    ").encode(),
        "der alone": der,
        "bare base64": bare.encode(),
        "bare base64 in json": json.dumps({"key": bare}).encode(),
        "escaped slashes": json.dumps({"key": bare}).replace("/", r"\/").encode(),
        "escaped letters": json.dumps({"key": bare}).replace("A", r"\u0041").encode(),
        "short lines": json.dumps({"key": "\n".join(textwrap.wrap(bare, 30))}).encode(),
        "short lines alone": "\r\n".join(textwrap.wrap(bare, 20)).encode(),
        "after much else": b'{"a": "' + b"x" * 1100 + b'", "key": "' + bare.encode() + b'"}',
        "in small pieces": json.dumps({"key": textwrap.wrap(bare, 24)}).encode(),
        "hexadecimal": json.dumps({"key": der.hex()}).encode(),
        "as openssl prints it": b"Private-Key: (256 bit)\npriv:\n" + der.hex(":").encode(),
    }


_EC, _RSA = new_key(), new_key("rsa2048")
_BODIES = [(f"{type(key).__name__}: {name}", body) for key in (_EC, _RSA) for name, body in _key_bodies(key).items()]


@pytest.mark.parametrize("body", [body for _, body in _BODIES], ids=[name for name, _ in _BODIES])
def test_no_sample_holds_a_piece_of_a_private_key(client: TestClient, body: bytes) -> None:
    assert client.post("/report", content=body).status_code in (400, 422)
    (rejection,) = rejections(client)
    pieces = {piece for form in _secret_forms() for piece in _windows(form, 10)}
    shown = "".join(rejection["sample"].split()) + json.dumps(rejection)
    assert not [piece for piece in pieces if piece in shown]


def _secret_forms() -> Iterator[str]:
    for key in (_EC, _RSA):
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        yield base64.b64encode(der).decode()
        yield der.hex()
        yield der.hex(":")


def _windows(text: str, width: int) -> Iterator[str]:
    return (text[start : start + width] for start in range(len(text) - width + 1))


def _sample_of(client: TestClient, body: bytes) -> str:
    client.post("/report", content=body)
    return str(rejections(client)[0]["sample"])


@pytest.mark.parametrize(
    ("body", "sample"),
    [
        (b'{"csp-report": {"blocked-uri": "https://x.example/a"}}', '{"csp-report": {"blocked-uri": "https://x.example/a"}}'),
        (b"<html>\r\n\t<body>", "<html>   <body>"),
        ("{'naïve': 'dömäin'}".encode(), "{'naïve': 'dömäin'}"),
        ("\u202e\u0085\u2028x".encode(), "   x"),
        (b"\x1b[31mred", ""),
        (b"\x00\x01\x02", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)  # fmt: skip
def test_a_sample_shows_what_can_be_shown(client: TestClient, body: bytes, sample: str) -> None:
    assert _sample_of(client, body) == sample


def test_a_sample_of_a_report_shows_its_members_without_its_certificates(client: TestClient) -> None:
    sample = _sample_of(client, report_body(port=-1))
    for member in ("date-time", "effective-expiration-date", "hostname", "www.example.com", "known-pins", '"port":-1'):
        assert member in sample
    assert "served-certificate-chain" in sample
    assert len(sample) <= 300


@settings(max_examples=60, deadline=None)
@given(body=st.one_of(st.binary(max_size=400), st.text(max_size=400).map(str.encode)))
def test_no_sample_holds_control_characters_or_is_long(body: bytes) -> None:
    sample = sample_of(body)
    assert sample.isprintable()
    assert len(sample) <= 300
