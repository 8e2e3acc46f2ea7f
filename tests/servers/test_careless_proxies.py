"""Real nginx and HAProxy in front of a real service, configured as carelessly as people do: nothing opens.

In each of these configurations every request comes from loopback, most without any field that says so; in some the
client chooses the `Host`, in others it is a name of loopback whatever the client sent.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.hpkp.header.server_lines import Server
from app.main import create_app
from app.settings import Settings
from app.web.routes import router as pages
from tests.support.admin import ADMIN
from tests.support.reports import report_body
from tests.support.server import RunningService, running_service, running_without_token
from tests.support.servers.running import free_port, running_configuration

_NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    upstream hpkp {{ server {target}; }}
    upstream localhost {{ server {target}; }}
    server {{
        listen 127.0.0.1:{port};
        {lines}
    }}
}}
"""
_HAPROXY = """\
defaults
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen careless
    bind 127.0.0.1:{port}
    {lines}
    server hpkp {target}
"""
_FORWARD = "location / {{ proxy_pass http://{target}; %s }}"
CARELESS = {
    "nginx-bare": (Server.NGINX, _FORWARD % ""),
    "nginx-upstream": (Server.NGINX, "location / {{ proxy_pass http://hpkp; }}"),
    "nginx-upstream-named-localhost": (Server.NGINX, "location / {{ proxy_pass http://localhost; }}"),
    "nginx-host-localhost": (Server.NGINX, _FORWARD % "proxy_set_header Host localhost;"),
    "nginx-host-of-the-client": (Server.NGINX, _FORWARD % "proxy_set_header Host $http_host;"),
    "nginx-no-host": (Server.NGINX, _FORWARD % 'proxy_set_header Host "";'),
    "nginx-client-is-loopback": (Server.NGINX, _FORWARD % "proxy_set_header X-Forwarded-For 127.0.0.1;"),
    "haproxy-tcp": (Server.HAPROXY, "mode tcp"),
    "haproxy-http": (Server.HAPROXY, "mode http"),
    "haproxy-host-localhost": (Server.HAPROXY, "mode http\n    http-request set-header Host localhost"),
    "haproxy-no-host": (Server.HAPROXY, "mode http\n    http-request del-header Host"),
}
DECEPTIONS: tuple[dict[str, str], ...] = (
    {},
    {"Host": "localhost"},
    {"Host": "127.0.0.1:8000"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
    {"X-Real-IP": "127.0.0.1", "X-Forwarded-Host": "localhost"},
    {"Authorization": "Bearer"},
    {"Cookie": "hpkp_session=; hpkp_visitor=x"},
)
OPEN = {"/report", "/report/{label}", "/livez", "/readyz", "/login", "/logout", "/static/{name}", "/docs"}
"""Routes that ask for no token."""
_SAMPLES = {
    "host": "www.example.com", "violation_id": 1, "report_id": 1, "sha256": "0" * 64, "date": "2026-11-01",
    "app": "a", "version": "1", "which": "served",
}  # fmt: skip


def _guarded() -> set[tuple[str, str]]:
    """Return the method and path of every route of the API and of the pages that is not open."""
    api = {
        (method.upper(), path) for path, item in create_app(Settings()).openapi()["paths"].items() for method in item
    }
    web = {(method, str(route.path)) for route in iter_route_contexts(pages.routes) for method in route.methods or ()}
    return {(method, path.format(**_SAMPLES)) for method, path in api | web if path not in OPEN and method != "HEAD"}


@pytest.fixture(scope="module", params=["with a token", "without a token"])
def service(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[RunningService]:
    running = running_service if request.param == "with a token" else running_without_token
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.mark.parametrize("name", CARELESS)
def test_nothing_opens_through_a_careless_proxy(service: RunningService, name: str, tmp_path: Path) -> None:
    server, lines = CARELESS[name]
    target, port = urlsplit(service.url).netloc, free_port()
    frame = _NGINX if server is Server.NGINX else _HAPROXY
    text = frame.format(lines=lines.format(target=target), target=target, port=port, directory=tmp_path)
    guarded = sorted(_guarded())
    assert len(guarded) > 35
    has_token = service.client.get("/api/v1/hosts").status_code == 200
    with (
        running_configuration(server, text, port=port, directory=tmp_path),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        for number, (method, path) in enumerate(guarded):
            told = DECEPTIONS[number % len(DECEPTIONS)]
            assert client.request(method, path, headers=told).status_code == 401, (method, path, told)
        for told in DECEPTIONS:
            assert client.get("/api/v1/hosts", headers=told).status_code == 401, told
            policy = {"pins": [{"sha256": "A" * 43 + "="}]}
            put = client.put("/api/v1/hosts/www.example.com/policy", json=policy, headers=told)
            assert put.status_code == 401, told
        # The proxy does lead to the service, and what should pass does.
        assert client.post("/report", content=report_body()).status_code == 204
        assert client.get("/api/v1/hosts", headers=ADMIN).status_code == (200 if has_token else 401)
