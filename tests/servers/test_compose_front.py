"""The TLS front of the compose file, as a real HAProxy in front of a real service.

Only the addresses are others: in the compose network the front has one of its own, here it connects from 127.0.0.10.
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.hpkp.header.server_lines import Server
from tests.support.admin import ADMIN
from tests.support.authority import make_site
from tests.support.reports import distinct_bodies, report_body
from tests.support.server import RunningService, running_service
from tests.support.servers.running import free_port, running_configuration

ROOT = Path(__file__).parents[2]
FRONT = "127.0.0.10"
NAME = "reports.example"
SENDERS = ("127.0.0.2", "127.0.0.3")
CLOSED = (
    "/", "/login", "/docs", "/openapi.json", "/metrics", "/livez", "/readyz", "/upkeep", "/api/v1/hosts", "/reports",
    "/report.json", "//report", "/REPORT", "/%72eport", "/x/../report", "/static/style.css",
)  # fmt: skip
THROUGH_THE_REPORTS = (
    "/report/../metrics", "/report/../api/v1/hosts", "/report/%2e%2e/metrics", "/report/..%2fmetrics",
    "/report//metrics", "/report/../../login", "/report/..;/metrics", "/report?/../metrics", "/report/.%00/metrics",
)  # fmt: skip
"""Paths that begin as the front lets through."""


@dataclass(frozen=True)
class Front:
    """The front with the service behind it."""

    service: RunningService
    port: int
    trust: ssl.SSLContext

    def send(self, method: str, path: str, *, sender: str = SENDERS[0], **options: object) -> httpx.Response:
        """Send a request over TLS from an address of loopback, its path as it is."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=sender)
        with httpx.Client(transport=transport, timeout=60, trust_env=False) as client:
            request = client.build_request(method, f"https://127.0.0.1:{self.port}", **options)  # type: ignore[arg-type]
            request.headers["host"] = NAME
            request.extensions = {"target": path.encode(), "sni_hostname": NAME}
            return client.send(request)

    def count(self, port: int) -> tuple[int, int]:
        """Return the reports and clients of the violation that was met at a port."""
        found = self.service.client.get("/api/v1/violations").json()["items"]
        [violation] = [one for one in found if one["port"] == port]
        return violation["reports"], violation["clients"]


def _configuration(port: int, tls: Path, target: str) -> str:
    """Return the front's configuration with other addresses."""
    text = (ROOT / "compose/front/haproxy.cfg").read_text()
    by_name = "collector:8000 resolvers docker init-addr last,libc,none"
    for there, here in (
        ("bind :8443 ssl crt /tls/", f"bind 127.0.0.1:{port} ssl crt {tls}/"),
        (f"server collector {by_name}", f"server collector {target} source {FRONT}"),
    ):
        assert text.count(there) == 1
        text = text.replace(there, here)
    return text


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Run both, the service with the options of the compose file."""
    directory = tmp_path_factory.mktemp("front")
    today = datetime.now(UTC)
    site = make_site(NAME, not_before=today - timedelta(days=1), not_after=today + timedelta(days=89))
    key = site.leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    (directory / "tls").mkdir()
    (directory / "tls" / "reports.pem").write_text(site.leaf.pem + site.intermediate.pem + key)
    trust = ssl.create_default_context(cadata=site.root.pem)
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert "./compose/tls:/tls:ro" in services["front"]["volumes"]
    command = services["collector"]["command"]
    assert command[:3] == ["serve", "--host", "0.0.0.0"]
    options = [FRONT if before == "--trusted-proxies" else word for before, word in pairwise(command[2:])]
    port = free_port()
    with running_service(directory / "service", *options) as service:
        text = _configuration(port, directory / "tls", urlsplit(service.url).netloc)
        with running_configuration(Server.HAPROXY, text, port=port, directory=directory / "haproxy"):
            yield Front(service, port, trust)


def test_a_report_over_tls_is_accepted(front: Front) -> None:
    for path, body in zip(("/report", "/report/web"), distinct_bodies(2, port=4001), strict=True):
        assert front.send("POST", path, content=body).status_code == 204
    assert front.count(4001) == (2, 1)
    assert front.send("OPTIONS", "/report").status_code == 204
    assert front.send("POST", "/report", content=b"{").status_code == 400


def test_http_2_is_offered(front: Front) -> None:
    offered = ssl.create_default_context()
    offered.check_hostname, offered.verify_mode = False, ssl.CERT_NONE
    offered.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", front.port)) as plain, offered.wrap_socket(plain) as secured:
        assert secured.selected_alpn_protocol() == "h2"


def test_a_sender_cannot_pass_for_another_one(front: Front) -> None:
    """The same bytes by the same client count once, whatever address the client claims to have."""
    body = report_body(port=4002)
    for number in range(6):
        claims = {
            "X-Forwarded-For": f"198.51.100.{number}",
            "Forwarded": f"for=198.51.100.{number}",
            "X-Real-IP": f"198.51.100.{number}",
        }
        assert front.send("POST", "/report", content=body, headers=claims).status_code == 204
        twice = [("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", "127.0.0.1")]
        assert front.send("POST", "/report", content=body, headers=twice).status_code == 204
    assert front.count(4002) == (1, 1)
    assert front.send("POST", "/report", content=body, sender=SENDERS[1]).status_code == 204
    assert front.count(4002) == (2, 2), "two clients behind the front are two"


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_but_reports_passes_not_even_with_a_token(front: Front, path: str) -> None:
    for method in ("GET", "POST", "PUT", "HEAD"):
        answer = front.send(method, path, headers=ADMIN)
        assert answer.status_code == 404
        assert "x-hpkp-counted-until" not in answer.headers
        assert "server" not in answer.headers


@pytest.mark.parametrize("path", THROUGH_THE_REPORTS)
def test_no_path_leads_from_the_reports_to_anything_else(front: Front, path: str) -> None:
    assert front.send("GET", path, headers=ADMIN).status_code in (400, 404, 405)
    assert front.send("POST", path, headers=ADMIN, content=b"{}").status_code in (400, 404, 422)


def test_without_tls_nothing_is_answered(front: Front) -> None:
    # HAProxy closes in the midst of the request: the client sees the end of the connection, or its reset.
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
        httpx.post(f"http://127.0.0.1:{front.port}/report", content=report_body(port=4003), trust_env=False)
    stored = front.service.client.get("/api/v1/violations").json()["items"]
    assert not [violation for violation in stored if violation["port"] == 4003]
